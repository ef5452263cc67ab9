/** One session as this page holds it: minted, its room joined, its wire open. */

import * as api from "./api.js";
import { Room } from "./room.js";
import { ending } from "./trouble.js";
import { Wire } from "./wire.js";

const STORY_MS = 1500; // how long a lost room or wire waits for session.stopped to explain it

export class Session {
  #on;
  #over = false;
  #opened = null;
  #wire = null;
  #room;
  #away = new Set();

  /**
   * `on.live()`, `on.away()`, `on.event(event)`, `on.voice(track)`, `on.blocked(bool)`
   * and, once, `on.over(end)` with a title and a text for a person.
   */
  constructor(elements, on) {
    this.#on = on;
    this.#room = new Room(elements, {
      voice: (track) => on.voice(track),
      blocked: (blocked) => this.#over || on.blocked(blocked),
      away: () => this.#missing("room"),
      back: () => this.#back("room"),
      gone: () => this.#explain("The LiveKit room is gone. Check the LiveKit server, then start again."),
    });
  }

  /** Throws `Trouble`; whatever was opened until then is closed again. */
  async open(key, choice) {
    try {
      const opened = await api.open(key, choice);
      this.#opened = opened;
      if (this.#over) return this.#leave();
      await Promise.all([this.#room.join(opened.livekitUrl, opened.livekitToken), this.#connect(opened.wsUrl)]);
      if (!this.#over) this.#on.live();
    } catch (trouble) {
      if (this.#over) return;
      this.stop();
      throw trouble;
    }
  }

  get wire() {
    return this.#wire;
  }

  startAudio() {
    this.#room.startAudio();
  }

  stop() {
    this.#over = true;
    this.#leave();
  }

  #leave() {
    this.#wire?.close();
    if (this.#opened) api.stop(this.#opened);
    this.#opened = null;
    this.#room.leave();
  }

  #connect(url) {
    return new Promise((done) => {
      this.#wire = new Wire(url, {
        open: () => (done(), this.#back("wire")),
        away: () => this.#missing("wire"),
        gone: (text) => (done(), this.#end({ title: "The connection is lost", text })),
        event: (event) => this.#told(event),
      });
    });
  }

  #told(event) {
    if (this.#over) return;
    this.#on.event(event);
    if (event.type === "session.stopped") this.#end(ending(event.end_reason, event.message));
  }

  #missing(what) {
    this.#away.add(what);
    if (!this.#over) this.#on.away();
  }

  #back(what) {
    const wasAway = this.#away.delete(what);
    if (wasAway && !this.#away.size && !this.#over) this.#on.live();
  }

  #explain(text) {
    setTimeout(() => this.#end({ title: "The connection is lost", text }), STORY_MS);
  }

  #end(end) {
    if (this.#over) return;
    this.stop();
    this.#on.over(end);
  }
}
