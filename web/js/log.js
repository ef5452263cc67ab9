/** Event log: newest first; it can be paused, and copied as JSON. */

const MAX_KEPT = 2000;
const MAX_SHOWN = 150;
// Adjacent events of these types are shown as one: a microphone causes 50 a second, and
// each word that is said or heard one.
const MERGED = new Set([
  "agent.audio_buffer_appended",
  "user.transcription.chunk",
  "avatar.transcription.chunk",
  "avatar.transcription.heard",
]);

export class EventLog {
  #lines;
  #events = []; // oldest first
  #paused = false;
  #update = 0; // timer

  constructor(lines) {
    this.#lines = lines;
  }

  add(event) {
    this.#events.push({ at: new Date().toISOString(), event });
    if (this.#events.length > MAX_KEPT) this.#events.shift();
    this.#scheduleUpdate();
  }

  /** Pause or resume the display, and return whether it is paused; no event is lost. */
  toggle() {
    this.#paused = !this.#paused;
    this.#show(); // what is there now, and nothing that comes after a pause
    return this.#paused;
  }

  get count() {
    return this.#events.length;
  }

  json() {
    return JSON.stringify([...this.#events].reverse(), null, 2);
  }

  #scheduleUpdate() {
    if (!this.#paused) this.#update ||= setTimeout(() => this.#show(), 120);
  }

  #show() {
    clearTimeout(this.#update);
    this.#update = 0;
    this.#lines.replaceChildren(...this.#rows().map(line));
  }

  #rows() {
    const rows = [];
    for (let index = this.#events.length - 1; index >= 0 && rows.length < MAX_SHOWN; index--) {
      const { at, event } = this.#events[index];
      const above = rows.at(-1);
      if (MERGED.has(event.type) && above?.event.type === event.type) above.times += 1;
      else rows.push({ at, event, times: 1 });
    }
    return rows;
  }
}

function line({ at, event, times }) {
  const row = document.createElement("p");
  const time = document.createElement("time");
  time.dateTime = at;
  time.textContent = new Date(at).toLocaleTimeString("en-GB") + at.slice(19, 23);
  const text = document.createElement("span");
  const type = document.createElement("b");
  type.textContent = event.type;
  const more = document.createElement("em");
  more.textContent = times > 1 ? ` × ${times}` : detail(event);
  text.append(type, more);
  row.append(time, text);
  row.classList.toggle("bad", event.type === "error");
  return row;
}

function detail(event) {
  const words = [
    event.state,
    event.new_state && `${event.previous_state} → ${event.new_state}`,
    event.played_ms !== undefined && `after ${event.played_ms} ms`,
    event.text,
    event.stages && `${event.stages.total} ms`,
    event.code && `${event.code}: ${event.message}`,
    event.error && `${event.error.type}: ${event.error.message}`,
    event.warning && `${event.warning.type}: ${event.warning.message}`,
    event.end_reason && `${event.end_reason}: ${event.message}`,
  ].filter(Boolean);
  return words.length ? ` ${words.join(", ")}` : "";
}
