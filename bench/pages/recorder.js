/** Passes the audio on in blocks, each with the context's sample that follows it. */

const BLOCK = 512; // samples: four of WebAudio's render quanta

class Recorder extends AudioWorkletProcessor {
  #block = new Float32Array(BLOCK);
  #filled = 0;

  process([[samples]]) {
    if (samples) this.#block.set(samples, this.#filled); // undefined: no track yet
    this.#filled += 128;
    if (this.#filled === BLOCK) {
      this.port.postMessage([this.#block, currentFrame + 128]);
      this.#block = new Float32Array(BLOCK);
      this.#filled = 0;
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
