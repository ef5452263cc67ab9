/** The avatar on a page: its video, what covers it, its pose, loudness and key colour. */

import { Keyer } from "./keyer.js";
import { FirstFrame } from "./patience.js";

const element = (id) => document.getElementById(id);
const LOUD = 0.16; // RMS of loud speech, at which the level indicator is full
const FIRST_FRAME = "Connected. The picture comes with the first frame…";
const LATE_MS = 8000; // of a wait
const LATE = "This takes longer than usual.";
const POSE = { idle: "Idle", listening: "Listening", thinking: "Thinking", talking: "Talking" };

export class AvatarView {
  video = element("video");
  audio = element("audio");
  again = element("again");
  #frame = element("frame");
  #cover = element("cover");
  #firstFrame;
  #late = 0; // timer
  #keyer;
  #onNoWebGl;
  #level = 0;
  #shownLevel = 0;

  /**
   * Callbacks: `on.noWebGl()` when the video is shown with its key colour, `on.picture()`
   * at the first frame after `uncover`, and `on.noPicture()` if none has come for long.
   */
  constructor(on) {
    this.#onNoWebGl = on.noWebGl;
    this.#firstFrame = new FirstFrame(this.video, {
      picture: () => (this.showCover("none"), on.picture()),
      late: on.noPicture,
    });
    this.#keyer = new Keyer(this.video, element("keyed"), () => this.#showKeyColour());
    this.video.addEventListener("playing", () => this.showVideo(true));
    requestAnimationFrame(() => this.#drawLevel());
  }

  /** Show the avatar as before its first session. */
  reset() {
    this.showVideo(false);
    this.removeColour("");
    this.showAiGenerated(false);
    this.showPose("idle");
    this.#level = 0;
    this.showAudioBlocked(false);
  }

  /** Cover the video with a spinner ("wait"), a message ("words"), or nothing ("none"). */
  showCover(kind, { title = "", text = "", again = "", form = false } = {}) {
    this.#firstFrame.stop();
    clearTimeout(this.#late);
    if (kind === "wait") this.#late = setTimeout(() => (element("cover-text").textContent = `${text} ${LATE}`), LATE_MS);
    this.#cover.dataset.kind = kind;
    element("spinner").hidden = kind !== "wait";
    element("cover-title").hidden = !title;
    element("cover-title").textContent = title;
    element("cover-text").textContent = text;
    element("key-form").hidden = !form;
    this.again.hidden = !again;
    this.again.textContent = again;
    if (form) element("key").focus();
  }

  /** Uncover the video of a session that runs, at its first frame. */
  uncover() {
    this.showCover("wait", { text: FIRST_FRAME });
    this.#firstFrame.await(this.#frame.hasAttribute("data-picture"));
  }

  /** Say while the first frame is awaited that it is late. */
  sayFrameIsLate(text) {
    clearTimeout(this.#late);
    element("cover-text").textContent = text;
  }

  showVideo(shown) {
    this.#frame.toggleAttribute("data-picture", shown);
  }

  /** Give the frame the aspect ratio of a video quality. */
  showShape(quality) {
    const [width, height] = quality.includes("x") ? quality.split("x").map(Number) : [16, 9];
    this.#frame.style.setProperty("--ratio", width / height);
  }

  /** Remove a colour from the video; without WebGL the background shows that colour. */
  removeColour(colour) {
    const keyed = this.#keyer.show(colour);
    this.#showKeyed(keyed);
    if (colour && !keyed) this.#showKeyColour();
  }

  /** Tell whether the avatar is the likeness of a real person. */
  showAiGenerated(generated) {
    element("ai-generated").hidden = !generated;
  }

  showPose(pose) {
    this.#frame.dataset.pose = pose;
    element("pose-text").textContent = POSE[pose] ?? pose;
  }

  showAudioBlocked(blocked) {
    element("sound").hidden = !blocked;
  }

  /** Take one loudness (RMS) of the decoded audio, every 8 ms. */
  addLoudness(rms) {
    this.#level += (Math.min(1, rms / LOUD) - this.#level) * (rms / LOUD > this.#level ? 0.5 : 0.12);
  }

  #drawLevel() {
    const next = this.#frame.dataset.pose === "talking" ? this.#level : 0;
    if (Math.abs(next - this.#shownLevel) > 0.02) {
      this.#shownLevel = next;
      this.#frame.style.setProperty("--level", next.toFixed(2));
    }
    requestAnimationFrame(() => this.#drawLevel());
  }

  /** Show the canvas without key colour in place of the video. */
  #showKeyed(keyed) {
    this.#frame.toggleAttribute("data-keyed", keyed);
  }

  /** Show the video with its key colour, and say why. */
  #showKeyColour() {
    this.#showKeyed(false);
    this.#onNoWebGl();
  }
}
