/** Measurements: those of this page, and the server's histograms. */

const VOICE = 0.004; // RMS above which there is speech; an idle avatar is digital silence
const QUIET_MS = 150; // after this time without voice there is silence
const MAX_KEPT = 200;

/** The newest measurements of one kind, in milliseconds. */
export class Series {
  #values = [];

  add(ms) {
    this.#values.push(ms);
    if (this.#values.length > MAX_KEPT) this.#values.shift();
  }

  get count() {
    return this.#values.length;
  }

  quantile(share) {
    const sorted = [...this.#values].sort((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  }
}

/** Stopwatch that turns presses, events and loudness into measurements. */
export class Stopwatch {
  toStarted = new Series();
  toVoice = new Series();
  toSilence = new Series();
  #started = null;
  #voice = null;
  #silence = null;
  #voiceAt = -Infinity;

  /** Start measuring a turn that was pressed at `at`, in ms of `performance.now`. */
  pressed(at) {
    this.#started = at;
    this.#voice = this.#isQuiet(at) ? at : null; // if not, the voice of the old turn would be measured
    this.#silence = null;
  }

  interrupted(at) {
    this.#started = this.#voice = null;
    this.#silence = this.#isQuiet(at) ? null : { at, last: at };
  }

  speakStarted(at) {
    if (this.#started !== null) this.toStarted.add(at - this.#started);
    this.#started = null;
  }

  /** Take one loudness; return whether it completed a measurement. */
  addLoudness(rms, at) {
    if (rms >= VOICE) return this.#voiced(at);
    if (this.#silence === null || at - this.#silence.last < QUIET_MS) return false;
    this.toSilence.add(this.#silence.last - this.#silence.at);
    this.#silence = null;
    return true;
  }

  #voiced(at) {
    this.#voiceAt = at;
    if (this.#silence) this.#silence.last = at;
    if (this.#voice === null) return false;
    this.toVoice.add(at - this.#voice);
    this.#voice = null;
    return true;
  }

  #isQuiet(at) {
    return at - this.#voiceAt > QUIET_MS;
  }
}

/** Counter of the frames that a video element presents. */
export class FrameCounter {
  #video;
  #seen = []; // [ms, frames presented since the start]

  constructor(video) {
    this.#video = video;
    const next = (at, { presentedFrames }) => {
      this.#seen.push([at, presentedFrames]);
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback?.(next);
  }

  reset() {
    this.#seen = [];
  }

  /** Return frames a second over the last three seconds, undefined without frames. */
  rate(now) {
    this.#seen = this.#seen.filter(([at]) => now - at < 3000);
    if (this.#seen.length < 2) return undefined;
    const [[from, before], [to, after]] = [this.#seen[0], this.#seen.at(-1)];
    if (after < before || now - to > 1000) return undefined;
    return ((after - before) * 1000) / (to - from);
  }

  get size() {
    const { videoWidth, videoHeight } = this.#video;
    return videoWidth ? `${videoWidth} × ${videoHeight}` : "";
  }
}

/** Parse a Prometheus histogram, summed over its labels: count and quantile bounds. */
export function histogram(text, name) {
  const buckets = new Map();
  const line = new RegExp(`^${name}_bucket\\{(?:[^}]*,)?le="([^"]+)"[^}]*\\} (\\S+)$`, "gm");
  for (const [, le, count] of text.matchAll(line)) {
    const bound = le === "+Inf" ? Infinity : Number(le);
    buckets.set(bound, (buckets.get(bound) ?? 0) + Number(count));
  }
  const count = buckets.get(Infinity) ?? 0;
  const bounds = [...buckets.keys()].sort((a, b) => a - b);
  return {
    count,
    /** Return the upper bound of a quantile in milliseconds. */
    atMost: (share) =>
      count ? bounds.find((bound) => buckets.get(bound) >= share * count) * 1000 : undefined,
  };
}
