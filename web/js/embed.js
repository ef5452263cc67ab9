/**
 * Embeddable page: an avatar that the parent page controls.
 *
 * The parent posts `{type: "start" | "agent.speak" | "agent.speak_end" |
 * "agent.interrupt" | "stop", …}` and receives every event of the session.
 * Commands that arrive before the session is live are queued.
 */

import * as api from "./api.js";
import { PageError, noPicture } from "./errors.js";
import { Keyer } from "./keyer.js";
import { FirstFrame, Tries } from "./patience.js";
import { Session } from "./session.js";

const MAX_WAITING = 600; // commands in the queue; later ones are dropped
const COMMANDS = new Set([
  "agent.speak",
  "agent.speak_end",
  "agent.interrupt",
  "agent.start_listening",
  "agent.stop_listening",
]);

const [video, keyed, audio, begin, message, generatedMark] = ["video", "keyed", "audio", "begin", "message", "ai-generated"].map((id) => document.getElementById(id));
const keyer = new Keyer(video, keyed, () => showKeyed(false));
const tries = new Tries();
const firstFrame = new FirstFrame(video, {
  picture: () => (tries.reset(), show("live")),
  late: () => show("live", `${noPicture().title}. ${tries.plan(noPicture(), tryToStart)}`),
});
let session = null; // until the parent or its own end stops it
let live = false; // the session has been connected, so commands are sent at once
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

function start() {
  if (session) return;
  tries.reset();
  show("starting", "Starting the avatar…");
  tryToStart();
}

/** Start a session in place of the present one; if that fails, the page says why. */
async function tryToStart() {
  leave();
  const current = (session = new Session({ video, audio }, {
    connected: () => current === session && connected(),
    reconnecting: () => current === session && show("live", "The connection is lost. Reconnecting…"),
    event: notifyParent,
    voice() {},
    keyColour: (colour) => showKeyed(keyer.show(colour)),
    aiGenerated: (generated) => (generatedMark.hidden = !generated),
    blocked: (blocked) => notifyParent({ type: "embed.blocked", blocked }),
    ended: ({ text }) => current === session && stop(text),
  }));
  try {
    await current.open(() => api.openEmbedded(document.body.dataset.embed));
  } catch (error) {
    if (current !== session) return;
    const again = tries.plan(error, tryToStart);
    if (again) show("starting", `${error.title}. ${again}`);
    else stop(error.message);
    if (!(error instanceof PageError)) throw error; // a bug of this page: the console shows where
  }
}

function connected() {
  live = true;
  show("live");
  firstFrame.await(video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA);
  for (const command of waiting.splice(0)) session.connection.send(command);
}

/** Leave the present session; another one may follow. */
function leave() {
  live = false;
  session?.stop();
  firstFrame.stop();
  showKeyed(keyer.show(""));
  generatedMark.hidden = true;
}

function stop(reason) {
  tries.cancel();
  leave();
  session = null;
  waiting = [];
  show("over", reason);
  notifyParent({ type: "embed.over", message: reason });
}

function execute(command) {
  if (command?.type === "start") start();
  else if (command?.type === "stop") session && stop("Stopped.");
  else if (COMMANDS.has(command?.type)) {
    if (live && session.connection.send(command)) return;
    if (waiting.length < MAX_WAITING) waiting.push(command);
  }
}

addEventListener("message", (event) => event.source === parent && execute(event.data));
addEventListener("pagehide", () => session && stop("The page was closed."));
begin.addEventListener("click", () => {
  start();
  session?.startAudio();
});
document.documentElement.dataset.loaded = "";
show("ready");
notifyParent({ type: "embed.ready" });
