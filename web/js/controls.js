/** Input handling: a button or key that is held, the log's buttons. */

import { announce } from "./announcer.js";
import { elements } from "./view.js";

const HOLD_MS = 500; // a longer press is a hold, and turns off when it is released

/** Make a button that is on while held, or toggles at a short press. */
export function toggleOrHold(button, { isOn, on, off }) {
  let since = null; // time of the pointer press that may become a hold
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
    if (event.detail) return; // A pointer's click, which is handled above.
    if (isOn()) off();
    else on();
  });
}

/**
 * Let a held space key be on. `isUsable(target)` tells whether the key is free where
 * the focus is.
 */
export function holdSpace({ isUsable, on, off }) {
  let held = false;
  const release = () => {
    if (held) off();
    held = false;
  };
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || event.ctrlKey || event.altKey || event.metaKey) return;
    if (!held && !isUsable(event.target)) return;
    event.preventDefault(); // of scrolling
    if (held || event.repeat) return;
    held = true;
    on();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key !== " " || !held) return;
    event.preventDefault(); // of a click on the button that has the focus
    release();
  });
  addEventListener("blur", release);
  document.addEventListener("visibilitychange", () => document.hidden && release());
}

/** Connect the buttons that pause and copy the event log. */
export function connectLogControls(log) {
  const { pause, copy } = elements;
  pause.addEventListener("click", () => {
    const paused = log.toggle();
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Resume" : "Pause";
  });
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(log.json());
      copy.textContent = `Copied ${log.count}`;
      announce(`${log.count} events copied.`);
    } catch {
      copy.textContent = "Not allowed";
      announce("The browser did not allow copying. Open this page by https or on localhost.");
    }
    setTimeout(() => (copy.textContent = "Copy as JSON"), 2000);
  });
}
