/** The figures on the page: which there are, what each includes, and their refresh. */

import { metrics } from "./api.js";
import { FrameCounter, Stopwatch, histogram } from "./figures.js";
import * as view from "./view.js";

const FIGURES = [
  [
    "added",
    "Added by the server",
    "From a turn’s first sample received until it and its picture are handed to the room. All turns since the server started.",
  ],
  [
    "cut",
    "Interrupt at the server",
    "From the command received until the last spoken sample is handed out. All interrupts since the server started.",
  ],
  [
    "voice",
    "Press to voice heard",
    "In this page: sending, the server, LiveKit, the network, buffering and decoding; not your loudspeaker. In steps of 8 ms.",
  ],
  ["silence", "Interrupt to silence", "In this page: from your press until the last voice in the decoded sound."],
  ["started", "Press to “speak started”", "In this page: sending, the server, and its event back."],
  ["frames", "Frames decoded", "As the video element was given them, over three seconds. 25 are sent."],
];
const REFRESH_MS = 2500;
const FRAMES_MS = 500;

const whole = (ms) => (ms === undefined ? undefined : String(Math.round(ms)));
const noSooner = (ms) => (ms === Infinity ? "> 1000" : `≤ ${Math.round(ms)}`);

export class Panel {
  stopwatch = new Stopwatch();
  #counter;
  #soon = 0;

  constructor(video) {
    view.layFigures(FIGURES);
    this.#counter = new FrameCounter(video);
    setInterval(() => this.#showFrames(), FRAMES_MS);
    setInterval(() => this.refresh(), REFRESH_MS);
  }

  /** A new session's frames are counted anew. */
  reset() {
    this.#counter.reset();
  }

  /** Shortly, so that the server has counted what just happened. */
  refreshSoon() {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => this.refresh(), 200);
  }

  async refresh() {
    const { toStarted, toVoice, toSilence } = this.stopwatch;
    this.#showSeries("started", toStarted);
    this.#showSeries("voice", toVoice);
    this.#showSeries("silence", toSilence);
    if (document.hidden) return;
    const text = await metrics().catch(() => "");
    this.#showHistogram("added", histogram(text, "lite_added_latency_seconds"));
    this.#showHistogram("cut", histogram(text, "lite_interrupt_seconds"));
  }

  #showSeries(id, series) {
    if (!series.count) return;
    const more = `p95 ${whole(series.quantile(0.95))} ms · N ${series.count}`;
    view.showFigure(id, { value: whole(series.quantile(0.5)), unit: "ms p50", more });
  }

  #showHistogram(id, { count, atMost }) {
    if (!count) return;
    const more = `p95 ${noSooner(atMost(0.95))} ms · N ${count}`;
    view.showFigure(id, { value: noSooner(atMost(0.5)), unit: "ms p50", more });
  }

  #showFrames() {
    const rate = this.#counter.rate(performance.now());
    view.showFigure("frames", { value: rate?.toFixed(1), unit: "a second", more: this.#counter.size });
  }
}
