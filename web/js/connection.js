/** LITE WebSocket of one session, which reconnects after a failure. */

export const SAMPLE_RATE = 24_000;
const CHUNK = SAMPLE_RATE; // samples in one message: one second
const MAX_UNSENT = 512 * 1024; // bytes in the socket's buffer above which sending pauses
const KEEP_ALIVE_MS = 60_000;
const RETRY_MS = [200, 400, 800, 1500, 3000, 3000, 3000, 3000, 3000, 3000];
const OPEN_MS = 5000; // for one try: browsers wait for minutes
const REPLACED = 4001; // close code: another client has taken the session
const UNKNOWN_SESSION = 4404; // close code

export class LiteConnection {
  #url;
  #on;
  #socket = null;
  #over = false;
  #tries = 0;
  #opening = 0; // timer
  #turn = null;
  #turns = 0;
  #retry = 0;
  #keepAlive;

  /**
   * Callbacks: `on.open()`, `on.event(message)`, `on.reconnecting()` before each retry,
   * and `on.lost(text)` once, when it stops retrying.
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

  /** Return a turn for PCM as it arrives; an interrupt makes the turn a no-op. */
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

  /** Send a complete turn in messages of one second, as fast as the socket allows. */
  async speak(pcm) {
    const turn = this.turn();
    for (let at = 0; at < pcm.length; at += CHUNK) {
      if (!turn.append(pcm.subarray(at, at + CHUNK))) return;
      while (this.#socket?.bufferedAmount > MAX_UNSENT) await pause(20);
    }
    turn.end();
  }

  interrupt() {
    this.#turn = null;
    return this.#send("agent.interrupt");
  }

  listen(on) {
    return this.#send(on ? "agent.start_listening" : "agent.stop_listening");
  }

  close() {
    this.#over = true;
    clearInterval(this.#keepAlive);
    clearTimeout(this.#retry);
    clearTimeout(this.#opening);
    this.#socket?.close(1000);
  }

  /** Send a message of the protocol; return whether the socket is open. */
  send(message) {
    if (!this.isOpen) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #send(type, fields = {}) {
    return this.send({ type, ...fields });
  }

  #connect() {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#opening = setTimeout(() => socket.close(), OPEN_MS);
    socket.onopen = () => {
      clearTimeout(this.#opening);
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
    clearTimeout(this.#opening);
    if (this.#over) return;
    if (code === REPLACED || code === UNKNOWN_SESSION || this.#tries >= RETRY_MS.length) {
      this.close();
      this.#on.lost(reason || "The gateway did not answer for too long.");
      return;
    }
    this.#on.reconnecting();
    this.#retry = setTimeout(() => this.#connect(), RETRY_MS[this.#tries++]);
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Encode Int16 samples as base64; all browsers run on little-endian machines. */
export function base64(pcm) {
  const bytes = new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
  if (bytes.toBase64) return bytes.toBase64();
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}
