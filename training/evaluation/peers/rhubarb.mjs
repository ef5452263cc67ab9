// Runs Rhubarb on whole recordings: it needs all of the audio for its first mouth shape.
// Reads [{pcm: path of s16le 16 kHz, text}] from stdin, and writes
// [{cues: [[start_s, end_s, shape]]}] to the file of the first argument.

import { readFileSync, writeFileSync } from "node:fs";
import { Rhubarb } from "rhubarb-lip-sync-wasm";

const results = [];
for (const { pcm, text } of JSON.parse(readFileSync(0, "utf8"))) {
  const result = await Rhubarb.getLipSync(readFileSync(pcm), { dialogText: text });
  results.push({ cues: result.mouthCues.map(({ start, end, value }) => [start, end, value]) });
}
writeFileSync(process.argv[2], JSON.stringify(results));
process.exit(0);
