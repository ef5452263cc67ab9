/** The demo page: what a person does, and what comes of it. */

import * as api from "./api.js";
import { holdOrPress, takeDrops, tendLog } from "./hands.js";
import { EventLog } from "./log.js";
import { Panel } from "./panel.js";
import { Session } from "./session.js";
import { Meter, Microphone, decode } from "./sound.js";
import { Trouble } from "./trouble.js";
import * as view from "./view.js";

const KEY = "lite-gateway-key";
const LOUD = 0.16; // RMS of loud speech, for the indicator

const { elements } = view;
const log = new EventLog(elements.lines);
const panel = new Panel(elements.video);
const { stopwatch } = panel;
const microphone = new Microphone();
const meter = new Meter(heard);
const choice = { avatar: "", quality: elements.quality.value };

let session = null;
let talking = false;
let busy = false; // talking, or about to
let spoken = null; // the microphone's turn while it is on
let pressed = null; // the sentence whose turn is next or on
let key = "";

// The session.

async function start() {
  session?.stop();
  stopMicrophone();
  const mine = new Session(elements, {
    live: () => mine === session && live(),
    away: () => mine === session && away(),
    event: (event) => mine === session && told(event),
    voice: (track) => mine === session && meter.follow(track),
    blocked: (blocked) => mine === session && view.showSoundBlocked(blocked),
    over: (end) => mine === session && over(end),
  });
  session = mine;
  rest("connecting");
  view.showCover("wait", { text: "Calling the avatar…" });
  try {
    await loadAvatars();
    if (!(await findKey())) return;
    if (mine === session) await mine.open(key, choice);
  } catch (trouble) {
    if (mine === session) failed(trouble);
  }
}

async function loadAvatars() {
  if (choice.avatar) return;
  const avatars = await api.avatars();
  if (!avatars.length) throw new Trouble("refused", "There is no avatar", "Put a package into the gateway’s avatar folder.");
  choice.avatar = avatars[0].name;
  view.showAvatars(avatars, choice.avatar);
}

/** True when there is a key to try; else the page asks for one. */
async function findKey() {
  key ||= (await api.demoKey()) || remembered();
  if (!key) askKey("Which key?", "This gateway asks for an API key.");
  return Boolean(key);
}

function askKey(title, text) {
  key = "";
  sessionStorage.removeItem(KEY);
  rest("failed");
  view.showCover("words", { title, text, form: true });
  elements.key.focus();
}

const remembered = () => sessionStorage.getItem(KEY) ?? "";

function live() {
  view.showLink("live");
  view.showCover("none");
  view.announce("Connected. Press a sentence.");
  panel.refresh();
}

function away() {
  stopMicrophone();
  view.showLink("away");
  view.showCover("wait", { text: "The connection was lost. Trying again…" });
  view.announce("Reconnecting.");
}

function over({ title, text }) {
  rest("ended");
  view.showCover("words", { title, text, again: "Start again" });
  if (document.activeElement === document.body) elements.again.focus();
}

function failed(trouble) {
  if (trouble.kind === "key") return askKey(trouble.title, trouble.message);
  rest("failed");
  const title = trouble.title ?? "Something went wrong";
  view.showCover("words", { title, text: trouble.message, again: "Try again" });
  if (!(trouble instanceof Trouble)) throw trouble; // ours to mend: the console tells where
}

/** Everything as before a session. */
function rest(link) {
  talking = busy = false;
  stopMicrophone();
  panel.reset();
  view.showLink(link);
  view.showPicture(false);
  view.showPose("idle");
  view.showLevel(0);
  view.showSoundBlocked(false);
  view.markSentence(null);
}

// What the server says.

function told(event) {
  const at = performance.now();
  log.add(event);
  switch (event.type) {
    case "agent.state_updated":
      talking = busy = event.new_state === "talking";
      view.showPose(event.new_state);
      view.announce(`The avatar is ${event.new_state}.`);
      view.markSentence(talking ? pressed : null);
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

/** From the decoded sound, every 8 ms. */
function heard(rms) {
  if (stopwatch.heard(rms, performance.now())) panel.refreshSoon();
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

// What a person does.

/** The old turn gives way to a new one. */
function clearTheAir() {
  stopMicrophone();
  if (busy) session.wire.interrupt();
  busy = true;
  view.notice("");
}

async function say(pcm, at, button = null) {
  if (!session?.wire?.isOpen) return;
  clearTheAir();
  stopwatch.pressed(at);
  pressed = button;
  await session.wire.speak(pcm);
}

function interrupt(event) {
  if (!session?.wire?.isOpen) return;
  stopMicrophone();
  stopwatch.interrupted(event.timeStamp);
  session.wire.interrupt();
}

async function sayFile(file) {
  if (!file || !session?.wire?.isOpen) return;
  try {
    view.notice(`Decoding ${file.name} …`);
    const pcm = await decode(await file.arrayBuffer(), file.name);
    await say(pcm, performance.now());
    view.notice(`Saying ${file.name}.`);
  } catch (trouble) {
    tell(trouble);
  }
}

function tell(trouble) {
  if (!(trouble instanceof Trouble)) throw trouble;
  view.notice(`${trouble.title}. ${trouble.message}`, { bad: true });
}

async function startMicrophone() {
  clearTheAir();
  pressed = null;
  view.showMicrophone(true);
  const turn = (spoken = session.wire.turn());
  try {
    await microphone.start((pcm) => turn.append(pcm));
    if (spoken !== turn) return microphone.stop();
    view.notice("The avatar repeats you. Without headphones it may hear itself.");
  } catch (trouble) {
    stopMicrophone();
    tell(trouble);
  }
}

function stopMicrophone() {
  if (!spoken) return;
  microphone.stop();
  spoken.end();
  spoken = null;
  view.showMicrophone(false);
  view.notice("");
}

function wireControls() {
  elements.again.addEventListener("click", start);
  elements.interrupt.addEventListener("click", interrupt);
  document.addEventListener("keydown", (event) => event.key === "Escape" && interrupt(event));
  for (const button of view.poseButtons) {
    button.addEventListener("click", () => {
      session.wire.listen(button.dataset.pose === "listening");
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
    sayFile(elements.file.files[0]);
    elements.file.value = "";
  });
  elements["key-form"].addEventListener("submit", (event) => {
    event.preventDefault();
    key = elements.key.value.trim();
    sessionStorage.setItem(KEY, key);
    start();
  });
}

/** Browsers let a page make sound, and measure it, from the first press on. */
function wireSound() {
  const wake = () => {
    meter.start();
    session?.startAudio();
  };
  for (const type of ["pointerdown", "keydown"]) document.addEventListener(type, wake, { capture: true });
}

async function loadSentences() {
  const answer = await fetch("samples/samples.json").catch(() => null);
  if (!answer?.ok) return view.notice("The sample sentences could not be loaded; your own sound works.", { bad: true });
  const sentences = await answer.json();
  const load = async ({ file }) => decode(await (await fetch(`samples/${file}`)).arrayBuffer(), file);
  const pcm = new Map(sentences.map((sentence) => [sentence, load(sentence)]));
  for (const loading of pcm.values()) loading.catch(() => null); // told when pressed
  view.showSentences(sentences, async (sentence, event, button) => {
    try {
      await say(await pcm.get(sentence), event.timeStamp, button);
    } catch (trouble) {
      tell(trouble);
    }
  });
  if (document.getElementById("link").dataset.state === "live") view.showLink("live");
}

wireControls();
wireSound();
holdOrPress(elements.microphone, { isOn: () => spoken !== null, on: startMicrophone, off: stopMicrophone });
takeDrops(sayFile);
tendLog(log);
elements.video.addEventListener("playing", () => view.showPicture(true));
addEventListener("pagehide", () => session?.stop());
addEventListener("pageshow", (event) => event.persisted && start());
loadSentences();
start();
