/**
 * A listener as every user has one: joins a room with LiveKit's client at its defaults,
 * shows the picture, plays the sound, and writes both down.
 *
 * Times are milliseconds of this page's `performance.now()`.  What a picture says is
 * read by whoever opened the page.
 */

import { Room, RoomEvent, Track, version } from "./livekit-client.esm.mjs";

const RATE = 48_000;
const LOOK = 64; // pixels of the shorter side of a look
const ASK_MS = 500;

const video = document.querySelector("video");
const audio = document.querySelector("audio");
const context = new AudioContext({ sampleRate: RATE });
const canvas = new OffscreenCanvas(LOOK, LOOK);
const pencil = canvas.getContext("2d", { willReadFrequently: true });
const room = new Room();
const tracks = [];
let asking;

const frames = []; // of each: presented, received
const looks = []; // of each frame: its green, row by row; a grey picture's luma
const sound = []; // Int16Array
const pieces = []; // of each: its samples, and when the last was at the sound card and out of here
const buffers = []; // now and then: [kind, seconds in the jitter buffer, how many]

function look(_, told) {
  const { videoWidth: width, videoHeight: height } = video;
  if (!frames.length) {
    const scale = LOOK / Math.min(width, height);
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  pencil.drawImage(video, 0, 0, canvas.width, canvas.height);
  const { data } = pencil.getImageData(0, 0, canvas.width, canvas.height);
  // What a late machine expected may be past when the frame is handed to the screen.
  const presented = Math.max(told.expectedDisplayTime, told.presentationTime);
  frames.push(presented, told.receiveTime ?? NaN);
  looks.push(data.filter((_, place) => place % 4 === 1));
  video.requestVideoFrameCallback(look);
}

function hear({ data: [samples, end] }) {
  // The stamp pairs a moment with the sample that leaves the sound card in it, and
  // `currentTime` is the sample that comes out now.
  const { contextTime, performanceTime } = context.getOutputTimestamp();
  const card = performanceTime + 1000 * (end / RATE - contextTime);
  const out = performance.now() + 1000 * (end / RATE - context.currentTime);
  sound.push(Int16Array.from(samples, (x) => 32767 * Math.max(-1, Math.min(1, x))));
  pieces.push(samples.length, card, out);
}

async function ask() {
  for (const track of tracks) {
    for (const each of (await track.getRTCStatsReport())?.values() ?? []) {
      if (each.type !== "inbound-rtp") continue;
      buffers.push([each.kind, each.jitterBufferDelay, each.jitterBufferEmittedCount]);
    }
  }
}

function show(track) {
  tracks.push(track);
  if (track.kind === Track.Kind.Video) {
    track.attach(video);
    return;
  }
  track.attach(audio);
  const stream = new MediaStream([track.mediaStreamTrack]);
  context.createMediaStreamSource(stream).connect(recorder);
}

async function base64(arrays) {
  const reader = new FileReader();
  reader.readAsDataURL(new Blob(arrays));
  await new Promise((done) => (reader.onload = done));
  return reader.result.split(",")[1] ?? "";
}

await context.audioWorklet.addModule("recorder.js");
const recorder = new AudioWorkletNode(context, "recorder", {
  channelCount: 1,
  channelCountMode: "explicit",
});
recorder.port.onmessage = hear;
recorder.connect(context.destination); // silent: it drives the graph
video.requestVideoFrameCallback(look);
room.on(RoomEvent.TrackSubscribed, show);

export async function join(url, token) {
  await room.connect(url, token);
  asking = setInterval(ask, ASK_MS);
}

/** Everything that was written down; numbers as base64 of little-endian arrays. */
export async function leave() {
  clearInterval(asking);
  const hints = tracks.map((track) => track.getPlayoutDelay());
  await room.disconnect();
  return {
    client: version,
    hints,
    size: [canvas.height, canvas.width],
    frames: await base64([new Float64Array(frames)]),
    looks: await base64(looks),
    sound: await base64(sound),
    pieces: await base64([new Float64Array(pieces)]),
    buffers,
  };
}
