/** Audio of this device: file decoding, the microphone, and the avatar's loudness. */

import { openDevice } from "./devices.js";
import { int16 } from "./resample.js";
import { PageError } from "./errors.js";
import { SAMPLE_RATE } from "./connection.js";

const MAX_FILE_S = 540; // the gateway buffers ten minutes of a session's audio

/** Decode an audio file to 24 kHz mono Int16; throw `PageError`. */
export async function decode(bytes, name) {
  let buffer;
  try {
    buffer = await new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(bytes);
  } catch {
    throw new PageError(
      "sound",
      "This file cannot be decoded",
      `This browser cannot decode “${name}” as audio. Choose a WAV, MP3, Ogg, FLAC or M4A file.`,
    );
  }
  if (buffer.duration > MAX_FILE_S) {
    const minutes = Math.round(buffer.duration / 60);
    const text = `“${name}” lasts ${minutes} minutes, and the limit is ${MAX_FILE_S / 60}. Choose a shorter file.`;
    throw new PageError("sound", "This file is too long", text);
  }
  return int16(mono(buffer));
}

function mono(buffer) {
  if (buffer.numberOfChannels === 1) return buffer.getChannelData(0);
  const mixed = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const samples = buffer.getChannelData(channel);
    for (let index = 0; index < mixed.length; index++) {
      mixed[index] += samples[index] / buffer.numberOfChannels;
    }
  }
  return mixed;
}

const worklet = (name) => new URL(`./worklets/${name}.js`, import.meta.url);

/** Microphone that delivers Int16 chunks of 20 ms while it is on. */
export class Microphone {
  #stream = null;
  #context = null;

  async start(take) {
    this.#stream = await microphoneStream();
    this.#context = new AudioContext();
    await this.#context.audioWorklet.addModule(worklet("microphone"));
    const source = this.#context.createMediaStreamSource(this.#stream);
    const node = new AudioWorkletNode(this.#context, "microphone", {
      numberOfOutputs: 1,
      channelCount: 1,
      channelCountMode: "explicit",
    });
    node.port.onmessage = ({ data }) => this.#context && take(data);
    // The output is silent, but without a destination the graph would not run.
    source.connect(node).connect(this.#context.destination);
  }

  stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#context?.close();
    this.#stream = this.#context = null;
  }
}

/** Open the microphone, without the echo of the avatar's voice; throw `PageError`. */
export function microphoneStream() {
  return openDevice("microphone", {
    audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  });
}

/** Loudness meter of the avatar's decoded voice; it starts at the first click or key. */
export class Meter {
  #take;
  #context = null;
  #source = null;
  #track = null;
  #node = null;

  /** `take(rms)` is called every 8 ms. */
  constructor(take) {
    this.#take = take;
  }

  get available() {
    return typeof AudioWorkletNode === "function";
  }

  /** Start; call this from a click or key handler, as browsers require. */
  async start() {
    if (this.#context || !this.available) return;
    this.#context = new AudioContext({ latencyHint: "interactive" });
    try {
      await this.#context.audioWorklet.addModule(worklet("meter"));
    } catch {
      this.#context.close(); // the gateway does not answer: the next click tries again
      this.#context = null;
      return;
    }
    this.#node = new AudioWorkletNode(this.#context, "meter");
    this.#node.port.onmessage = ({ data }) => this.#take(data);
    // The output is silent, but without a destination the graph would not run.
    this.#node.connect(this.#context.destination);
    this.#listen();
  }

  follow(track) {
    this.#track = track;
    this.#listen();
  }

  #listen() {
    this.#source?.disconnect();
    if (!this.#node || !this.#track) return;
    this.#source = this.#context.createMediaStreamSource(new MediaStream([this.#track]));
    this.#source.connect(this.#node);
  }
}

/** Call `start()` at each click or key: browsers allow no audio before the first one. */
export function atGestures(start) {
  for (const type of ["pointerdown", "keydown"]) document.addEventListener(type, start, { capture: true });
}
