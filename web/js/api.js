/** REST client of the gateway: sessions, avatars and metrics. */

import { videoEncoding } from "./codec.js";
import { PageError, gatewayUnreachable, invalidKey, notReady, sentence } from "./errors.js";
import { within } from "./patience.js";

const SUCCESS = 1000;
const ROOT = new URL("..", import.meta.url).pathname.slice(0, -1); // of the gateway: empty, or its path behind a proxy
const ANSWER_MS = 10_000; // for a response to begin
const START_MS = 30_000; // the same for the start of a session, which waits for its turn, the room and the agent

async function request(path, { answerMs = ANSWER_MS, ...options } = {}) {
  const cancel = new AbortController();
  const response = fetch(ROOT + path, { cache: "no-store", signal: cancel.signal, ...options });
  try {
    return await (answerMs ? within(answerMs, response, null) : response);
  } catch {
    cancel.abort();
    throw gatewayUnreachable();
  }
}

/**
 * Call the API; return the data of its answer, or throw `PageError`. A `body` that is no
 * form is sent as JSON.
 */
export async function call(path, { headers, body, method = body ? "POST" : "GET", answerMs } = {}) {
  const isForm = body instanceof FormData;
  const response = await request(path, {
    answerMs: isForm ? 0 : answerMs, // an upload takes as long as its network needs
    method,
    headers: { ...(isForm || { "Content-Type": "application/json" }), ...headers },
    body: isForm ? body : body && JSON.stringify(body),
  });
  const envelope = await response.json().catch(() => null);
  if (response.ok && envelope?.code === SUCCESS) return envelope.data;
  throw failed(response, envelope);
}

/** Return a file of the API, as a `Blob`; throw `PageError`. */
export async function file(path, headers) {
  const response = await request(path, { headers });
  if (response.ok) return response.blob();
  throw failed(response, await response.json().catch(() => null));
}

/**
 * Return the error of a response: with its `status`, what the gateway `said`, after how
 * many seconds another try makes sense (`retryAfterS`), and where a photo or its form is
 * at fault, the `reason` as code and sentence.
 */
function failed({ status, headers }, envelope) {
  const retryAfterS = Number(headers.get("Retry-After")) || 0;
  return Object.assign(refusal(status, envelope?.message), { status, said: envelope?.message, retryAfterS, reason: envelope?.reason });
}

function refusal(status, message) {
  if (message === undefined) return gatewayUnreachable(); // the response is a proxy's
  if (status === 401) return invalidKey(message);
  if (status === 429) return new PageError("busy", "The gateway is busy", sentence(message)); // or the key has made too many requests
  if (status === 503) return notReady(message);
  if (status === 502) return new PageError("livekit", "LiveKit cannot be reached", `The gateway answered: ${message}.`);
  return new PageError("refused", "The gateway refused the request", `It answered with status ${status}: ${message}.`);
}

let known = null; // what /demo.json answers: several parts of a page need it when it loads

/** Return what the gateway offers to its own pages; it is asked once. */
function demo() {
  known ??= askDemo().catch((error) => {
    known = null;
    throw error;
  });
  return known;
}

async function askDemo() {
  const response = await request("/demo.json");
  return response.ok ? response.json().catch(() => ({})) : {};
}

/** Ask the gateway again what it offers, when that is needed next. */
export function forgetOffer() {
  known = null;
}

/** Return the API key that dev mode gives to this page, an empty string without one. */
export async function demoKey() {
  return (await demo()).api_key ?? "";
}

/** Return the state of conversations ("ready", "starting", …) and a text about it. */
export async function conversations() {
  return (await demo()).conversations ?? { state: "off", text: "this gateway offers no conversations" };
}

/** Return whether this gateway makes avatars from photos. */
export async function creates() {
  return (await demo()).create ?? false;
}

export async function avatars() {
  return (await call("/v1/avatars/public?page_size=100")).results;
}

/** Return the voices that a conversation may have. */
export async function voices(key) {
  return (await call("/v1/voices?page_size=100", { headers: { "X-API-KEY": key } })).results;
}

/**
 * Create a session and start it. `conversation` has the fields of the token request
 * that ask for one; without it this page sends the speech.
 */
export async function open(key, { avatar, quality, background }, conversation = { mode: "LITE" }) {
  const video = { quality, encoding: videoEncoding(), ...(background && { background }) };
  const created = await call("/v1/sessions/token", {
    headers: { "X-API-KEY": key },
    body: { ...conversation, avatar_id: avatar, video_settings: video },
  });
  return start(created);
}

/** Create a session of an embedded page and start it. */
export async function openEmbedded(embedding) {
  return start(await call(`/embed/${embedding}/session?encoding=${videoEncoding()}`, { method: "POST" }));
}

async function start({ session_id: id, session_token: token }) {
  try {
    const headers = { Authorization: `Bearer ${token}` };
    const started = await call("/v1/sessions/start", { headers, body: { session_id: id }, answerMs: START_MS });
    return {
      id,
      token,
      livekitUrl: started.livekit_url,
      livekitToken: started.livekit_client_token,
      wsUrl: started.ws_url, // undefined in a conversation
    };
  } catch (error) {
    stop({ id, token }); // another try creates another session
    throw error;
  }
}

/** Stop a session; this works also while the page is closed. */
export function stop(session) {
  const stopped = fetch(`${ROOT}/v1/sessions/stop`, {
    method: "POST",
    keepalive: true,
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${session.token}` },
    body: JSON.stringify({ session_id: session.id, reason: "USER_CLOSED" }),
  });
  return stopped.catch(() => null); // the server ends abandoned sessions by itself
}

/** Restart the idle timeout of a session. */
export function keepAlive(session) {
  const headers = { Authorization: `Bearer ${session.token}` };
  return call("/v1/sessions/keep-alive", { headers, body: { session_id: session.id } }).catch(() => null);
}

export async function metrics() {
  const response = await request("/metrics");
  return response.ok ? response.text() : "";
}
