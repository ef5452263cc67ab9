/**
 * Embeddable page: an avatar that the parent page controls.
 *
 * The parent posts `{type: "start" | "agent.speak" | "agent.speak_end" |
 * "agent.interrupt" | "stop", …}` and receives every event of the session.
 * Commands that arrive before the session is live are queued.
 */

import { videoEncoding } from "./codec.js";
import { Keyer } from "./keyer.js";
import { Room } from "./room.js";

const MAX_WAITING = 600; // commands in the queue; later ones are dropped
const KEEP_ALIVE_MS = 60_000;
const COMMANDS = new Set([
  "agent.speak",
  "agent.speak_end",
  "agent.interrupt",
  "agent.start_listening",
  "agent.stop_listening",
]);

const [video, keyed, audio, begin, message, generatedMark] = ["video", "keyed", "audio", "begin", "message", "ai-generated"].map((id) => document.getElementById(id));
const keyer = new Keyer(video, keyed, () => showKeyed(false));
let live = null; // { room, socket, token } of the current session
let waiting = [];

function notifyParent(event) {
  if (parent !== window) parent.postMessage(event, "*");
}

function show(state, text = "") {
  document.body.dataset.state = state;
  begin.hidden = state === "live" || state === "starting";
  message.textContent = text;
}

function showKeyed(shown) {
  document.documentElement.toggleAttribute("data-keyed", shown);
}

async function post(path, headers = {}) {
  const response = await fetch(path, { method: "POST", headers, cache: "no-store" });
  const envelope = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(envelope.message ?? `the server answered ${response.status}`);
  return envelope.data;
}

async function start() {
  if (live) return;
  const session = (live = { room: null, socket: null, token: null });
  show("starting", "Starting the avatar…");
  try {
    const created = await post(`${document.body.dataset.embed}/session?encoding=${videoEncoding()}`);
    session.token = created.session_token;
    const started = await post("../v1/sessions/start", { Authorization: `Bearer ${session.token}` });
    session.room = new Room({ video, audio }, {
      voice() {},
      keyColour: (colour) => live === session && showKeyed(keyer.show(colour)),
      aiGenerated: (generated) => live === session && (generatedMark.hidden = !generated),
      blocked: (blocked) => notifyParent({ type: "embed.blocked", blocked }),
      reconnecting() {},
      reconnected() {},
      lost: () => stop(session, "The avatar has left."),
    });
    await session.room.join(started.livekit_url, started.livekit_client_token);
    session.socket = connect(session, started.ws_url);
  } catch (error) {
    stop(session, error.message);
  }
}

function connect(session, url) {
  const socket = new WebSocket(url);
  const keepAlive = setInterval(() => socket.readyState === 1 && socket.send('{"type":"session.keep_alive"}'), KEEP_ALIVE_MS);
  socket.onopen = () => {
    show("live");
    for (const command of waiting.splice(0)) socket.send(JSON.stringify(command));
  };
  socket.onmessage = ({ data }) => notifyParent(JSON.parse(data));
  socket.onclose = () => {
    clearInterval(keepAlive);
    stop(session, "The session has ended.");
  };
  return socket;
}

function stop(session, reason) {
  if (live !== session) return;
  live = null;
  waiting = [];
  showKeyed(keyer.show(""));
  generatedMark.hidden = true;
  session.socket?.close();
  session.room?.leave();
  if (session.token) {
    const headers = { Authorization: `Bearer ${session.token}` };
    fetch("../v1/sessions/stop", { method: "POST", headers, keepalive: true }).catch(() => {});
  }
  show("over", reason);
  notifyParent({ type: "embed.over", message: reason });
}

function execute(command) {
  if (command?.type === "start") start();
  else if (command?.type === "stop") live && stop(live, "Stopped.");
  else if (COMMANDS.has(command?.type)) {
    if (live?.socket?.readyState === 1) live.socket.send(JSON.stringify(command));
    else if (waiting.length < MAX_WAITING) waiting.push(command);
  }
}

addEventListener("message", (event) => event.source === parent && execute(event.data));
addEventListener("pagehide", () => live && stop(live, "The page was closed."));
begin.addEventListener("click", () => {
  start();
  live?.room?.startAudio();
});
show("ready");
notifyParent({ type: "embed.ready" });
