/**
 * The embeddable page: an avatar that the page around it may let speak.
 *
 * The parent sends `{type: "start" | "agent.speak" | "agent.speak_end" |
 * "agent.interrupt" | "stop", …}` and is sent every event of the session.
 * Commands before the session is live wait for it.
 */

import { Room } from "./room.js";

const WAITING_MAX = 600; // commands kept until the session is live
const KEEP_ALIVE_MS = 60_000;
const COMMANDS = new Set([
  "agent.speak",
  "agent.speak_end",
  "agent.interrupt",
  "agent.start_listening",
  "agent.stop_listening",
]);

const [video, audio, begin, told] = ["video", "audio", "begin", "told"].map((id) => document.getElementById(id));
let live = null; // { room, wire, token } of the session that runs
let waiting = [];

function tellParent(event) {
  if (parent !== window) parent.postMessage(event, "*");
}

function show(state, text = "") {
  document.body.dataset.state = state;
  begin.hidden = state === "live" || state === "starting";
  told.textContent = text;
}

async function post(path, headers = {}) {
  const answer = await fetch(path, { method: "POST", headers, cache: "no-store" });
  const envelope = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(envelope.message ?? `the server answered ${answer.status}`);
  return envelope.data;
}

async function start() {
  if (live) return;
  const session = (live = { room: null, wire: null, token: null });
  show("starting", "Calling the avatar…");
  try {
    const minted = await post(`${document.body.dataset.embed}/session`);
    session.token = minted.session_token;
    const began = await post("../v1/sessions/start", { Authorization: `Bearer ${session.token}` });
    session.room = new Room({ video, audio }, {
      voice() {},
      blocked: (blocked) => tellParent({ type: "embed.blocked", blocked }),
      away() {},
      back() {},
      gone: () => stop(session, "The avatar has left."),
    });
    await session.room.join(began.livekit_url, began.livekit_client_token);
    session.wire = connect(session, began.ws_url);
  } catch (trouble) {
    stop(session, trouble.message);
  }
}

function connect(session, url) {
  const wire = new WebSocket(url);
  const keepAlive = setInterval(() => wire.readyState === 1 && wire.send('{"type":"session.keep_alive"}'), KEEP_ALIVE_MS);
  wire.onopen = () => {
    show("live");
    for (const command of waiting.splice(0)) wire.send(JSON.stringify(command));
  };
  wire.onmessage = ({ data }) => tellParent(JSON.parse(data));
  wire.onclose = () => {
    clearInterval(keepAlive);
    stop(session, "The session is over.");
  };
  return wire;
}

function stop(session, why) {
  if (live !== session) return;
  live = null;
  waiting = [];
  session.wire?.close();
  session.room?.leave();
  if (session.token) {
    const headers = { Authorization: `Bearer ${session.token}` };
    fetch("../v1/sessions/stop", { method: "POST", headers, keepalive: true }).catch(() => {});
  }
  show("over", why);
  tellParent({ type: "embed.over", message: why });
}

function obey(command) {
  if (command?.type === "start") start();
  else if (command?.type === "stop") live && stop(live, "Stopped.");
  else if (COMMANDS.has(command?.type)) {
    if (live?.wire?.readyState === 1) live.wire.send(JSON.stringify(command));
    else if (waiting.length < WAITING_MAX) waiting.push(command);
  }
}

addEventListener("message", (event) => event.source === parent && obey(event.data));
addEventListener("pagehide", () => live && stop(live, "The page was closed."));
begin.addEventListener("click", () => {
  start();
  live?.room?.startAudio();
});
show("ready");
tellParent({ type: "embed.ready" });
