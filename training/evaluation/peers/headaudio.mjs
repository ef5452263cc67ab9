// Runs HeadAudio as a browser does: the processor gets blocks of 128 samples and sends
// messages to the node, and the node's `update` is called for every video frame.
// Reads [{pcm: path of s16le 48 kHz, fps}] from stdin, and writes
// [{names, frames: [[value, ...]]}] to the file of the first argument.
// Frame i is for the time (i + 1/2) / fps, and uses the audio until then.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const RATE = 48000;
const BLOCK = 128;

// The node needs only this of a browser: a port to its processor.
globalThis.AudioWorkletNode = class {
  port = { onmessage: null, postMessage: (data) => this.processor._onmessage({ data }) };
};
const at = (path) => import.meta.resolve(`@met4citizen/headaudio/${path}`);
const { HeadAudio } = await import(at("modules/headaudio.mjs"));
const { Processor } = await import(at("modules/processor.mjs"));
const model = readFileSync(fileURLToPath(at("dist/model-en-mixed.bin")));
globalThis.fetch = async () => new Response(model);

async function framesOf(samples, fps) {
  const node = new HeadAudio(null);
  const port = { postMessage: (data) => node.port.onmessage({ data }) };
  node.processor = new Processor({ sampleRate: RATE }, { port });
  await node.loadModel("model");
  const values = Object.fromEntries(node.visemeNames.map((name) => [name, 0]));
  node.onvalue = (name, value) => (values[name] = value);
  const frames = [];
  let next = 0.5 / fps;
  for (let from = 0; from < samples.length; from += BLOCK) {
    node.processor.process(samples.subarray(from, from + BLOCK));
    while ((from + BLOCK) / RATE >= next) {
      node.update(1000 / fps);
      frames.push(node.visemeNames.map((name, i) => values[name] / node.visemeMaxs[i]));
      next += 1 / fps;
    }
  }
  return { names: node.visemeNames, frames };
}

const results = [];
for (const { pcm, fps } of JSON.parse(readFileSync(0, "utf8"))) {
  const bytes = readFileSync(pcm);
  const whole = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1);
  results.push(await framesOf(Float32Array.from(whole, (x) => x / 32768), fps));
}
writeFileSync(process.argv[2], JSON.stringify(results));
process.exit(0);
