/** A draft that lives: session with the new avatar, which says sentences. */

import * as api from "./api.js";
import { Meter, atGestures } from "./audio.js";
import { PageError, noPicture } from "./errors.js";
import { withKey } from "./key.js";
import { Tries } from "./patience.js";
import { Session } from "./session.js";

const QUALITY = "512x512";

export class Draft {
  #view;
  #on;
  #session = null;
  #chosen = null; // avatar, background and quality
  #meter;
  #tries = new Tries();
  #busy = false; // a turn is playing, or has been sent

  /**
   * `view` is the `AvatarView`, whose `picture` and `noPicture` call those of here. Callbacks: `on.usable(bool)` when sentences can be said
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
    this.#tries.reset();
    this.#view.showCover("wait", { text: "Starting the avatar…" });
    this.#chosen = { avatar, background, quality: QUALITY };
    await this.#try();
  }

  async #try() {
    this.#leave();
    const session = new Session(this.#view, this.#callbacks(() => session === this.#session));
    this.#session = session;
    try {
      await session.open(() => withKey((key) => api.open(key, this.#chosen)));
    } catch (error) {
      if (session === this.#session) this.#failed(error);
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

  picture() {
    this.#tries.reset();
  }

  noPicture() {
    const error = noPicture();
    const again = this.#tries.plan(error, () => this.#try());
    this.#view.sayFrameIsLate(`${error.message} ${again || "You may hear it nevertheless."}`);
  }

  stop() {
    this.#tries.cancel();
    this.#leave();
    this.#view.showCover("none");
  }

  #leave() {
    this.#session?.stop();
    this.#session = null;
    this.#busy = false;
    this.#view.reset();
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

  #failed(error) {
    this.#leave();
    const title = error.title ?? "Something went wrong";
    const say = (text) => this.#view.showCover("words", { title, text: `${error.message} ${text}`.trim(), again: "Try again" });
    say(this.#tries.plan(error, () => (say("Trying again…"), this.#try())));
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
