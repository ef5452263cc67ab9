/** Audio worklet that posts its input as 24 kHz Int16 in chunks of 20 ms. */

import { Resampler, int16 } from "../resample.js";

const RATE = 24_000;
const CHUNK = RATE / 50;

class Microphone extends AudioWorkletProcessor {
  #resampler = new Resampler(sampleRate, RATE);
  #chunk = new Int16Array(CHUNK);
  #filled = 0;

  process([[samples]]) {
    if (!samples) return true;
    for (const sample of int16(this.#resampler.push(samples))) {
      this.#chunk[this.#filled++] = sample;
      if (this.#filled === CHUNK) this.#send();
    }
    return true;
  }

  #send() {
    const chunk = this.#chunk;
    this.#chunk = new Int16Array(CHUNK);
    this.#filled = 0;
    this.port.postMessage(chunk, [chunk.buffer]);
  }
}

registerProcessor("microphone", Microphone);
