/** The microphone as 24 kHz Int16 in pieces of 20 ms, on the audio thread. */

import { Resampler, int16 } from "../resample.js";

const RATE = 24_000;
const PIECE = RATE / 50;

class Microphone extends AudioWorkletProcessor {
  #resampler = new Resampler(sampleRate, RATE);
  #piece = new Int16Array(PIECE);
  #filled = 0;

  process([[samples]]) {
    if (!samples) return true;
    for (const sample of int16(this.#resampler.push(samples))) {
      this.#piece[this.#filled++] = sample;
      if (this.#filled === PIECE) this.#hand();
    }
    return true;
  }

  #hand() {
    const piece = this.#piece;
    this.#piece = new Int16Array(PIECE);
    this.#filled = 0;
    this.port.postMessage(piece, [piece.buffer]);
  }
}

registerProcessor("microphone", Microphone);
