/**
 * Session of this page: created by REST, with a joined room. Commands go through a
 * WebSocket or, in a conversation, through the room.
 */

import * as api from "./api.js";
import { Channel, parseEvent } from "./channel.js";
import { Room } from "./room.js";
import { connectionLost, endMessage } from "./errors.js";
import { LiteConnection } from "./connection.js";

const KEEP_ALIVE_MS = 60_000;
const REASON_WAIT_MS = 1500; // time to wait for session.stopped, which has the reason, after a loss

export class Session {
  #on;
  #over = false;
  #opened = null;
  #connected = false; // it has been, and may be reconnecting now
  #giveUp; // rejects the promise of `open`
  #connection = null;
  #keepAlive = 0;
  #room;
  #disconnectedParts = new Set(); // of "room" and "socket"

  /**
   * Callbacks: `on.connected()`, `on.reconnecting()`, `on.event(event)`,
   * `on.voice(track)`, `on.keyColour(colour)`, `on.aiGenerated(bool)`,
   * `on.blocked(bool)`, and `on.ended(end)` once, with a title and a text to show.
   */
  constructor(elements, on) {
    this.#on = on;
    this.#room = new Room(elements, {
      voice: (track) => on.voice(track),
      keyColour: (colour) => this.#over || on.keyColour(colour),
      aiGenerated: (generated) => this.#over || on.aiGenerated(generated),
      blocked: (blocked) => this.#over || on.blocked(blocked),
      data: (topic, bytes) => this.#handlePacket(topic, bytes),
      reconnecting: () => this.#disconnected("room"),
      reconnected: () => this.#reconnected("room"),
      lost: () => this.#lost("The connection to the LiveKit room is lost. Check the LiveKit server, then start again."),
    });
  }

  /**
   * Connect to the session that `start()` returns, as `api.open` does; on `PageError`,
   * close all that has been opened.
   */
  async open(start) {
    const givenUp = new Promise((_, reject) => {
      this.#giveUp = reject;
    });
    try {
      const opened = await start();
      this.#opened = opened;
      if (this.#over) return this.#leave();
      const connected = opened.wsUrl ? this.#connect(opened.wsUrl) : this.#useRoom();
      const joined = this.#room.join(opened.livekitUrl, opened.livekitToken);
      await Promise.race([Promise.all([joined, connected]), givenUp]);
      if (this.#over) return;
      this.#connected = true;
      this.#on.connected();
    } catch (error) {
      if (this.#over) return;
      this.stop();
      throw error;
    }
  }

  get connection() {
    return this.#connection;
  }

  publishMicrophone(track) {
    return this.#room.publishMicrophone(track);
  }

  unpublishMicrophone(track) {
    this.#room.unpublishMicrophone(track);
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
    clearInterval(this.#keepAlive);
    if (this.#opened) api.stop(this.#opened);
    this.#opened = null;
    this.#room.leave();
  }

  #useRoom() {
    this.#connection = new Channel(this.#room);
    this.#keepAlive = setInterval(() => api.keepAlive(this.#opened), KEEP_ALIVE_MS);
  }

  #connect(url) {
    return new Promise((resolve) => {
      this.#connection = new LiteConnection(url, {
        open: () => (resolve(), this.#reconnected("socket")),
        reconnecting: () => this.#disconnected("socket"),
        lost: (text) => this.#lost(text, 0),
        event: (event) => this.#handleEvent(event),
      });
    });
  }

  #handlePacket(topic, bytes) {
    const event = this.#connection instanceof Channel ? parseEvent(topic, bytes) : null;
    if (event) this.#handleEvent(event);
  }

  #handleEvent(event) {
    if (this.#over) return;
    this.#on.event(event);
    if (event.type === "session.stopped") this.#end(endMessage(event.end_reason, event.message));
  }

  #disconnected(part) {
    if (!this.#connected) return;
    this.#disconnectedParts.add(part);
    if (!this.#over) this.#on.reconnecting();
  }

  #reconnected(part) {
    const known = this.#disconnectedParts.delete(part);
    if (known && !this.#disconnectedParts.size && !this.#over) this.#on.connected();
  }

  /** End soon, as the server may still tell the reason; or give up what `open` waits for. */
  #lost(text, afterMs = REASON_WAIT_MS) {
    if (!this.#connected) return this.#giveUp(connectionLost(text));
    setTimeout(() => this.#end({ title: "The connection is lost", text }), afterMs);
  }

  #end(end) {
    if (this.#over) return;
    this.stop();
    this.#on.ended(end);
  }
}
