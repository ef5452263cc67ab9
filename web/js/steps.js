/** Steps of the page that makes an avatar: this module shows them and has no state. */

import { announce } from "./announcer.js";

const element = (id) => document.getElementById(id);

export const controls = Object.fromEntries(
  [
    ..."file empty take ask cancel retry another keep discard tune more jaw smile".split(" "),
    ...["file-button", "camera-button", "camera-back", "other-photo"],
  ].map((id) => [id, element(id)]),
);

/** The step that is shown: off, choose, camera, ask, work, refused, draft or kept. */
export const current = () => document.body.dataset.step;

/** Show a step, and move the focus to its heading. */
export function show(step) {
  document.body.dataset.step = step;
  for (const part of document.querySelectorAll("[data-steps]")) {
    part.toggleAttribute("hidden", !part.dataset.steps.split(" ").includes(step));
  }
  for (const line of document.querySelectorAll(".notice")) line.textContent = "";
  document.querySelector(`.say [data-steps="${step}"] [tabindex="-1"]`)?.focus();
}

/** Show a line in the step: an error or the current action. */
export function notice(text, { bad = false } = {}) {
  for (const line of document.querySelectorAll(`[data-steps="${current()}"] .notice`)) {
    line.textContent = text;
    line.toggleAttribute("data-bad", bad);
  }
}

/** Ask for the consent again: an answer is about one photo. */
export function askConsent() {
  for (const answer of controls.ask.elements.consent) answer.checked = false;
}

/** Show how far the work is: a share 0..1, or null, and the step in words. */
export function showProgress(share, words) {
  const bar = element("progress");
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
  const text = `${words[0].toUpperCase()}${words.slice(1)}…`;
  if (element("work-text").textContent === text) return;
  element("work-text").textContent = text;
  announce(text);
}

export function showWarnings(warnings) {
  const lines = warnings.map(({ message }) => Object.assign(document.createElement("li"), { textContent: message }));
  element("warnings").replaceChildren(...lines);
}

/** Say why there is no avatar; `canRetry`: the same photo may be tried again. */
export function showRefusal({ title, message }, canRetry) {
  show("refused");
  element("refused-title").textContent = title;
  element("refused-text").textContent = message;
  controls.retry.hidden = !canRetry;
  controls.another.className = canRetry ? "plain" : "primary";
  announce(`${title}. ${message}`);
}

/** Say for how long a draft stays, in seconds; null: unknown. */
export function showLifetime(seconds) {
  const minutes = Math.round(seconds / 60);
  element("lifetime").textContent = seconds ? `What is not kept is deleted in ${minutes} minute${minutes === 1 ? "" : "s"}.` : "";
}

/** Let sentences be pressed, or not. */
export function enableSentences(usable) {
  document.querySelector(".usable").disabled = !usable;
}

/** Show the page of faces, a `Blob`; null hides it. */
export function showFaces(picture) {
  const image = element("preview");
  URL.revokeObjectURL(image.src);
  image.hidden = !picture;
  if (picture) image.src = URL.createObjectURL(picture);
}

/** Say that an avatar is kept, and link to the demo page with it. */
export function showKept({ id, title }) {
  show("kept");
  element("kept-title").textContent = `${title} is kept`;
  element("demo").href = `/?avatar=${encodeURIComponent(id)}`;
  element("demo").textContent = `Talk with ${title}`;
  announce(`${title} is kept.`);
}

/** Show the numbers beside the sliders. */
export function showTuning() {
  for (const output of document.querySelectorAll("#tune output")) {
    output.textContent = `${Math.round(100 * element(output.htmlFor.value).value)} %`;
  }
}
