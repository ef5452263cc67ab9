/** A draft that lives: session with the new avatar, which says sentences. */

import { Meter, atGestures } from "./audio.js";
import { PageError } from "./errors.js";
import { Session } from "./session.js";

const QUALITY = "512x512";

export class Draft {
  #view;
  #on;
  #session = null;
  #meter;
  #busy = false; // a turn is playing, or has been sent

  /**
   * `view` is the `AvatarView`. Callbacks: `on.usable(bool)` when sentences can be said
   * or no longer can, `on.speaking(bool)`, and `on.error(text)`.
   */
  constructor(view, on) {
    this.#view = view;
    this.#on = on;
    this.#meter = new Meter((rms) => view.addLoudness(rms));
    atGestures(() => {
      this.#meter.start();
      this.#session?.startAudio();
    });
  }

  /** Start a session, in place of an earlier one. */
  async start(avatar, background) {
    this.stop();
    const session = new Session(this.#view, this.#callbacks(() => session === this.#session));
    this.#session = session;
    this.#view.showCover("wait", { text: "Starting the avatar…" });
    try {
      await session.open({ avatar, quality: QUALITY, background });
    } catch (error) {
      if (session === this.#session) this.#ended({ title: error.title ?? "Something went wrong", text: error.message });
      if (!(error instanceof PageError)) throw error; // a bug of this page: the console shows where
    }
  }

  /** Say a sentence; one that is being said is cut. */
  async say(pcm) {
    const connection = this.#session?.connection;
    if (!connection?.isOpen) return;
    if (this.#busy) connection.interrupt();
    this.#busy = true;
    await connection.speak(pcm);
  }

  stop() {
    this.#session?.stop();
    this.#session = null;
    this.#busy = false;
    this.#view.reset();
    this.#view.showCover("none");
    this.#on.usable(false);
  }

  #callbacks(isCurrent) {
    const only = (act) => (value) => isCurrent() && act(value);
    return {
      connected: only(() => this.#connected()),
      reconnecting: only(() => {
        this.#on.usable(false);
        this.#view.showCover("wait", { text: "The connection is lost. Reconnecting…" });
      }),
      event: only((event) => this.#handle(event)),
      voice: only((track) => this.#meter.follow(track)),
      keyColour: only((colour) => this.#view.removeColour(colour)),
      aiGenerated: only((generated) => this.#view.showAiGenerated(generated)),
      blocked: only((blocked) => this.#view.showAudioBlocked(blocked)),
      ended: only((end) => this.#ended(end)),
    };
  }

  #connected() {
    this.#view.uncover();
    this.#on.usable(true);
  }

  #ended({ title, text }) {
    this.stop();
    this.#view.showCover("words", { title, text, again: "Start again" });
  }

  #handle(event) {
    if (event.type === "agent.state_updated") {
      this.#busy = event.new_state === "talking";
      this.#view.showPose(event.new_state);
      this.#on.speaking(this.#busy);
    } else if (event.type === "error") {
      this.#on.error(event.error.message);
    }
  }
}
