/** Elements of the page; this module shows state and has none itself. */

const element = (id) => document.getElementById(id);

const frame = element("frame");
const cover = element("cover");
const LINK = { connecting: "Connecting", live: "Live", away: "Reconnecting", ended: "Ended", failed: "Not connected" };
const POSE = { idle: "Idle", listening: "Listening", talking: "Talking" };
const PLAY = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M7 4.5v15L19.5 12z"/></svg>';

export const elements = Object.fromEntries(
  [
    ..."video audio sound again interrupt microphone file avatar quality pause copy lines drop key".split(" "),
    ...["key-form", "file-button", "microphone-title"],
  ].map((id) => [id, element(id)]),
);
export const poseButtons = [...document.querySelectorAll(".poses button")];

/** Show the state of the connection, a key of `LINK`. */
export function showLink(state) {
  element("link").dataset.state = state;
  element("link-text").textContent = LINK[state];
  const usable = state === "live";
  for (const control of document.querySelectorAll(".dock button, .tile, .sentences button")) {
    control.disabled = !usable;
  }
}

/** Cover the video with a spinner ("wait"), a message ("words"), or nothing ("none"). */
export function showCover(kind, { title = "", text = "", again = "", form = false } = {}) {
  cover.dataset.kind = kind;
  element("spinner").hidden = kind !== "wait";
  element("cover-title").hidden = !title;
  element("cover-title").textContent = title;
  element("cover-text").textContent = text;
  elements["key-form"].hidden = !form;
  elements.again.hidden = !again;
  elements.again.textContent = again;
}

export function showVideo(shown) {
  frame.toggleAttribute("data-picture", shown);
}

/** Give the frame the aspect ratio of the chosen video quality. */
export function showShape(quality) {
  const [width, height] = quality.includes("x") ? quality.split("x").map(Number) : [16, 9];
  frame.style.setProperty("--ratio", width / height);
}

export function showPose(pose) {
  frame.dataset.pose = pose;
  element("pose-text").textContent = POSE[pose] ?? pose;
  for (const button of poseButtons) {
    if (pose !== "talking") button.setAttribute("aria-pressed", String(button.dataset.pose === pose));
  }
}

export function pressPose(pose) {
  for (const button of poseButtons) button.setAttribute("aria-pressed", String(button.dataset.pose === pose));
}

/** Show the loudness of the avatar, 0 to 1. */
export function showLevel(level) {
  frame.style.setProperty("--level", level.toFixed(2));
}

export function showAudioBlocked(blocked) {
  elements.sound.hidden = !blocked;
}

/** Show a line under the audio inputs: an error or the current action. */
export function notice(text, { bad = false } = {}) {
  const line = element("notice");
  line.textContent = text;
  line.toggleAttribute("data-bad", bad);
}

/** Announce a text to screen readers; others see the state in the video frame. */
export function announce(text) {
  element("announced").textContent = text;
}

export function showSentences(sentences, press) {
  element("sentences").replaceChildren(
    ...sentences.map((sentence) => {
      const button = document.createElement("button");
      button.type = "button";
      button.disabled = true;
      button.innerHTML = `${PLAY}<span><b></b><small></small></span>`;
      button.querySelector("b").textContent = sentence.text;
      button.querySelector("small").textContent = sentence.title;
      button.addEventListener("click", (event) => press(sentence, event, button));
      const item = document.createElement("li");
      item.append(button);
      return item;
    }),
  );
}

export function markSentence(pressed) {
  for (const button of document.querySelectorAll(".sentences button")) {
    if (button === pressed) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

export function showAvatars(avatars, chosen) {
  elements.avatar.replaceChildren(
    ...avatars.map(({ name, title }) => new Option(title || name, name, false, name === chosen)),
  );
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
