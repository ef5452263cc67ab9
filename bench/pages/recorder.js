/** All that is heard, in pieces, each with the context's sample that follows it. */

const PIECE = 512; // four blocks

class Recorder extends AudioWorkletProcessor {
  #piece = new Float32Array(PIECE);
  #filled = 0;

  process([[samples]]) {
    if (samples) this.#piece.set(samples, this.#filled); // else there is no track yet
    this.#filled += 128;
    if (this.#filled === PIECE) {
      this.port.postMessage([this.#piece, currentFrame + 128]);
      this.#piece = new Float32Array(PIECE);
      this.#filled = 0;
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
