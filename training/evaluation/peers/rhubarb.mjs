// Rhubarb over whole recordings: it needs all of the sound before it gives the first lip.
// Reads [{pcm: path of s16le 16 kHz, text}] and writes to the file named:
// [{cues: [[start_s, end_s, shape]]}].

import { readFileSync, writeFileSync } from "node:fs";
import { Rhubarb } from "rhubarb-lip-sync-wasm";

const answers = [];
for (const { pcm, text } of JSON.parse(readFileSync(0, "utf8"))) {
  const told = await Rhubarb.getLipSync(readFileSync(pcm), { dialogText: text });
  answers.push({ cues: told.mouthCues.map(({ start, end, value }) => [start, end, value]) });
}
writeFileSync(process.argv[2], JSON.stringify(answers));
process.exit(0);
