/** Sample sentences, as buttons; the field set around them says whether they can be pressed. */

import { decode } from "./audio.js";
import { PageError } from "./errors.js";

const PLAY = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M7 4.5v15L19.5 12z"/></svg>';
const list = () => document.getElementById("sentences");

/**
 * Load and show the sentences. `say(pcm, event, button)` is called when one is pressed,
 * and `failed(error)` with the `PageError` of what cannot be loaded or said. `voice()`
 * names the voice of the avatar, in which a sentence is said if there is a file of it.
 */
export async function showSentences(say, failed, voice) {
  const response = await fetch("samples/samples.json").catch(() => null);
  if (!response?.ok) {
    return failed(notLoaded("The sample sentences", "Load this page again to get them."));
  }
  const sentences = await response.json();
  const buttons = sentences.map((sentence) => {
    loadOnce(sentence.file).catch(() => null); // the error is shown when the button is pressed
    return button(sentence, async (event, pressed) => {
      try {
        const pcm = await loadOnce(sentence.voices?.[voice()] ?? sentence.file);
        await say(pcm, event, pressed);
      } catch (error) {
        failed(error);
      }
    });
  });
  list().replaceChildren(...buttons);
}

/** Mark the sentence that is sent or playing; null for none. */
export function markSentence(pressed) {
  for (const button of list().querySelectorAll("button")) {
    if (button === pressed) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

const notLoaded = (what, remedy) => new PageError("sound", `${what} could not be loaded`, remedy);

const loading = new Map(); // file -> promise of its PCM

function loadOnce(file) {
  if (!loading.has(file)) {
    loading.set(file, load(file));
    loading.get(file).catch(() => loading.delete(file)); // it is loaded when it is wanted again
  }
  return loading.get(file);
}

async function load(file) {
  const response = await fetch(`samples/${file}`).catch(() => null);
  if (!response?.ok) throw notLoaded("The sentence", "Check your network, and press it again.");
  return decode(await response.arrayBuffer(), file);
}

function button({ text, title }, press) {
  const button = document.createElement("button");
  button.type = "button";
  button.innerHTML = `${PLAY}<span><b></b><small></small></span>`;
  button.querySelector("b").textContent = text;
  button.querySelector("small").textContent = title;
  button.addEventListener("click", (event) => press(event, button));
  const item = document.createElement("li");
  item.append(button);
  return item;
}
