/** Panel of figures on the page, and its refresh. */

import { metrics } from "./api.js";
import { FrameCounter, Stopwatch, histogram } from "./measurements.js";
import * as view from "./view.js";

const FIGURES = [
  [
    "added",
    "Added by the server",
    "Time from the arrival of a turn’s first sample until the sample and its video frame are given to the room. All turns since the server started.",
  ],
  [
    "cut",
    "Interrupt at the server",
    "Time from the arrival of the command until the last speech sample is given to the room. All interrupts since the server started.",
  ],
  [
    "voice",
    "Press to voice heard",
    "Measured in this page: sending, the server, LiveKit, the network, buffering and decoding, without your loudspeaker. In steps of 8 ms.",
  ],
  ["silence", "Interrupt to silence", "Measured in this page: from your press until the end of the voice in the decoded audio."],
  ["started", "Press to “speak started”", "Measured in this page: sending the turn, the server, and receiving its event."],
  ["frames", "Frames decoded", "Frames that the video element presents, over three seconds. The server sends 25 a second."],
];
const REFRESH_MS = 2500;
const FRAMES_MS = 500;

const rounded = (ms) => (ms === undefined ? undefined : String(Math.round(ms)));
const upperBound = (ms) => (ms === Infinity ? "> 1000" : `≤ ${Math.round(ms)}`);

export class Panel {
  stopwatch = new Stopwatch();
  #counter;
  #soon = 0;

  constructor(video) {
    view.createFigures(FIGURES);
    this.#counter = new FrameCounter(video);
    setInterval(() => this.#showFrames(), FRAMES_MS);
    setInterval(() => this.refresh(), REFRESH_MS);
  }

  /** Count the frames of a new session from 0. */
  reset() {
    this.#counter.reset();
  }

  /** Refresh after 200 ms, when the server has counted the latest event. */
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
    const more = `p95 ${rounded(series.quantile(0.95))} ms · N ${series.count}`;
    view.showFigure(id, { value: rounded(series.quantile(0.5)), unit: "ms p50", more });
  }

  #showHistogram(id, { count, atMost }) {
    if (!count) return;
    const more = `p95 ${upperBound(atMost(0.95))} ms · N ${count}`;
    view.showFigure(id, { value: upperBound(atMost(0.5)), unit: "ms p50", more });
  }

  #showFrames() {
    const rate = this.#counter.rate(performance.now());
    view.showFigure("frames", { value: rate?.toFixed(1), unit: "a second", more: this.#counter.size });
  }
}
