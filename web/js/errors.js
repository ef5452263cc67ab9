/** Errors that the page shows, each with a remedy. */

export class PageError extends Error {
  /**
   * `kind`: gateway, key, livekit, picture, starting, busy, refused, sound, microphone or
   * camera; of avatars from photos also photo, form or gone.
   */
  constructor(kind, title, text) {
    super(text);
    this.kind = kind;
    this.title = title;
  }
}

/** Return a text of the gateway as a sentence. */
export const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;

export const gatewayUnreachable = () =>
  new PageError(
    "gateway",
    "The gateway does not answer",
    `There is no answer from ${location.host}. Start the gateway with “make run”, or check your network, then try again.`,
  );

export const livekitUnreachable = (url, message) =>
  new PageError(
    "livekit",
    "LiveKit cannot be reached",
    `The gateway is running, but LiveKit at ${url} does not answer this browser (“${message}”). Check that the LiveKit server runs and that this device can reach its address and ports, then try again.`,
  );

export const livekitFailed = (url, message) =>
  new PageError(
    "livekit",
    "The LiveKit room could not be joined",
    `The LiveKit client of this page failed with “${message}” at ${url}. Try again, or try another browser; if none can join, check that this device can reach LiveKit’s UDP port.`,
  );

/** The kind is "picture": the room is joined, and no frame of the video arrives. */
export const noPicture = () =>
  new PageError(
    "picture",
    "No picture arrives",
    "The room is joined, but no frame of the avatar has arrived. Check that this device can reach LiveKit’s UDP port.",
  );

export const pageIncomplete = () =>
  new PageError(
    "livekit",
    "The LiveKit client is missing",
    "web/vendor/livekit-client.esm.mjs could not be loaded. Check your network; if it is missing on the gateway, fetch it with “make setup”, then load this page again.",
  );

/** The kind is "livekit": the session cannot be reached any more before it was connected. */
export const connectionLost = (text) => new PageError("livekit", "The session cannot be reached", text);

export const notReady = (message) =>
  new PageError("starting", "The gateway is not ready yet", `It answered: ${message}.`);

export const invalidKey = (message) =>
  new PageError("key", "This key is not accepted", `The gateway answered: ${message}. Check the key and connect again.`);

/** Texts for the end reasons; the server's own text is shown too. */
const END_REASONS = {
  USER_CLOSED: "Someone stopped this session.",
  USER_DISCONNECTED: "The client left.",
  IDLE_TIMEOUT: "The session was idle for too long.",
  MAX_DURATION_REACHED: "The session reached its maximum duration.",
  SERVER_ERROR: "The server ended the session because of an error.",
  NO_CREDITS: "There are no credits left.",
  AVATAR_DELETED: "The avatar has been deleted.",
  ZOMBIE_SESSION_REAP: "The session was abandoned.",
  AGENT_HANG_UP: "The agent hung up.",
  SERVER_SHUTDOWN: "The gateway was stopped.",
};

export const endMessage = (reason, message) => ({
  title: "The session has ended",
  text: `${END_REASONS[reason] ?? "The reason is unknown."} (${reason}${message ? `: ${message}` : ""})`,
});
