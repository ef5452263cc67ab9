/** The user's voice in the room: their microphone, published while it is on. */

import { microphoneStream } from "./audio.js";

export class Voice {
  #session = null;
  #track = null;
  #opening = null;
  #onLost;

  /** `onLost()` is called when the device is gone, for example unplugged. */
  constructor(onLost) {
    this.#onLost = onLost;
  }

  get isOn() {
    return this.#opening !== null;
  }

  get isPublished() {
    return this.#track !== null;
  }

  /** Publish the microphone in the session's room; throw `PageError` if there is none. */
  open(session) {
    this.#session = session;
    this.#opening ??= this.#open(session);
    return this.#opening;
  }

  async #open(session) {
    const isOver = () => this.#session !== session;
    let track = null;
    try {
      [track] = (await microphoneStream()).getAudioTracks();
      if (isOver()) return track.stop();
      await session.publishMicrophone(track);
      if (isOver()) return track.stop();
      track.addEventListener("ended", () => {
        if (this.#track !== track) return;
        this.close();
        this.#onLost();
      });
      this.#track = track;
    } catch (error) {
      track?.stop();
      if (!isOver()) {
        this.close();
        throw error;
      }
    }
  }

  /** Take the microphone out of the room, and turn it off. */
  close() {
    if (this.#track) {
      this.#session.unpublishMicrophone(this.#track);
      this.#track.stop();
    }
    this.#session = this.#track = this.#opening = null;
  }
}
