/** What hands do: hold or press, drop a file, pause and copy the log. */

import { announce, elements } from "./view.js";

const HOLD_MS = 500; // a longer press ends with its release, a shorter one stays on

/** A button that is on while held, or from one press to the next. */
export function holdOrPress(button, { isOn, on, off }) {
  let since = null; // when the pointer went down that may turn out to hold
  button.addEventListener("pointerdown", (event) => {
    if (button.disabled || event.button !== 0) return;
    since = isOn() ? -Infinity : event.timeStamp;
    if (!isOn()) on();
  });
  for (const type of ["pointerup", "pointercancel", "pointerleave"]) {
    button.addEventListener(type, (event) => {
      if (since === null) return;
      if (event.timeStamp - since > HOLD_MS) off();
      since = null;
    });
  }
  button.addEventListener("click", (event) => {
    if (event.detail) return; // a pointer's; above
    if (isOn()) off();
    else on();
  });
}

/** Files dropped anywhere on the page. */
export function takeDrops(take) {
  const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    elements.drop.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) elements.drop.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    elements.drop.hidden = true;
    take(event.dataTransfer.files[0]);
  });
}

export function tendLog(log) {
  const { pause, copy } = elements;
  pause.addEventListener("click", () => {
    const paused = log.toggle();
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
  });
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(log.json());
      copy.textContent = `Copied ${log.count}`;
      announce(`${log.count} events copied.`);
    } catch {
      copy.textContent = "Not allowed";
      announce("The browser did not allow copying: it needs https or localhost.");
    }
    setTimeout(() => (copy.textContent = "Copy as JSON"), 2000);
  });
}
