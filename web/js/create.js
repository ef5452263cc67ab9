/** Main module of the page that makes an avatar from a photo. */

import * as api from "./api.js";
import { AvatarView } from "./avatar.js";
import { BackgroundChoice } from "./backgrounds.js";
import { Camera } from "./camera.js";
import { Draft } from "./draft.js";
import { acceptDrops } from "./drops.js";
import { PageError } from "./errors.js";
import * as jobs from "./jobs.js";
import { connectKeyForm, findKey, forgetKey } from "./key.js";
import { PhotoView } from "./photo.js";
import { markSentence, showSentences } from "./sentences.js";
import * as steps from "./steps.js";

const STORED = "lite-gateway-job"; // id of the job in the storage of the tab, for a reload
const MAX_BYTES = 40e6;
const OPEN_STEPS = new Set(["choose", "camera", "ask", "refused"]); // that take another photo

const { controls } = steps;
const view = new AvatarView({
  noWebGl: () => steps.notice("This browser has no WebGL, which makes the background transparent.", { bad: true }),
  picture: () => draft.picture(),
  noPicture: () => draft.noPicture(),
});
const backgrounds = new BackgroundChoice(startDraft);
const camera = new Camera(document.getElementById("camera"));
const photoView = new PhotoView(document.getElementById("photo"));
const draft = new Draft(view, {
  usable: steps.enableSentences,
  speaking: (speaks) => markSentence(speaks ? pressed : null),
  error: (text) => steps.notice(text, { bad: true }),
});

let photo = null; // file; null after a reload
let job = null; // the last one that has made a draft
let voice; // name of the draft's voice; undefined: it has none of its own
let run = 0; // number of the newest attempt: an older one that is still waiting stops
let leaving = null; // promise that ends when a cancelled job has
let expiry = 0; // timer
let pressed = null; // button of the sentence that is sent or playing

// The page.

async function begin() {
  try {
    if (!(await api.creates())) return steps.show("off");
    if (!(await findKey())) return askKey("API key needed", "This gateway requires an API key.");
    view.showCover("none");
    const id = sessionStorage.getItem(STORED);
    const stored = id && (await jobs.read(id).catch(forgetJob));
    if (stored) await attempt(async () => stored);
  } catch (error) {
    showError(error);
  }
}

function askKey(title, text) {
  forgetKey();
  view.showCover("words", { title, text, form: true });
}

/** Show what went wrong, and what to do about it. */
function showError(thrown) {
  const error = jobs.explained(thrown);
  if (error.kind === "key") {
    steps.show(photo ? "ask" : "choose");
    return askKey(error.title, error.message);
  }
  if (error.kind === "form" && photo) {
    steps.show("ask");
    return steps.notice(error.message, { bad: true });
  }
  const canRetry = photo !== null && error.kind !== "photo";
  steps.showRefusal({ title: error.title ?? "Something went wrong", message: error.message }, canRetry);
  if (!(error instanceof PageError)) throw error; // a bug of this page: the console shows where
}

// The photo.

async function takePhoto(file) {
  if (!file || !OPEN_STEPS.has(steps.current())) return;
  camera.close();
  steps.showWarnings([]);
  steps.askConsent();
  if (file.size > MAX_BYTES) {
    photoView.clear();
    photo = null;
    return showError(jobs.failure({ code: "too_large", message: "The file has over 40 MB: save the photo smaller, or choose another one." }));
  }
  photo = file;
  const isShown = await photoView.show(file);
  if (photo !== file) return; // another one has been chosen meanwhile
  steps.show("ask");
  if (!isShown) steps.notice(`This browser cannot show “${file.name}”. The gateway reads more kinds of pictures, such as HEIC, and will tell.`);
}

/** Go back to the choice of a photo, without one. */
function choosePhoto() {
  camera.close();
  photoView.clear();
  photo = null;
  steps.showWarnings([]);
  steps.show("choose");
}

async function openCamera() {
  try {
    await camera.open();
    if (steps.current() !== "choose") return camera.close(); // a file came before the permission
    photoView.clear();
    photo = null;
    steps.show("camera");
    controls.take.disabled = false;
    controls.take.focus();
  } catch (error) {
    camera.close();
    if (!(error instanceof PageError)) throw error;
    steps.notice(`${error.title}. ${error.message} You can choose a file instead.`, { bad: true });
  }
}

// The work.

/** Make an avatar of the photo; a draft that there is goes when the new one is there. */
function make() {
  const fields = [...new FormData(controls.ask), ...new FormData(controls.tune)];
  return attempt(() => jobs.begin(photo, Object.fromEntries(fields)));
}

/** Follow the job that `start()` returns to its end, and show what comes of it. */
async function attempt(start) {
  const mine = ++run;
  const isOver = () => mine !== run;
  draft.stop();
  clearTimeout(expiry);
  steps.show("work");
  steps.showProgress(null, photo ? "sending the photo" : "looking for the avatar");
  try {
    await leaving;
    if (isOver()) return;
    const begun = await start();
    if (isOver()) return leave(begun.job_id);
    sessionStorage.setItem(STORED, begun.job_id);
    controls.cancel.value = begun.job_id;
    const on = { state: showState, unreachable: () => steps.showProgress(null, "the gateway does not answer, trying again") };
    const ended = await jobs.follow(begun.job_id, on, isOver);
    if (ended) await showEnd(ended);
  } catch (error) {
    if (!isOver()) await showFailure(error);
  }
}

/** Show why there is no new avatar; an earlier draft is shown again. */
async function showFailure(thrown) {
  forgetJob();
  if (!job) return showError(thrown);
  const { title, message } = jobs.explained(thrown);
  await showDraft();
  steps.notice(`${title}. ${message}`, { bad: true });
}

function showState({ state, progress, step, face, warnings }) {
  steps.showProgress(progress, step);
  if (face) photoView.showFace(face, state === "failed"); // what does not do may be beside the face
  steps.showWarnings(warnings);
}

async function showEnd(ended) {
  if (ended.state === "failed") throw jobs.failure(ended.reason);
  if (ended.state === "cancelled") return goBack();
  if (job && job.job_id !== ended.job_id) jobs.discard(job.job_id).catch(() => null);
  job = ended;
  if (job.kept) return steps.showKept(await jobs.avatar(job));
  await showDraft();
}

/** Stop the work; an earlier draft is shown again. */
function cancel() {
  run += 1;
  const id = controls.cancel.value;
  controls.cancel.value = "";
  if (id) leave(id);
  goBack();
}

/** End a job; the gateway takes no other one before that. */
function leave(id) {
  leaving = jobs.discard(id).catch(() => null); // what stays ends by itself
}

/** Leave the work: for an earlier draft, else for the form, else for the choice of a photo. */
function goBack() {
  forgetJob();
  if (job) showDraft();
  else if (photo) steps.show("ask");
  else choosePhoto();
}

function forgetJob() {
  sessionStorage.removeItem(STORED);
  clearTimeout(expiry);
}

// The draft.

async function showDraft() {
  const now = await jobs.read(job.job_id).catch((error) => (error.status === 404 ? null : job));
  if (now?.state !== "finished") return loseDraft(jobs.gone());
  job = now;
  sessionStorage.setItem(STORED, job.job_id);
  steps.show("draft");
  steps.showWarnings(job.warnings);
  steps.showLifetime(job.expires_in_s);
  if (job.expires_in_s) expiry = setTimeout(checkDraft, 1000 * (job.expires_in_s + 1));
  controls.tune.parentElement.hidden = !photo;
  const item = await jobs.avatar(job).catch(() => null);
  backgrounds.offer(item?.backgrounds ?? null);
  voice = item?.default_voice?.name;
  const starting = startDraft();
  steps.showFaces(await jobs.preview(job).catch(() => null));
  await starting;
}

function startDraft() {
  return draft.start(job.avatar_id, backgrounds.value);
}

/** Look whether the draft is still there, after its time. */
async function checkDraft() {
  const { job_id: id } = job;
  try {
    const { state } = await jobs.read(id);
    if (state !== "finished") throw jobs.gone();
  } catch (error) {
    if (job?.job_id === id) loseDraft(error);
  }
}

/** Show why there is no draft any more. */
function loseDraft(error) {
  draft.stop();
  forgetJob();
  job = null;
  steps.showFaces(null);
  showError(error);
}

async function keep() {
  const { value } = backgrounds;
  try {
    const isOwn = value && value !== "transparent"; // which is the choice of each session
    const kept = await jobs.keep(job.job_id, isOwn ? { background: value } : {});
    forgetJob();
    steps.showKept(kept);
  } catch (thrown) {
    const error = jobs.explained(thrown);
    if (error.kind === "gone") loseDraft(error);
    else if (error.kind === "key") askKey(error.title, error.message);
    else steps.notice(`${error.title}. ${error.message}`, { bad: true });
  }
}

async function discard() {
  draft.stop();
  const { job_id: id } = job;
  job = null;
  steps.showFaces(null);
  steps.showWarnings([]);
  goBack();
  await jobs.discard(id).catch(() => null); // it goes by itself in time
}

function connectControls() {
  for (const name of ["file-button", "empty"]) controls[name].addEventListener("click", () => controls.file.click());
  controls.file.addEventListener("change", () => {
    takePhoto(controls.file.files[0]);
    controls.file.value = "";
  });
  acceptDrops(takePhoto);
  controls["camera-button"].addEventListener("click", openCamera);
  controls.take.addEventListener("click", async () => takePhoto(await camera.take()));
  for (const name of ["camera-back", "other-photo", "another"]) controls[name].addEventListener("click", choosePhoto);
  for (const form of [controls.ask, controls.tune]) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      make();
    });
  }
  controls.retry.addEventListener("click", make);
  controls.cancel.addEventListener("click", cancel);
  controls.keep.addEventListener("click", keep);
  controls.discard.addEventListener("click", discard);
  controls.more.addEventListener("click", () => {
    draft.stop();
    job = null;
    steps.showFaces(null);
    choosePhoto();
  });
  controls.tune.addEventListener("input", steps.showTuning);
  view.again.addEventListener("click", showDraft); // which may be gone
}

async function say(pcm, _, button) {
  pressed = button;
  steps.notice("");
  await draft.say(pcm);
}

document.documentElement.dataset.loaded = "";
connectControls();
connectKeyForm(begin);
steps.showTuning();
showSentences(say, (error) => steps.notice(`${error.title}. ${error.message}`, { bad: true }), () => voice);
addEventListener("pagehide", () => draft.stop());
addEventListener("pageshow", (event) => event.persisted && steps.current() === "draft" && startDraft());
begin();
