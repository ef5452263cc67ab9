/** The LITE WebSocket of one session: commands out, events in, reconnecting. */

export const SAMPLE_RATE = 24_000;
const CHUNK = SAMPLE_RATE; // samples in one message: a second
const UNSENT_MAX = 512 * 1024; // bytes given to the socket before we wait for it
const KEEP_ALIVE_MS = 60_000;
const RETRY_MS = [200, 400, 800, 1500, 3000, 3000, 3000, 3000, 3000, 3000];
const REPLACED = 4001;
const UNKNOWN_SESSION = 4404;

export class Wire {
  #url;
  #on;
  #socket = null;
  #over = false;
  #tries = 0;
  #turn = null;
  #turns = 0;
  #retry = 0;
  #keepAlive;

  /**
   * `on.open()`, `on.event(message)`, `on.away()` while reconnecting, and once
   * `on.gone(text)` when that is of no use any more.
   */
  constructor(url, on) {
    this.#url = url;
    this.#on = on;
    this.#keepAlive = setInterval(() => this.#send("session.keep_alive"), KEEP_ALIVE_MS);
    this.#connect();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** A turn to append PCM to as it comes; an interrupt makes it void. */
  turn() {
    const id = `page-${++this.#turns}`;
    const turn = {
      append: (pcm) =>
        turn === this.#turn && this.#send("agent.speak", { event_id: id, audio: base64(pcm) }),
      end: () => {
        if (turn !== this.#turn) return;
        this.#turn = null;
        this.#send("agent.speak_end", { event_id: id });
      },
    };
    this.#turn = turn;
    return turn;
  }

  /** A whole turn as a burst: a second a message, as fast as the socket takes it. */
  async speak(pcm) {
    const turn = this.turn();
    for (let at = 0; at < pcm.length; at += CHUNK) {
      if (!turn.append(pcm.subarray(at, at + CHUNK))) return;
      while (this.#socket?.bufferedAmount > UNSENT_MAX) await pause(20);
    }
    turn.end();
  }

  interrupt() {
    this.#turn = null;
    return this.#send("agent.interrupt");
  }

  listen(wanted) {
    return this.#send(wanted ? "agent.start_listening" : "agent.stop_listening");
  }

  close() {
    this.#over = true;
    clearInterval(this.#keepAlive);
    clearTimeout(this.#retry);
    this.#socket?.close(1000);
  }

  #send(type, fields = {}) {
    if (!this.isOpen) return false;
    this.#socket.send(JSON.stringify({ type, ...fields }));
    return true;
  }

  #connect() {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#tries = 0;
      this.#on.open();
    };
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.type === "session.stopped") this.#over = true;
      this.#on.event(event);
    };
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
  }

  #closed(code, reason) {
    this.#turn = null;
    if (this.#over) return;
    if (code === REPLACED || code === UNKNOWN_SESSION || this.#tries >= RETRY_MS.length) {
      this.close();
      this.#on.gone(reason || "The gateway has been away for too long.");
      return;
    }
    this.#on.away();
    this.#retry = setTimeout(() => this.#connect(), RETRY_MS[this.#tries++]);
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Int16 samples as base64 of their bytes, little endian as every browser's machine. */
export function base64(pcm) {
  const bytes = new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
  if (bytes.toBase64) return bytes.toBase64();
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}
