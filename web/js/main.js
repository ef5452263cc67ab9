/** Main module of the demo page: session, turns and controls. */

import * as api from "./api.js";
import { acceptDrops, connectLogControls, toggleOrHold } from "./controls.js";
import { EventLog } from "./log.js";
import { Panel } from "./panel.js";
import { Session } from "./session.js";
import { Meter, Microphone, decode } from "./audio.js";
import { PageError } from "./errors.js";
import * as view from "./view.js";

const KEY = "lite-gateway-key";
const LOUD = 0.16; // RMS of loud speech, at which the level indicator is full

const { elements } = view;
const log = new EventLog(elements.lines);
const panel = new Panel(elements.video);
const { stopwatch } = panel;
const microphone = new Microphone();
const meter = new Meter(onLoudness);
const choice = { avatar: "", quality: elements.quality.value };

let session = null;
let talking = false;
let busy = false; // a turn is playing, or has been sent
let microphoneTurn = null; // the turn that the microphone sends, while it is on
let pressedButton = null; // button of the sentence that is sent or playing
let key = "";

// The session.

async function start() {
  session?.stop();
  stopMicrophone();
  const current = new Session(elements, {
    connected: () => current === session && connected(),
    reconnecting: () => current === session && reconnecting(),
    event: (event) => current === session && handleEvent(event),
    voice: (track) => current === session && meter.follow(track),
    blocked: (blocked) => current === session && view.showAudioBlocked(blocked),
    ended: (end) => current === session && sessionEnded(end),
  });
  session = current;
  resetView("connecting");
  view.showCover("wait", { text: "Starting the avatar…" });
  try {
    await loadAvatars();
    if (!(await findKey())) return;
    if (current === session) await current.open(key, choice);
  } catch (error) {
    if (current === session) startFailed(error);
  }
}

async function loadAvatars() {
  if (choice.avatar) return;
  const avatars = await api.avatars();
  if (!avatars.length) throw new PageError("refused", "There is no avatar", "Put an avatar package into the gateway’s avatar folder, then load this page again.");
  choice.avatar = avatars[0].name;
  view.showAvatars(avatars, choice.avatar);
}

/** Return whether there is an API key; ask for one if not. */
async function findKey() {
  key ||= (await api.demoKey()) || storedKey();
  if (!key) askKey("API key needed", "This gateway requires an API key.");
  return Boolean(key);
}

function askKey(title, text) {
  key = "";
  sessionStorage.removeItem(KEY);
  resetView("failed");
  view.showCover("words", { title, text, form: true });
  elements.key.focus();
}

const storedKey = () => sessionStorage.getItem(KEY) ?? "";

function connected() {
  view.showLink("live");
  view.showCover("none");
  view.announce("Connected. Press a sentence.");
  panel.refresh();
}

function reconnecting() {
  stopMicrophone();
  view.showLink("away");
  view.showCover("wait", { text: "The connection is lost. Reconnecting…" });
  view.announce("Reconnecting.");
}

function sessionEnded({ title, text }) {
  resetView("ended");
  view.showCover("words", { title, text, again: "Start again" });
  if (document.activeElement === document.body) elements.again.focus();
}

function startFailed(error) {
  if (error.kind === "key") return askKey(error.title, error.message);
  resetView("failed");
  const title = error.title ?? "Something went wrong";
  view.showCover("words", { title, text: error.message, again: "Try again" });
  if (!(error instanceof PageError)) throw error; // a bug of this page: the console shows where
}

/** Show the page as without a session, with the given connection state. */
function resetView(link) {
  talking = busy = false;
  stopMicrophone();
  panel.reset();
  view.showLink(link);
  view.showVideo(false);
  view.showPose("idle");
  view.showLevel(0);
  view.showAudioBlocked(false);
  view.markSentence(null);
}

// Events of the session.

function handleEvent(event) {
  const at = performance.now();
  log.add(event);
  switch (event.type) {
    case "agent.state_updated":
      talking = busy = event.new_state === "talking";
      view.showPose(event.new_state);
      view.announce(`The avatar is ${event.new_state}.`);
      view.markSentence(talking ? pressedButton : null);
      break;
    case "agent.speak_started":
      stopwatch.speakStarted(at);
      panel.refreshSoon();
      break;
    case "agent.speak_interrupted":
      panel.refreshSoon();
      break;
    case "error":
      view.notice(event.error.message, { bad: true });
      break;
  }
}

/** Take one loudness (RMS) of the decoded audio, every 8 ms. */
function onLoudness(rms) {
  if (stopwatch.addLoudness(rms, performance.now())) panel.refreshSoon();
  level += (Math.min(1, rms / LOUD) - level) * (rms / LOUD > level ? 0.5 : 0.12);
}

let level = 0;
let shownLevel = 0;
const drawLevel = () => {
  const next = talking ? level : 0;
  if (Math.abs(next - shownLevel) > 0.02) view.showLevel((shownLevel = next));
  requestAnimationFrame(drawLevel);
};
requestAnimationFrame(drawLevel);

// Actions of the user.

/** Interrupt the current turn, because a new one begins. */
function endCurrentTurn() {
  stopMicrophone();
  if (busy) session.connection.interrupt();
  busy = true;
  view.notice("");
}

async function speak(pcm, at, button = null) {
  if (!session?.connection?.isOpen) return;
  endCurrentTurn();
  stopwatch.pressed(at);
  pressedButton = button;
  await session.connection.speak(pcm);
}

function interrupt(event) {
  if (!session?.connection?.isOpen) return;
  stopMicrophone();
  stopwatch.interrupted(event.timeStamp);
  session.connection.interrupt();
}

async function speakFile(file) {
  if (!file || !session?.connection?.isOpen) return;
  try {
    view.notice(`Decoding ${file.name} …`);
    const pcm = await decode(await file.arrayBuffer(), file.name);
    await speak(pcm, performance.now());
    view.notice(`Saying ${file.name}.`);
  } catch (error) {
    showError(error);
  }
}

function showError(error) {
  if (!(error instanceof PageError)) throw error;
  view.notice(`${error.title}. ${error.message}`, { bad: true });
}

async function startMicrophone() {
  endCurrentTurn();
  pressedButton = null;
  view.showMicrophone(true);
  const turn = (microphoneTurn = session.connection.turn());
  try {
    await microphone.start((pcm) => turn.append(pcm));
    if (microphoneTurn !== turn) return microphone.stop();
    view.notice("The avatar repeats your speech. Use headphones, or the microphone may pick up its voice.");
  } catch (error) {
    stopMicrophone();
    showError(error);
  }
}

function stopMicrophone() {
  if (!microphoneTurn) return;
  microphone.stop();
  microphoneTurn.end();
  microphoneTurn = null;
  view.showMicrophone(false);
  view.notice("");
}

function connectControls() {
  elements.again.addEventListener("click", start);
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
      view.showShape(choice.quality);
      start();
    });
  }
  elements["file-button"].addEventListener("click", () => elements.file.click());
  elements.file.addEventListener("change", () => {
    speakFile(elements.file.files[0]);
    elements.file.value = "";
  });
  elements["key-form"].addEventListener("submit", (event) => {
    event.preventDefault();
    key = elements.key.value.trim();
    sessionStorage.setItem(KEY, key);
    start();
  });
}

/** Start audio at the first click or key: browsers do not allow it before. */
function enableAudio() {
  const startAudio = () => {
    meter.start();
    session?.startAudio();
  };
  for (const type of ["pointerdown", "keydown"]) document.addEventListener(type, startAudio, { capture: true });
}

async function loadSentences() {
  const response = await fetch("samples/samples.json").catch(() => null);
  if (!response?.ok) return view.notice("The sample sentences could not be loaded. The microphone and files still work.", { bad: true });
  const sentences = await response.json();
  const load = async ({ file }) => decode(await (await fetch(`samples/${file}`)).arrayBuffer(), file);
  const pcm = new Map(sentences.map((sentence) => [sentence, load(sentence)]));
  for (const loading of pcm.values()) loading.catch(() => null); // the error is shown when the button is pressed
  view.showSentences(sentences, async (sentence, event, button) => {
    try {
      await speak(await pcm.get(sentence), event.timeStamp, button);
    } catch (error) {
      showError(error);
    }
  });
  if (document.getElementById("link").dataset.state === "live") view.showLink("live");
}

connectControls();
enableAudio();
toggleOrHold(elements.microphone, { isOn: () => microphoneTurn !== null, on: startMicrophone, off: stopMicrophone });
acceptDrops(speakFile);
connectLogControls(log);
elements.video.addEventListener("playing", () => view.showVideo(true));
addEventListener("pagehide", () => session?.stop());
addEventListener("pageshow", (event) => event.persisted && start());
loadSentences();
start();
