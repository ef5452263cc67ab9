/** Streaming resampler for speech: windowed sinc, for any pair of rates. */

const ZEROS = 12; // zero crossings on each side
const PHASES = 512; // table entries from one crossing to the next

const TABLE = Float32Array.from({ length: ZEROS * PHASES + 2 }, (_, index) => {
  const x = index / PHASES;
  if (x >= ZEROS) return 0;
  const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
  return sinc * Math.cos((Math.PI * x) / (2 * ZEROS)) ** 2;
});

export class Resampler {
  #step; // input samples per output sample
  #cut; // cutoff frequency, as a share of the input's Nyquist frequency
  #reach; // input samples on each side that one output sample needs
  #held;
  #at; // position of the next output sample in #held

  constructor(from, to) {
    this.#step = from / to;
    this.#cut = Math.min(1, to / from) * (from === to ? 1 : 0.94);
    this.#reach = Math.ceil(ZEROS / this.#cut);
    this.#held = new Float32Array(this.#reach);
    this.#at = this.#reach;
  }

  /** Resample Float32 samples; the last ones are kept for the next call. */
  push(samples) {
    const held = new Float32Array(this.#held.length + samples.length);
    held.set(this.#held);
    held.set(samples, this.#held.length);
    const out = [];
    while (this.#at + this.#reach < held.length) {
      out.push(this.#sample(held));
      this.#at += this.#step;
    }
    const done = Math.max(0, Math.floor(this.#at) - this.#reach);
    this.#held = held.slice(done);
    this.#at -= done;
    return Float32Array.from(out);
  }

  #sample(held) {
    const first = Math.max(0, Math.ceil(this.#at - this.#reach));
    const last = Math.floor(this.#at + this.#reach);
    let sum = 0;
    for (let index = first; index <= last; index++) {
      const place = Math.abs(index - this.#at) * this.#cut * PHASES;
      const entry = Math.floor(place);
      if (entry > ZEROS * PHASES) continue;
      const low = TABLE[entry];
      sum += held[index] * (low + (TABLE[entry + 1] - low) * (place - entry));
    }
    return sum * this.#cut;
  }
}

/** Convert Float32 samples from -1 to 1 to Int16. */
export function int16(samples) {
  return Int16Array.from(samples, (x) => Math.round(Math.max(-1, Math.min(1, x)) * 32767));
}
