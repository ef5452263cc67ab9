/** What can go wrong on this page, each with words that say what to do. */

export class Trouble extends Error {
  /** `kind`: gateway, key, livekit, refused, sound or microphone. */
  constructor(kind, title, text) {
    super(text);
    this.kind = kind;
    this.title = title;
  }
}

export const gatewayAway = () =>
  new Trouble(
    "gateway",
    "The gateway does not answer",
    `Nothing answers at ${location.host}. Start it with “make run”, or check your network, then try again.`,
  );

export const livekitAway = (url) =>
  new Trouble(
    "livekit",
    "LiveKit cannot be reached",
    `The gateway is up, but this browser gets no answer from LiveKit at ${url}. Check that the server runs and that its address and ports are open to this device, then try again.`,
  );

export const wrongKey = (told) =>
  new Trouble("key", "This key is not accepted", `The gateway said: ${told}. Check the key and connect again.`);

/** Why a session ended, for a person; the server's own text is shown beside it. */
const ENDINGS = {
  USER_CLOSED: "Someone stopped this session.",
  USER_DISCONNECTED: "The client left.",
  IDLE_TIMEOUT: "Nothing was asked of it for too long.",
  MAX_DURATION_REACHED: "It reached its longest time.",
  SERVER_ERROR: "The server had to end it.",
  NO_CREDITS: "There was no credit left.",
  AVATAR_DELETED: "The avatar is no longer there.",
  ZOMBIE_SESSION_REAP: "Nobody seemed to be there.",
  AGENT_HANG_UP: "The agent hung up.",
};

export const ending = (reason, told) => ({
  title: "The session has ended",
  text: `${ENDINGS[reason] ?? "No reason is known."} (${reason}${told ? `: ${told}` : ""})`,
});
