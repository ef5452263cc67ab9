/** LiveKit room that shows the avatar's video and plays its audio. */

import { PageError, livekitFailed, livekitUnreachable, pageIncomplete } from "./errors.js";
import { within } from "./patience.js";

const LIVEKIT = new URL("../vendor/livekit-client.esm.mjs", import.meta.url);
const LOAD_MS = 30_000; // for the client, of 1 MB
const JOIN = { websocketTimeout: 8000, peerConnectionTimeout: 8000 };
const AVATAR = "heygen";
const KEY_COLOUR = "lite.key_colour"; // attribute of an avatar with a transparent background
const AI_GENERATED = "ai_generated"; // attribute of an avatar that is the likeness of a person
const ANSWER_MS = 3000; // for one request
const RECEIVED_MS = 5000; // for a microphone to be received, which takes half a second and longer on a busy machine
const SETTLE_MS = 500; // from when the server tells of it until the first audio is received there

let loads = 0; // that have failed: browsers remember a module that could not be loaded

async function client() {
  if (loads) LIVEKIT.search = `again=${loads}`;
  try {
    const livekit = await within(LOAD_MS, import(LIVEKIT), pageIncomplete());
    livekit.setLogLevel(livekit.LogLevel.silent); // this page shows the important messages itself
    return livekit;
  } catch {
    loads += 1;
    throw pageIncomplete();
  }
}

/** Ask the server itself: the client reports its own exceptions as an unreachable server too. */
async function answers(url) {
  const options = { mode: "no-cors", cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) };
  return fetch(url.replace(/^ws/, "http"), options).then(() => true, () => false);
}

export class Room {
  #room = null;
  #video;
  #audio;
  #on;
  #joined = false;
  #closing = false;

  /**
   * Callbacks: `on.voice(track)`, `on.keyColour(colour)` with the colour to remove from
   * the video, or an empty text, `on.aiGenerated(bool)`, `on.blocked(bool)` when the
   * browser blocks audio, `on.data(topic, bytes)` for packets of the avatar,
   * `on.reconnecting()`, `on.reconnected()` and `on.lost()`.
   */
  constructor({ video, audio }, on) {
    this.#video = video;
    this.#audio = audio;
    this.#on = on;
  }

  async join(url, token) {
    const livekit = await client();
    if (this.#closing) return;
    const { RoomEvent, Track } = livekit;
    this.#room = new livekit.Room({ adaptiveStream: false, dynacast: false, disconnectOnPageLeave: false });
    // The client would create an AudioContext at once, and browsers would log a warning,
    // because no key or button has been pressed. It is needed for mixing only.
    this.#room.acquireAudioContext = async () => {};
    this.#room
      .on(RoomEvent.TrackSubscribed, (track, _, participant) => {
        if (participant.identity !== AVATAR || this.#closing) return;
        const isVideo = track.kind === Track.Kind.Video;
        track.attach(isVideo ? this.#video : this.#audio);
        if (!isVideo) return this.#on.voice(track.mediaStreamTrack);
        this.#on.keyColour(participant.attributes[KEY_COLOUR] ?? "");
        this.#on.aiGenerated(participant.attributes[AI_GENERATED] === "true");
      })
      .on(RoomEvent.DataReceived, (bytes, participant, _, topic) => {
        if (participant?.identity === AVATAR) this.#on.data?.(topic, bytes);
      })
      .on(RoomEvent.AudioPlaybackStatusChanged, () => this.#reportBlocked())
      .on(RoomEvent.Reconnecting, () => this.#on.reconnecting())
      .on(RoomEvent.Reconnected, () => this.#on.reconnected())
      .on(RoomEvent.Disconnected, () => this.#closing || !this.#joined || this.#on.lost());
    try {
      await this.#room.connect(url, token, JOIN);
    } catch (error) {
      if (this.#closing) return;
      throw ((await answers(url)) ? livekitFailed : livekitUnreachable)(url, error.message);
    }
    this.#joined = true;
    this.#reportBlocked();
  }

  get isConnected() {
    return this.#room?.state === "connected";
  }

  /** Send a text to everybody in the room; it is lost if the room is gone. */
  send(topic, text) {
    const options = { reliable: true, topic };
    this.#room.localParticipant.publishData(new TextEncoder().encode(text), options).catch(() => null);
  }

  /**
   * Publish the track of a microphone. `received` of the result is a promise that is
   * kept when somebody receives the track, or nobody has for some seconds. What is said
   * before is lost.
   */
  async publishMicrophone(track) {
    const { ParticipantEvent, Track } = await client();
    const participant = this.#room.localParticipant;
    let stop;
    const received = new Promise((resolve) => {
      const check = (publication) => publication.track?.mediaStreamTrack === track && setTimeout(stop, SETTLE_MS);
      const timer = setTimeout(() => stop(), RECEIVED_MS);
      stop = () => {
        clearTimeout(timer);
        participant.off(ParticipantEvent.LocalTrackSubscribed, check);
        resolve();
      };
      participant.on(ParticipantEvent.LocalTrackSubscribed, check);
    });
    try {
      await participant.publishTrack(track, { source: Track.Source.Microphone });
    } catch (error) {
      stop();
      throw new PageError("microphone", "The microphone could not be sent", `LiveKit said: ${error.message}. Try again.`);
    }
    return { received };
  }

  unpublishMicrophone(track) {
    this.#room?.localParticipant.unpublishTrack(track).catch(() => null);
  }

  /** Start playback; call this from a click or key handler, as browsers require. */
  startAudio() {
    this.#room?.startAudio().catch(() => this.#on.blocked(true));
  }

  async leave() {
    this.#closing = true;
    for (const element of [this.#video, this.#audio]) element.srcObject = null; // at once: the next room may use them soon
    await this.#room?.disconnect();
  }

  #reportBlocked() {
    this.#on.blocked(!this.#room.canPlaybackAudio);
  }
}
