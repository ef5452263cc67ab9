/** Audio worklet that posts the loudness (RMS) of its input every 8 ms at 48 kHz. */

const BLOCKS = 3; // of 128 samples

class Meter extends AudioWorkletProcessor {
  #energy = 0;
  #samples = 0;
  #blocks = 0;

  process([[samples]]) {
    for (const sample of samples ?? []) this.#energy += sample * sample;
    this.#samples += samples?.length ?? 0;
    if (++this.#blocks === BLOCKS) {
      this.port.postMessage(this.#samples ? Math.sqrt(this.#energy / this.#samples) : 0);
      this.#energy = this.#samples = this.#blocks = 0;
    }
    return true;
  }
}

registerProcessor("meter", Meter);
