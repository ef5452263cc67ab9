/** The user's voice in the room: their microphone, published while it is on. */

import { microphoneStream } from "./audio.js";

export class Voice {
  #session = null;
  #track = null; // that is published
  #opening = null;
  #closed = null; // aborted by `close`
  #isReceived = false;
  #onLost;

  /** `onLost()` is called when the device is gone, for example unplugged. */
  constructor(onLost) {
    this.#onLost = onLost;
  }

  get isOn() {
    return this.#opening !== null;
  }

  /** The server receives the voice: nothing is lost of what is said from now on. */
  get isReceived() {
    return this.#isReceived;
  }

  /**
   * Publish the microphone in the session's room, and wait until it is received; throw
   * `PageError` if there is none.
   */
  open(session) {
    if (!this.#opening) {
      this.#session = session;
      this.#closed = new AbortController();
      this.#opening = this.#open(session, this.#closed.signal);
    }
    return this.#opening;
  }

  async #open(session, closed) {
    let track = null;
    try {
      [track] = (await microphoneStream()).getAudioTracks();
      if (closed.aborted) return track.stop();
      const { received } = await session.publishMicrophone(track);
      if (closed.aborted) {
        session.unpublishMicrophone(track);
        return track.stop();
      }
      track.addEventListener("ended", () => {
        if (this.#track !== track) return;
        this.close();
        this.#onLost();
      });
      this.#track = track;
      await received;
      if (!closed.aborted) this.#isReceived = true;
    } catch (error) {
      track?.stop();
      if (!closed.aborted) {
        this.close();
        throw error;
      }
    }
  }

  /** Take the microphone out of the room, and turn it off. */
  close() {
    this.#closed?.abort();
    if (this.#track) {
      this.#session.unpublishMicrophone(this.#track);
      this.#track.stop();
    }
    this.#session = this.#track = this.#opening = this.#closed = null;
    this.#isReceived = false;
  }
}
