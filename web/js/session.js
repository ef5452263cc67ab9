/** Session of this page: created by REST, with a joined room and an open WebSocket. */

import * as api from "./api.js";
import { Room } from "./room.js";
import { endMessage } from "./errors.js";
import { LiteConnection } from "./connection.js";

const REASON_WAIT_MS = 1500; // time to wait for session.stopped, which has the reason, after a loss

export class Session {
  #on;
  #over = false;
  #opened = null;
  #connection = null;
  #room;
  #disconnectedParts = new Set(); // of "room" and "socket"

  /**
   * Callbacks: `on.connected()`, `on.reconnecting()`, `on.event(event)`,
   * `on.voice(track)`, `on.blocked(bool)`, and `on.ended(end)` once, with a title and a
   * text to show.
   */
  constructor(elements, on) {
    this.#on = on;
    this.#room = new Room(elements, {
      voice: (track) => on.voice(track),
      blocked: (blocked) => this.#over || on.blocked(blocked),
      reconnecting: () => this.#disconnected("room"),
      reconnected: () => this.#reconnected("room"),
      lost: () => this.#endSoon("The connection to the LiveKit room is lost. Check the LiveKit server, then start again."),
    });
  }

  /** Start the session; on `PageError`, close all that has been opened. */
  async open(key, choice) {
    try {
      const opened = await api.open(key, choice);
      this.#opened = opened;
      if (this.#over) return this.#leave();
      await Promise.all([this.#room.join(opened.livekitUrl, opened.livekitToken), this.#connect(opened.wsUrl)]);
      if (!this.#over) this.#on.connected();
    } catch (error) {
      if (this.#over) return;
      this.stop();
      throw error;
    }
  }

  get connection() {
    return this.#connection;
  }

  startAudio() {
    this.#room.startAudio();
  }

  stop() {
    this.#over = true;
    this.#leave();
  }

  #leave() {
    this.#connection?.close();
    if (this.#opened) api.stop(this.#opened);
    this.#opened = null;
    this.#room.leave();
  }

  #connect(url) {
    return new Promise((resolve) => {
      this.#connection = new LiteConnection(url, {
        open: () => (resolve(), this.#reconnected("socket")),
        reconnecting: () => this.#disconnected("socket"),
        lost: (text) => (resolve(), this.#end({ title: "The connection is lost", text })),
        event: (event) => this.#handleEvent(event),
      });
    });
  }

  #handleEvent(event) {
    if (this.#over) return;
    this.#on.event(event);
    if (event.type === "session.stopped") this.#end(endMessage(event.end_reason, event.message));
  }

  #disconnected(part) {
    this.#disconnectedParts.add(part);
    if (!this.#over) this.#on.reconnecting();
  }

  #reconnected(part) {
    const known = this.#disconnectedParts.delete(part);
    if (known && !this.#disconnectedParts.size && !this.#over) this.#on.connected();
  }

  #endSoon(text) {
    setTimeout(() => this.#end({ title: "The connection is lost", text }), REASON_WAIT_MS);
  }

  #end(end) {
    if (this.#over) return;
    this.stop();
    this.#on.ended(end);
  }
}
