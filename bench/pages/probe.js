/**
 * Subscriber in a browser: joins a room with LiveKit's client at its defaults, shows the
 * video, plays the audio, and records both.
 *
 * Times are milliseconds of this page's `performance.now()`. The markers in the frames
 * are read by bench/browser.py.
 */

import { Room, RoomEvent, Track, version } from "./livekit-client.esm.mjs";

const RATE = 48_000;
const THUMBNAIL = 64; // pixels of the shorter side
const STATS_MS = 500;
const MOST_UNREAD = 500; // blocks of 10 ms; more are lost while the page is busy

const video = document.querySelector("video");
const audio = document.querySelector("audio");
const canvas = new OffscreenCanvas(THUMBNAIL, THUMBNAIL);
const drawing = canvas.getContext("2d", { willReadFrequently: true });
const room = new Room();
const tracks = [];
let statsTimer;

const frames = []; // for each frame: presented, received
const thumbnails = []; // for each frame: its green channel, which is luma where it is grey
const samples = []; // Int16Array
const blocks = []; // for each block: its length, when the audio output took it by a clock of its own, when it was read
let output = null; // delay of the audio output in all and samples, so far
const buffers = []; // every half second: [kind, seconds in the jitter buffer, samples or frames]

function recordFrame(_, metadata) {
  const { videoWidth: width, videoHeight: height } = video;
  if (!frames.length) {
    const scale = THUMBNAIL / Math.min(width, height);
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  drawing.drawImage(video, 0, 0, canvas.width, canvas.height);
  const { data } = drawing.getImageData(0, 0, canvas.width, canvas.height);
  // On a busy machine the expected time may be over when the frame is composed.
  const presented = Math.max(metadata.expectedDisplayTime, metadata.presentationTime);
  frames.push(presented, metadata.receiveTime ?? NaN);
  thumbnails.push(data.filter((_, place) => place % 4 === 1));
  video.requestVideoFrameCallback(recordFrame);
}

/**
 * Record what the audio element plays, as the audio output takes it. A WebAudio node would
 * get it from a queue of its own, which is 2 to 16 ms long and grows while the page is busy.
 */
async function recordAudio(track) {
  const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: MOST_UNREAD }).readable.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    const block = next.value;
    const channel = new Float32Array(block.numberOfFrames);
    block.copyTo(channel, { planeIndex: 0, format: "f32-planar" });
    samples.push(Int16Array.from(channel, (x) => 32767 * Math.max(-1, Math.min(1, x))));
    blocks.push(block.numberOfFrames, block.timestamp / 1000, performance.now());
    if (block.sampleRate !== RATE) throw new Error(`audio of ${block.sampleRate} Hz`);
    block.close();
  }
}

async function recordStats() {
  for (const track of tracks) {
    for (const row of (await track.getRTCStatsReport())?.values() ?? []) {
      if (row.type === "media-playout") output = [row.totalPlayoutDelay, row.totalSamplesCount];
      if (row.type !== "inbound-rtp") continue;
      buffers.push([row.kind, row.jitterBufferDelay, row.jitterBufferEmittedCount]);
    }
  }
}

function play(track) {
  tracks.push(track);
  if (track.kind === Track.Kind.Video) {
    track.attach(video);
    return;
  }
  track.attach(audio);
  recordAudio(track.mediaStreamTrack);
}

async function base64(arrays) {
  const reader = new FileReader();
  reader.readAsDataURL(new Blob(arrays));
  await new Promise((resolve) => (reader.onload = resolve));
  return reader.result.split(",")[1] ?? "";
}

video.requestVideoFrameCallback(recordFrame);
room.on(RoomEvent.TrackSubscribed, play);

export async function join(url, token) {
  await room.connect(url, token);
  statsTimer = setInterval(recordStats, STATS_MS);
}

/** Leave the room and return the recording; numbers are base64 of little-endian arrays. */
export async function leave() {
  clearInterval(statsTimer);
  const hints = tracks.map((track) => track.getPlayoutDelay());
  const streams = new Set(tracks.map((track) => track.mediaStream?.id));
  await room.disconnect();
  return {
    client: version,
    hints,
    streams: streams.size,
    size: [canvas.height, canvas.width],
    frames: await base64([new Float64Array(frames)]),
    thumbnails: await base64(thumbnails),
    audio: await base64(samples),
    blocks: await base64([new Float64Array(blocks)]),
    buffers,
    output,
  };
}
