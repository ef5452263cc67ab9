/** Patience of a page: deadlines of what it waits for, and tries after a failure. */

const FRAME_MS = 10_000; // for the first frame of a session that is connected
const AGAIN_S = 5; // until the next try, unless the gateway names a longer time
// Kinds of errors after which another try may succeed, and how often it is made. A session
// without a picture may be heard, so it is not started again for ever.
const MOST = { gateway: 40, livekit: 40, starting: 40, busy: 40, picture: 2 };

/** Return what a promise returns, or throw `error` if that takes longer than `ms`. */
export async function within(ms, promise, error) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(error), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/**
 * Call `picture()` when a video shows its first frame. Call `late()` if none has come
 * for some seconds in which the page was visible: browsers play no video of a hidden one.
 */
export class FirstFrame {
  #on;
  #timer = 0;
  #awaited = false;

  constructor(video, on) {
    this.#on = on;
    video.addEventListener("playing", () => {
      if (this.#awaited) this.#come();
    });
  }

  /** Wait for the first frame of another session; `isThere`: the video shows it already. */
  await(isThere) {
    this.stop();
    this.#awaited = true;
    if (isThere) this.#come();
    else this.#wait();
  }

  stop() {
    this.#awaited = false;
    clearTimeout(this.#timer);
  }

  #come() {
    this.stop();
    this.#on.picture();
  }

  #wait() {
    this.#timer = setTimeout(() => (document.hidden ? this.#wait() : this.#on.late()), FRAME_MS);
  }
}

/** Tries of a page to start a session, one after another until one succeeds. */
export class Tries {
  #left = { ...MOST };
  #timer = 0;

  /**
   * After a failed try, plan the next one, which calls `act()`. Return a sentence about
   * it; an empty text if there is none, because it would not help or there were enough.
   */
  plan(error, act) {
    this.cancel();
    if (!this.#left[error.kind]) return "";
    this.#left[error.kind] -= 1;
    const afterS = Math.max(AGAIN_S, error.retryAfterS ?? 0);
    this.#timer = setTimeout(act, 1000 * afterS);
    return `This page tries again in ${afterS} seconds.`;
  }

  /** Cancel the next try. */
  cancel() {
    clearTimeout(this.#timer);
  }

  /** Begin to count again: a try has succeeded, or the user has asked for one. */
  reset() {
    this.cancel();
    this.#left = { ...MOST };
  }
}
