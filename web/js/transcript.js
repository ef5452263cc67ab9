/** Transcript of a conversation: what the user and the avatar say, as it is heard. */

import { StageBars } from "./stages.js";

const NAMES = { user: "You", avatar: "Avatar" };
const MAX_LINES = 200;
const LAST_WORDS_MS = 400; // after the end of a text that was cut come the words that were heard

export class Transcript {
  #list;
  #bars;
  #user = null; // line of the user's speech that goes on
  #answers = new Map(); // lines of the avatar by the id of their command
  #answer = null; // line of the avatar's answer to speech, which has no command

  constructor(list) {
    this.#list = list;
    this.#bars = new StageBars(list);
  }

  /** Show an empty transcript, for a new session. */
  reset() {
    this.#user = this.#answer = null;
    this.#answers.clear();
    this.#bars.reset();
    this.#list.replaceChildren();
  }

  /** Finish all lines: no event comes any more. */
  finish() {
    if (this.#user && !this.#user.hasWords) this.userSaid("");
    for (const line of [this.#user, this.#answer, ...this.#answers.values()]) line?.finish();
    this.#user = this.#answer = null;
    this.#answers.clear();
  }

  typed(text) {
    this.#add("user").show(text).finish();
  }

  userStarted() {
    if (this.#user && !this.#user.hasWords) this.userSaid("");
    this.#user ??= this.#add("user").show("…");
  }

  /** Show more of the user's words. */
  userChunk(text) {
    this.#user ??= this.#add("user");
    this.#user.more(text);
  }

  /** Show all words of the user's turn. */
  userSaid(text) {
    const line = this.#user ?? this.#add("user");
    this.#user = null;
    if (text) line.show(text).finish();
    else line.remove();
  }

  /** Show more words of an answer, which are not heard yet. */
  answerChunk(source, text) {
    this.#line(source).more(text, { ahead: true });
  }

  /** Show the words that were heard so far. */
  answerHeard(source, text) {
    if (source === null && this.#answer === null) return; // its line is finished
    this.#line(source).heard(text);
  }

  /** Show the words of a text that the avatar is to say as it is. */
  answerPlanned(source, text) {
    this.#line(source).plan(text);
  }

  /** Show the words of an answer that is over: all of them, or those before a cut. */
  answerSaid(source, text) {
    const line = this.#line(source);
    if (text) line.say(text).finish();
    else line.remove();
    if (source === null) this.#answer = null;
  }

  /** Note that the voice of a text, which was planned, has ended. */
  answerEnded(source) {
    const line = this.#answers.get(source);
    setTimeout(() => line?.ended(), LAST_WORDS_MS);
  }

  answered(source, stages) {
    this.#line(source).addBar(this.#bars.bar(stages));
  }

  #line(source) {
    if (source === null) return (this.#answer ??= this.#add("avatar"));
    if (!this.#answers.has(source)) this.#answers.set(source, this.#add("avatar"));
    return this.#answers.get(source);
  }

  #add(role) {
    const line = new Line(role, this.#list);
    while (this.#list.childElementCount > MAX_LINES) this.#list.firstElementChild.remove();
    return line;
  }
}

/**
 * One line. Screen readers are told of it when it is finished, and not at each word:
 * until then it is hidden from them, and then a copy takes its place.
 */
class Line {
  #list;
  #item = document.createElement("li");
  #said = document.createElement("span"); // heard, or said by the user
  #ahead = document.createElement("span"); // not heard yet
  #heard = "";
  #planned = "";
  #isFinished = false;

  constructor(role, list) {
    this.#list = list;
    this.#item.className = role;
    this.#item.setAttribute("aria-hidden", "true");
    const name = document.createElement("b");
    name.textContent = NAMES[role];
    const words = document.createElement("p");
    this.#ahead.className = "ahead";
    words.append(this.#said, this.#ahead);
    this.#item.append(name, words);
    this.#keepAtEnd(() => list.append(this.#item));
  }

  get hasWords() {
    return this.#planned !== "";
  }

  /** Show exactly this text, as said. */
  show(text) {
    this.#keepAtEnd(() => {
      this.#said.textContent = text;
      this.#ahead.textContent = "";
    });
    return this;
  }

  /** Append a delta: of the user's words, or of words that are still to be heard. */
  more(text, { ahead = false } = {}) {
    this.#planned += text;
    if (ahead) this.#render();
    else this.show(this.#planned);
  }

  plan(text) {
    this.#planned = text;
    this.#render();
  }

  heard(text) {
    this.#heard = text;
    this.#render();
  }

  /** Show the words that were heard of an answer, and whether it was cut. */
  say(text) {
    const isCut = this.#planned.trim().length > text.trim().length;
    this.#markCut(isCut);
    return this.show(text);
  }

  /** Note the end of the voice of a text: those of its words remain that were heard. */
  ended() {
    if (!this.#isFinished) this.say(this.#heard || this.#planned).finish();
  }

  addBar(bar) {
    this.#keepAtEnd(() => this.#item.append(bar));
  }

  finish() {
    if (this.#isFinished) return;
    this.#isFinished = true;
    const finished = this.#item.cloneNode(true);
    finished.removeAttribute("aria-hidden");
    this.#keepAtEnd(() => this.#item.replaceWith(finished));
    this.#item = finished;
    [this.#said, this.#ahead] = finished.querySelectorAll("p > span");
  }

  remove() {
    this.#item.remove();
  }

  #markCut(isCut) {
    this.#item.classList.toggle("cut", isCut);
  }

  #render() {
    const isBeginning = this.#planned.startsWith(this.#heard);
    this.#keepAtEnd(() => {
      this.#said.textContent = this.#heard;
      this.#ahead.textContent = isBeginning ? this.#planned.slice(this.#heard.length) : "";
    });
  }

  /** Change the list, and scroll with it if its end was to be seen. */
  #keepAtEnd(change) {
    const { scrollTop, scrollHeight, clientHeight } = this.#list;
    const atEnd = scrollHeight - scrollTop - clientHeight < 24;
    change();
    if (atEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }
}
