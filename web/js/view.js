/** Elements of the page; this module shows state and has none itself. */

const element = (id) => document.getElementById(id);

const LINK = { connecting: "Connecting", live: "Live", away: "Reconnecting", ended: "Ended", failed: "Not connected" };

const FIGURES_HINT = {
  speak: "Each sentence that you press adds a measurement.",
  talk: "Under “Send speech”, each sentence that you press adds a measurement.",
};

export const elements = Object.fromEntries(
  [
    ..."interrupt microphone file avatar quality pause copy lines".split(" "),
    ...["file-button", "microphone-title"],
  ].map((id) => [id, element(id)]),
);
export const poseButtons = [...document.querySelectorAll(".poses button")];

/** Show the state of the connection, a key of `LINK`. */
export function showLink(state) {
  element("link").dataset.state = state;
  element("link-text").textContent = LINK[state];
  const usable = state === "live";
  for (const control of document.querySelectorAll(".dock button, .tile, .usable, .typed input, .typed button")) {
    control.disabled = !usable;
  }
}

/** Press the button of a pose, if it has one. */
export function pressPose(pose) {
  if (!poseButtons.some((button) => button.dataset.pose === pose)) return;
  for (const button of poseButtons) button.setAttribute("aria-pressed", String(button.dataset.pose === pose));
}

/** Show the controls of one mode, "speak" or "talk". */
export function showMode(mode) {
  for (const name of ["speak", "talk"]) element(`${name}-controls`).hidden = name !== mode;
  for (const link of document.querySelectorAll(".modes a")) {
    if (link.hash === `#${mode}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  element("voice-choice").hidden = mode !== "talk";
  element("figures-hint").textContent = FIGURES_HINT[mode];
  notice("");
}

export function showVoices(voices) {
  const titles = voices.map(({ id, name, gender }) => [gender ? `${name} (${gender})` : name, id]);
  element("voice").replaceChildren(...[["Default", ""], ...titles].map(([title, id]) => new Option(title, id)));
}

/** Show which parts of a conversation are built in. */
export function showOffer({ state, text }) {
  const isOffered = state === "ready" || state === "starting";
  element("parts").textContent = isOffered ? `${text[0].toUpperCase()}${text.slice(1)}.` : "";
}

/** Show a line under the controls of the mode: an error or the current action. */
export function notice(text, { bad = false } = {}) {
  for (const line of document.querySelectorAll(".notice")) {
    line.textContent = text;
    line.toggleAttribute("data-bad", bad);
  }
}

let voiceNames = {}; // of each avatar; undefined: it has none of its own
let pictures = {}; // names of the backgrounds of each avatar; null: it keeps its own

export function showAvatars(avatars, chosen) {
  voiceNames = Object.fromEntries(avatars.map(({ name, default_voice: voice }) => [name, voice?.name]));
  pictures = Object.fromEntries(avatars.map(({ name, backgrounds }) => [name, backgrounds ?? null]));
  elements.avatar.replaceChildren(
    ...avatars.map(({ name, title }) => new Option(title || name, name, false, name === chosen)),
  );
}

/** Return the names of the pictures behind an avatar; null: it keeps its own background. */
export function backgroundsOf(avatar) {
  return pictures[avatar];
}

/** Link to the page that makes avatars, if this gateway does. */
export function showCreation(creates) {
  element("create").hidden = !creates;
}

/** Return the title of the chosen avatar. */
export function avatarTitle() {
  return elements.avatar.selectedOptions[0].textContent;
}

/** Return the name of the chosen avatar's voice; undefined: it has none of its own. */
export function avatarVoice() {
  return voiceNames[elements.avatar.value];
}

export function showMicrophone(on) {
  elements.microphone.setAttribute("aria-pressed", String(on));
  elements["microphone-title"].textContent = on ? "Listening to you" : "Your microphone";
}

/** Create one card for each figure; `figures` is a list of [id, title, note]. */
export function createFigures(figures) {
  element("figures").replaceChildren(
    ...figures.map(([id, title, note]) => {
      const card = document.createElement("div");
      card.className = "figure";
      card.id = `figure-${id}`;
      card.innerHTML = '<dt></dt><dd class="value"></dd><dd class="more"></dd><dd class="note"></dd>';
      card.querySelector("dt").textContent = title;
      card.querySelector(".note").textContent = note;
      return card;
    }),
  );
  for (const [id] of figures) showFigure(id, {});
}

export function showFigure(id, { value, unit = "ms", more = "" }) {
  const card = element(`figure-${id}`);
  const small = document.createElement("span");
  small.textContent = unit;
  card.querySelector(".value").replaceChildren(value ?? "–", ...(value === undefined ? [] : [small]));
  card.querySelector(".more").textContent = more;
}
