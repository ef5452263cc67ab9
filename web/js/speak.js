/** Mode in which this page sends speech: sentences, audio files, and the microphone. */

import { Microphone, decode } from "./audio.js";
import { toggleOrHold } from "./controls.js";
import { acceptDrops } from "./drops.js";
import { PageError } from "./errors.js";
import { markSentence, showSentences } from "./sentences.js";
import * as view from "./view.js";

const { elements } = view;

export class SpeakMode {
  hint = "Connected. Press a sentence.";
  waitText = "Starting the avatar…";
  #current;
  #panel;
  #onPose;
  #microphone = new Microphone();
  #microphoneTurn = null; // the turn that the microphone sends, while it is on
  #pressedButton = null; // button of the sentence that is sent or playing
  #busy = false; // a turn is playing, or has been sent

  /** `current()` returns the session, and `onPose(pose)` is called when it changes. */
  constructor({ current, panel, onPose }) {
    this.#current = current;
    this.#panel = panel;
    this.#onPose = onPose;
    toggleOrHold(elements.microphone, {
      isOn: () => this.#microphoneTurn !== null,
      on: () => this.#startMicrophone(),
      off: () => this.stopMicrophone(),
    });
    elements["file-button"].addEventListener("click", () => elements.file.click());
    elements.file.addEventListener("change", () => {
      this.#speakFile(elements.file.files[0]);
      elements.file.value = "";
    });
    acceptDrops((file) => this.#speakFile(file));
    showSentences((pcm, event, button) => this.#speak(pcm, event.timeStamp, button), showError, view.avatarVoice);
  }

  /** Return what the token request says about a conversation: nothing. */
  async request() {
    return undefined;
  }

  begin() {}

  /** Forget the session, which has ended. */
  end() {
    this.stopMicrophone();
    this.#busy = false;
    markSentence(null);
  }

  interrupted() {
    this.stopMicrophone();
  }

  handle(event, at) {
    const { stopwatch } = this.#panel;
    switch (event.type) {
      case "agent.state_updated":
        this.#busy = event.new_state === "talking";
        this.#onPose(event.new_state);
        markSentence(this.#busy ? this.#pressedButton : null);
        break;
      case "agent.speak_started":
        stopwatch.speakStarted(at);
        this.#panel.refreshSoon();
        break;
      case "agent.speak_interrupted":
        this.#panel.refreshSoon();
        break;
      case "error":
        view.notice(event.error.message, { bad: true });
        break;
    }
  }

  get #connection() {
    const connection = this.#current()?.connection;
    return connection?.isOpen && connection.speak ? connection : null;
  }

  /** Interrupt the current turn, because a new one begins. */
  #endCurrentTurn() {
    this.stopMicrophone();
    if (this.#busy) this.#connection.interrupt();
    this.#busy = true;
    view.notice("");
  }

  async #speak(pcm, at, button = null) {
    if (!this.#connection) return;
    this.#endCurrentTurn();
    this.#panel.stopwatch.pressed(at);
    this.#pressedButton = button;
    await this.#connection.speak(pcm);
  }

  async #speakFile(file) {
    if (!file || !this.#connection) return;
    try {
      view.notice(`Decoding ${file.name} …`);
      const pcm = await decode(await file.arrayBuffer(), file.name);
      await this.#speak(pcm, performance.now());
      view.notice(`Saying ${file.name}.`);
    } catch (error) {
      showError(error);
    }
  }

  async #startMicrophone() {
    this.#endCurrentTurn();
    this.#pressedButton = null;
    view.showMicrophone(true);
    const turn = (this.#microphoneTurn = this.#connection.turn());
    try {
      await this.#microphone.start((pcm) => turn.append(pcm));
      if (this.#microphoneTurn !== turn) return this.#microphone.stop();
      view.notice("The avatar repeats your speech. Use headphones, or the microphone may pick up its voice.");
    } catch (error) {
      this.stopMicrophone();
      showError(error);
    }
  }

  stopMicrophone() {
    if (!this.#microphoneTurn) return;
    this.#microphone.stop();
    this.#microphoneTurn.end();
    this.#microphoneTurn = null;
    view.showMicrophone(false);
    view.notice("");
  }
}

function showError(error) {
  if (!(error instanceof PageError)) throw error;
  view.notice(`${error.title}. ${error.message}`, { bad: true });
}
