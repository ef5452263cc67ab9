/** Event log: newest first; it can be paused, and copied as JSON. */

const MAX_KEPT = 2000;
const MAX_SHOWN = 150;
// Adjacent events of this type are shown as one: a microphone causes 50 a second.
const MERGED = "agent.audio_buffer_appended";

export class EventLog {
  #lines;
  #events = []; // oldest first
  #paused = false;
  #waiting = false;

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
    this.#scheduleUpdate();
    return this.#paused;
  }

  get count() {
    return this.#events.length;
  }

  json() {
    return JSON.stringify([...this.#events].reverse(), null, 2);
  }

  #scheduleUpdate() {
    if (this.#paused || this.#waiting) return;
    this.#waiting = true;
    setTimeout(() => {
      this.#waiting = false;
      this.#lines.replaceChildren(...this.#rows().map(line));
    }, 120);
  }

  #rows() {
    const rows = [];
    for (let index = this.#events.length - 1; index >= 0 && rows.length < MAX_SHOWN; index--) {
      const { at, event } = this.#events[index];
      const above = rows.at(-1);
      if (event.type === MERGED && above?.event.type === MERGED) above.times += 1;
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
    event.error && `${event.error.type}: ${event.error.message}`,
    event.warning && `${event.warning.type}: ${event.warning.message}`,
    event.end_reason && `${event.end_reason}: ${event.message}`,
  ].filter(Boolean);
  return words.length ? ` ${words.join(", ")}` : "";
}
