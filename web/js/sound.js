/** Sound of this device: files decoded, the microphone, the loudness of the avatar. */

import { int16 } from "./resample.js";
import { Trouble } from "./trouble.js";
import { SAMPLE_RATE } from "./wire.js";

const LONGEST_S = 540; // the gateway holds ten minutes of a session's sound

/** Whatever this browser can decode, as 24 kHz mono Int16. */
export async function decode(bytes, name) {
  let buffer;
  try {
    buffer = await new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(bytes);
  } catch {
    throw new Trouble(
      "sound",
      "This file cannot be decoded",
      `“${name}” is not a sound that this browser knows. WAV, MP3, Ogg, FLAC or M4A should do.`,
    );
  }
  if (buffer.duration > LONGEST_S) {
    const long = Math.round(buffer.duration / 60);
    const text = `“${name}” lasts ${long} minutes; the avatar takes up to ${LONGEST_S / 60}. Choose a shorter one.`;
    throw new Trouble("sound", "This file is too long", text);
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

/** Sends pieces of 20 ms while it is on. */
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
    source.connect(node).connect(this.#context.destination); // silent: it drives the graph
  }

  stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#context?.close();
    this.#stream = this.#context = null;
  }
}

async function microphoneStream() {
  if (!window.isSecureContext || !navigator.mediaDevices) {
    const text = `Browsers give the microphone to https:// pages and to localhost only; this one is ${location.origin}.`;
    throw new Trouble("microphone", "No microphone on this page", text);
  }
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
  } catch (why) {
    throw why.name === "NotFoundError"
      ? new Trouble("microphone", "No microphone found", "Connect one, then press again.")
      : new Trouble(
          "microphone",
          "The microphone was refused",
          "Allow it for this page in the browser’s site settings (the sign beside the address), then press again.",
        );
  }
}

/** Measures the avatar's decoded voice; starts with the first press, as sound does. */
export class Meter {
  #take;
  #context = null;
  #source = null;
  #track = null;
  #node = null;

  /** `take(rms)` every 8 ms. */
  constructor(take) {
    this.#take = take;
  }

  get available() {
    return typeof AudioWorkletNode === "function";
  }

  /** From a press. */
  async start() {
    if (this.#context || !this.available) return;
    this.#context = new AudioContext({ latencyHint: "interactive" });
    await this.#context.audioWorklet.addModule(worklet("meter"));
    this.#node = new AudioWorkletNode(this.#context, "meter");
    this.#node.port.onmessage = ({ data }) => this.#take(data);
    this.#node.connect(this.#context.destination); // silent: it drives the graph
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
