/** Mode in which the user talks with the avatar: microphone, push to talk, and text. */

import * as api from "./api.js";
import { holdSpace, toggleOrHold } from "./controls.js";
import { contextId } from "./contexts.js";
import { PageError, sentence } from "./errors.js";
import { listStages } from "./stages.js";
import { Transcript } from "./transcript.js";
import * as view from "./view.js";
import { Voice } from "./voice.js";

const element = (id) => document.getElementById(id);
const SETTINGS = new Set(["auth", "model", "quota", "unreachable"]); // codes of errors of a service that was set up
const PUSH_TO_TALK = "PUSH_TO_TALK";
const OPEN_TITLES = { off: "Turn on your microphone", opening: "Opening the microphone…", on: "Your microphone is on" };
const PUSH_TITLES = { off: "Hold to talk", opening: "Opening the microphone…", on: "Listening to you" };

export class TalkMode {
  hint = "Connected. Talk, or type.";
  waitText = "Starting the avatar and the conversation…";
  #current;
  #panel;
  #onPose;
  #transcript = new Transcript(element("transcript"));
  #voice = new Voice(() => this.#microphoneLost());
  #exact = new Set(); // ids of commands to say a text exactly
  #pushed = false; // push to talk: the user holds the button
  #knowsVoices = false;
  #answers = true; // the session has a context, without which it never answers
  #speaks = false; // the avatar is heard
  #thinks = false; // an answer is on its way

  /**
   * `current()` returns the session, `onPose(pose)` is called when it changes, and
   * `restart()` starts another session.
   */
  constructor({ current, panel, onPose, restart }) {
    this.#current = current;
    this.#panel = panel;
    this.#onPose = onPose;
    element("open-microphone").addEventListener("click", () => this.#toggleMicrophone());
    toggleOrHold(element("push"), {
      isOn: () => this.#pushed,
      on: () => this.#push(),
      off: () => this.#release(),
    });
    holdSpace({
      isUsable: (target) => this.#isPushToTalk && this.#channel !== null && (target === element("push") || !keepsSpace(target)),
      on: () => this.#pushed || this.#push(),
      off: () => this.#release(),
    });
    for (const radio of document.getElementsByName("way")) {
      radio.addEventListener("change", () => {
        this.#showWay();
        restart();
      });
    }
    element("voice").addEventListener("change", restart);
    element("typed").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#sendTyped(event.submitter === element("say-exactly"));
    });
    this.#showWay();
  }

  /** Return what the token request says about the conversation. */
  async request(key, avatarTitle) {
    if (!this.#knowsVoices) view.showVoices(await api.voices(key));
    this.#knowsVoices = true;
    const context = await contextId(key);
    this.#answers = context !== null;
    if (!this.#answers) {
      view.notice("This key may not create a context (scope admin), so the avatar hears you and never answers. It says exactly what you type.", { bad: true });
    }
    return {
      mode: "FULL",
      interactivity_type: this.#isPushToTalk ? PUSH_TO_TALK : "CONVERSATIONAL",
      avatar_persona: { context_id: context, voice_id: element("voice").value },
      dynamic_variables: { name: avatarTitle },
    };
  }

  /** Show an empty transcript: another session begins. */
  begin() {
    this.#transcript.reset();
    element("split").hidden = true;
    view.notice("");
  }

  /** Forget the session, which has ended. */
  end() {
    this.#voice.close();
    this.#pushed = this.#speaks = this.#thinks = false;
    this.#transcript.finish();
    this.#showMicrophone();
  }

  interrupted() {
    this.#thinks = false;
    this.#showPose();
  }

  handle(event) {
    const { type, text, source_event_id: source } = event;
    const transcript = this.#transcript;
    switch (type) {
      case "user.speak_started":
        transcript.userStarted();
        this.#onPose("listening");
        break;
      case "user.speak_ended":
        this.#showPose();
        break;
      case "user.transcription.chunk":
        transcript.userChunk(text);
        break;
      case "user.transcription":
        transcript.userSaid(text);
        this.#think();
        break;
      case "avatar.transcription.chunk":
        transcript.answerChunk(source, text);
        break;
      case "avatar.transcription.heard":
        transcript.answerHeard(source, text);
        break;
      case "avatar.transcription":
        if (this.#exact.has(source)) transcript.answerPlanned(source, text);
        else transcript.answerSaid(source, text);
        break;
      case "avatar.speak_started":
        this.#speaks = true;
        this.#thinks = false;
        this.#showPose();
        break;
      case "avatar.speak_ended":
        this.#speaks = false;
        if (this.#exact.has(source)) transcript.answerEnded(source);
        this.#showPose();
        this.#panel.refreshSoon();
        break;
      case "latency":
        transcript.answered(source, event.stages);
        listStages(element("stages"), event.stages);
        element("split").hidden = false;
        break;
      case "user.push_to_talk_start_failed":
        view.notice("This session has no push to talk. Choose it again.", { bad: true });
        break;
      case "error":
        view.notice(explained(event), { bad: true });
        this.#thinks = false;
        this.#showPose();
        break;
    }
  }

  get #isPushToTalk() {
    return element("way-push").checked;
  }

  get #channel() {
    const connection = this.#current()?.connection;
    return connection?.isOpen && connection.ask ? connection : null;
  }

  #sendTyped(isExact) {
    const field = element("typed-text");
    const text = field.value.trim();
    if (!text || !this.#channel) return;
    view.notice("");
    if (isExact) {
      this.#exact.add(this.#channel.say(text));
    } else {
      this.#transcript.typed(text);
      this.#channel.ask(text);
      this.#think();
    }
    field.value = "";
    field.focus();
  }

  // Microphone.

  async #toggleMicrophone() {
    if (this.#voice.isOn) this.#voice.close();
    else await this.#openMicrophone();
    this.#showMicrophone();
  }

  /** Publish the microphone; return whether it is received. */
  async #openMicrophone() {
    const session = this.#current();
    try {
      view.notice("");
      const opening = this.#voice.open(session);
      this.#showMicrophone();
      await opening;
    } catch (error) {
      if (!(error instanceof PageError)) throw error;
      view.notice(`${error.title}. ${error.message} You can type instead.`, { bad: true });
    }
    this.#showMicrophone();
    return this.#voice.isReceived && session === this.#current();
  }

  async #push() {
    if (!this.#channel) return;
    this.#pushed = true;
    if (!this.#voice.isReceived && !(await this.#openMicrophone())) {
      this.#pushed = false;
    } else if (this.#pushed) {
      this.#channel?.startTalking();
    } else {
      view.notice("The microphone is ready. Hold to talk."); // let go while it was opened
    }
    this.#showMicrophone();
  }

  #release() {
    if (!this.#pushed) return;
    this.#pushed = false;
    if (this.#voice.isReceived) this.#channel?.stopTalking();
    this.#showMicrophone();
  }

  #microphoneLost() {
    this.#pushed = false;
    this.#showMicrophone();
    view.notice("The microphone is gone. Connect it and turn it on again, or type.", { bad: true });
  }

  // Display.

  #think() {
    this.#thinks = this.#answers;
    this.#showPose();
  }

  #showPose() {
    this.#onPose(this.#speaks ? "talking" : this.#thinks ? "thinking" : "idle");
  }

  #showWay() {
    element("open-microphone").hidden = this.#isPushToTalk;
    element("push").hidden = !this.#isPushToTalk;
    this.#showMicrophone();
  }

  #showMicrophone() {
    const opening = this.#voice.isOn && !this.#voice.isReceived;
    show("open-microphone", OPEN_TITLES, opening, this.#voice.isReceived);
    show("push", PUSH_TITLES, opening, this.#pushed && this.#voice.isReceived);
  }
}

/** Return an error event in words; settings that are wrong are for who runs the gateway. */
function explained({ code, message }) {
  return SETTINGS.has(code) ? `${sentence(message)} Correct it in the settings of the gateway, whose log says more.` : sentence(message);
}

function show(id, titles, opening, on) {
  element(id).setAttribute("aria-pressed", String(on));
  element(`${id}-title`).textContent = titles[opening ? "opening" : on ? "on" : "off"];
}

/** Return whether an element uses the space key itself. */
function keepsSpace(target) {
  return target.closest?.('input:not([type="radio"]), textarea, select, button, [contenteditable]') !== null;
}
