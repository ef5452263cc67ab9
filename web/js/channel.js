/** Data channel of a conversation: commands to the avatar in the room, and its events. */

const COMMANDS = "agent-control"; // topics
const EVENTS = "agent-response";

export class Channel {
  #room;
  #commands = 0;

  constructor(room) {
    this.#room = room;
  }

  get isOpen() {
    return this.#room.isConnected;
  }

  /** Let the avatar answer a text; return the command's id, which its events name. */
  ask(text) {
    return this.#send("avatar.speak_response", { text });
  }

  /** Let the avatar say a text as it is; return the command's id. */
  say(text) {
    return this.#send("avatar.speak_text", { text });
  }

  interrupt() {
    return this.#send("avatar.interrupt");
  }

  listen(on) {
    return this.#send(on ? "avatar.start_listening" : "avatar.stop_listening");
  }

  startTalking() {
    return this.#send("user.start_push_to_talk");
  }

  stopTalking() {
    return this.#send("user.stop_push_to_talk");
  }

  close() {} // the room closes it

  #send(type, fields = {}) {
    if (!this.isOpen) return false;
    const id = `page-${++this.#commands}`;
    this.#room.send(COMMANDS, JSON.stringify({ event_type: type, event_id: id, ...fields }));
    return id;
  }
}

/** Return the event of a data packet, null for packets of other kinds. */
export function parseEvent(topic, bytes) {
  if (topic !== EVENTS) return null;
  const { event_type: type, ...fields } = JSON.parse(new TextDecoder().decode(bytes));
  return { type, ...fields };
}
