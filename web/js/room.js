/** The LiveKit room: the avatar's picture and voice, shown and played. */

import { Trouble, livekitAway } from "./trouble.js";

const LIVEKIT = new URL("../vendor/livekit-client.esm.mjs", import.meta.url);
const AVATAR = "heygen";

async function client() {
  try {
    const livekit = await import(LIVEKIT);
    livekit.setLogLevel(livekit.LogLevel.silent); // this page shows what matters itself
    return livekit;
  } catch {
    throw new Trouble(
      "livekit",
      "A part of this page is missing",
      "web/vendor/livekit-client.esm.mjs could not be loaded; “make setup” fetches it. Then load this page again.",
    );
  }
}

export class Room {
  #room = null;
  #video;
  #audio;
  #on;
  #closing = false;

  /** `on.voice(track)`, `on.blocked(bool)`, `on.away()`, `on.back()`, `on.gone()`. */
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
    // The client would make an AudioContext at once, which browsers answer with a console
    // warning before the first press. It only matters for mixing, which is not used here.
    this.#room.acquireAudioContext = async () => {};
    this.#room
      .on(RoomEvent.TrackSubscribed, (track, _, participant) => {
        if (participant.identity !== AVATAR) return;
        const isVideo = track.kind === Track.Kind.Video;
        track.attach(isVideo ? this.#video : this.#audio);
        if (!isVideo) this.#on.voice(track.mediaStreamTrack);
      })
      .on(RoomEvent.AudioPlaybackStatusChanged, () => this.#tellBlocked())
      .on(RoomEvent.Reconnecting, () => this.#on.away())
      .on(RoomEvent.Reconnected, () => this.#on.back())
      .on(RoomEvent.Disconnected, () => this.#closing || this.#on.gone());
    try {
      await this.#room.connect(url, token);
    } catch {
      if (!this.#closing) throw livekitAway(url);
    }
    this.#tellBlocked();
  }

  /** Must be called from a press: browsers let a page make sound only then. */
  startAudio() {
    this.#room?.startAudio().catch(() => this.#on.blocked(true));
  }

  async leave() {
    this.#closing = true;
    await this.#room?.disconnect();
    for (const element of [this.#video, this.#audio]) element.srcObject = null;
  }

  #tellBlocked() {
    this.#on.blocked(!this.#room.canPlaybackAudio);
  }
}
