/** Main module of the demo page: session, mode and controls. */

import { announce } from "./announcer.js";
import * as api from "./api.js";
import { Meter, atGestures } from "./audio.js";
import { AvatarView } from "./avatar.js";
import { BackgroundChoice } from "./backgrounds.js";
import { connectLogControls } from "./controls.js";
import { PageError, noPicture } from "./errors.js";
import { connectKeyForm, findKey, forgetKey, withKey } from "./key.js";
import { EventLog } from "./log.js";
import { Panel } from "./panel.js";
import { Tries } from "./patience.js";
import { Session } from "./session.js";
import { SpeakMode } from "./speak.js";
import { TalkMode } from "./talk.js";
import * as view from "./view.js";

const { elements } = view;
const log = new EventLog(elements.lines);
const tries = new Tries();
const avatar = new AvatarView({
  noWebGl: () => view.notice("This browser has no WebGL, which makes the background transparent.", { bad: true }),
  picture: () => tries.reset(),
  noPicture: noFrames,
});
const backgrounds = new BackgroundChoice(start);
const panel = new Panel(avatar.video);
const { stopwatch } = panel;
const meter = new Meter(onLoudness);
const choice = { avatar: "", quality: elements.quality.value };

const RETRY_MS = 3000; // between two questions whether conversations are offered

const parts = { current: () => session, panel, onPose: showPose, restart: start };
const modes = { "#speak": new SpeakMode(parts), "#talk": new TalkMode(parts) };
let mode = modes[location.hash] ?? modes["#speak"];
let session = null;
let retry = 0; // timer

// The session.

/** Start a session, as the user asks for. */
async function start() {
  tries.reset();
  avatar.showCover("wait", { text: mode.waitText });
  await tryToStart();
}

/** Start a session in place of the present one; if that fails, the cover says why. */
async function tryToStart() {
  session?.stop();
  if (session) api.forgetOffer(); // it may be another one by now
  clearTimeout(retry);
  const current = new Session(avatar, {
    connected: () => current === session && connected(),
    reconnecting: () => current === session && reconnecting(),
    event: (event) => current === session && handleEvent(event),
    voice: (track) => current === session && meter.follow(track),
    keyColour: (colour) => current === session && avatar.removeColour(colour),
    aiGenerated: (generated) => current === session && avatar.showAiGenerated(generated),
    blocked: (blocked) => current === session && avatar.showAudioBlocked(blocked),
    ended: (end) => current === session && sessionEnded(end),
  });
  session = current;
  resetView("connecting");
  mode.begin();
  try {
    await loadAvatars();
    if (!(await findKey())) return askKey("API key needed", "This gateway requires an API key.");
    if (current !== session || !(await offersMode())) return;
    const conversation = await withKey((key) => mode.request(key, view.avatarTitle()));
    if (current !== session) return;
    const chosen = { ...choice, background: backgrounds.value };
    await current.open(() => withKey((key) => api.open(key, chosen, conversation)));
  } catch (error) {
    if (current === session) startFailed(error);
  }
}

async function loadAvatars() {
  if (choice.avatar) return;
  const avatars = await api.avatars();
  if (!avatars.length) throw new PageError("refused", "There is no avatar", "Put an avatar package into the gateway’s avatar folder, then load this page again.");
  const named = new URLSearchParams(location.search).get("avatar");
  const found = avatars.find(({ id, name }) => named === id || named === name);
  if (named && !found) view.notice(`This gateway has no avatar “${named}”. Another one is shown.`, { bad: true });
  choice.avatar = (found ?? avatars[0]).name;
  view.showAvatars(avatars, choice.avatar);
  backgrounds.offer(view.backgroundsOf(choice.avatar));
}

/** Return whether the gateway offers this mode; if not, show why and wait until it does. */
async function offersMode() {
  if (mode !== modes["#talk"]) return true;
  const current = session;
  const offer = await api.conversations();
  if (current !== session) return false;
  view.showOffer(offer);
  if (offer.state === "ready") return true;
  if (offer.state === "starting") {
    avatar.showCover("wait", { text: "Conversations are starting on the gateway. This takes some seconds." });
  } else {
    view.showLink("failed");
    const text = `The gateway says: ${offer.text}.`;
    avatar.showCover("words", { title: "No conversations here", text, again: "Try again" });
  }
  waitForConversations(offer.state);
  return false;
}

/** Ask until conversations have another state, then start. */
function waitForConversations(state) {
  retry = setTimeout(async () => {
    const current = session;
    api.forgetOffer();
    const offer = await api.conversations().catch(() => ({ state }));
    if (current !== session) return;
    if (offer.state === state) waitForConversations(state);
    else start();
  }, RETRY_MS);
}

function askKey(title, text) {
  forgetKey();
  resetView("failed");
  avatar.showCover("words", { title, text, form: true });
}

function connected() {
  view.showLink("live");
  avatar.uncover();
  announce(mode.hint);
  panel.refresh();
}

function reconnecting() {
  if (mode === modes["#speak"]) mode.stopMicrophone();
  view.showLink("away");
  avatar.showCover("wait", { text: "The connection is lost. Reconnecting…" });
  announce("Reconnecting.");
}

function sessionEnded({ title, text }) {
  resetView("ended");
  avatar.showCover("words", { title, text, again: "Start again" });
  if (document.activeElement === document.body) avatar.again.focus();
}

function startFailed(error) {
  if (error.kind === "key") return askKey(error.title, error.message);
  resetView("failed");
  const title = error.title ?? "Something went wrong";
  const say = (text) => avatar.showCover("words", { title, text: `${error.message} ${text}`.trim(), again: "Try again" });
  say(tries.plan(error, () => (say("Trying again…"), tryToStart())));
  if (!(error instanceof PageError)) throw error; // a bug of this page: the console shows where
}

/** Tell that no frame arrives, and start another session if that may help. */
function noFrames() {
  const error = noPicture();
  const again = tries.plan(error, tryToStart);
  avatar.sayFrameIsLate(`${error.message} ${again || "You may hear it nevertheless."}`);
}

/** Show the page as without a session, with the given connection state. */
function resetView(link) {
  mode.end();
  panel.reset();
  view.showLink(link);
  avatar.reset();
  view.pressPose("idle");
}

// Events of the session.

function handleEvent(event) {
  log.add(event);
  mode.handle(event, performance.now());
}

function showPose(pose) {
  avatar.showPose(pose);
  view.pressPose(pose);
  announce(`The avatar is ${pose}.`);
}

/** Take one loudness (RMS) of the decoded audio, every 8 ms. */
function onLoudness(rms) {
  if (stopwatch.addLoudness(rms, performance.now())) panel.refreshSoon();
  avatar.addLoudness(rms);
}

// Actions of the user.

function interrupt(event) {
  if (!session?.connection?.isOpen) return;
  mode.interrupted();
  stopwatch.interrupted(event.timeStamp);
  session.connection.interrupt();
}

/** Show the mode that the address names, in a session of its own. */
function changeMode() {
  const next = modes[location.hash] ?? modes["#speak"];
  if (next === mode) return;
  mode.end();
  mode = next;
  view.showMode(mode === modes["#talk"] ? "talk" : "speak");
  start();
}

function connectControls() {
  avatar.again.addEventListener("click", start);
  elements.interrupt.addEventListener("click", interrupt);
  document.addEventListener("keydown", (event) => event.key === "Escape" && interrupt(event));
  for (const button of view.poseButtons) {
    button.addEventListener("click", () => {
      session.connection.listen(button.dataset.pose === "listening");
      view.pressPose(button.dataset.pose);
    });
  }
  for (const name of ["avatar", "quality"]) {
    elements[name].addEventListener("change", () => {
      choice[name] = elements[name].value;
      avatar.showShape(choice.quality);
      backgrounds.offer(view.backgroundsOf(choice.avatar));
      start();
    });
  }
}

document.documentElement.dataset.loaded = "";
connectControls();
connectKeyForm(start);
connectLogControls(log);
api.creates().then(view.showCreation, () => null); // other requests tell that there is no answer
atGestures(() => {
  meter.start();
  session?.startAudio();
});
addEventListener("pagehide", () => session?.stop());
addEventListener("pageshow", (event) => event.persisted && start());
addEventListener("hashchange", changeMode);
view.showMode(mode === modes["#talk"] ? "talk" : "speak");
start();
