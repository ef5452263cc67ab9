/** REST client of the gateway: sessions, avatars and metrics. */

import { videoEncoding } from "./codec.js";
import { PageError, gatewayUnreachable, invalidKey } from "./errors.js";

const SUCCESS = 1000;

async function request(path, options = {}) {
  try {
    return await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw gatewayUnreachable();
  }
}

async function call(path, { headers, body } = {}) {
  const response = await request(path, {
    method: body ? "POST" : "GET",
    headers: { "Content-Type": "application/json", ...headers },
    body: body && JSON.stringify(body),
  });
  const envelope = await response.json().catch(() => null);
  if (response.ok && envelope?.code === SUCCESS) return envelope.data;
  throw refusal(response.status, envelope?.message);
}

function refusal(status, message) {
  if (message === undefined) return gatewayUnreachable(); // the response is a proxy's
  if (status === 401) return invalidKey(message);
  if (status === 429) return new PageError("refused", "All sessions are in use", `The gateway answered: ${message}. Try again later.`);
  if (status === 502) return new PageError("livekit", "LiveKit cannot be reached", `The gateway answered: ${message}.`);
  return new PageError("refused", "The gateway refused the request", `It answered with status ${status}: ${message}.`);
}

/** Return the API key that dev mode gives to this page, an empty string without one. */
export async function demoKey() {
  const response = await request("/demo.json");
  if (!response.ok) return "";
  return (await response.json().catch(() => ({}))).api_key ?? "";
}

export async function avatars() {
  return (await call("/v1/avatars/public?page_size=100")).results;
}

/** Create a session and start it. */
export async function open(key, { avatar, quality }) {
  const created = await call("/v1/sessions/token", {
    headers: { "X-API-KEY": key },
    body: { mode: "LITE", avatar_id: avatar, video_settings: { quality, encoding: videoEncoding() } },
  });
  const token = created.session_token;
  const started = await call("/v1/sessions/start", {
    headers: { Authorization: `Bearer ${token}` },
    body: { session_id: created.session_id },
  });
  return {
    id: started.session_id,
    token,
    livekitUrl: started.livekit_url,
    livekitToken: started.livekit_client_token,
    wsUrl: started.ws_url,
  };
}

/** Stop a session; this works also while the page is closed. */
export function stop(session) {
  const stopped = fetch("/v1/sessions/stop", {
    method: "POST",
    keepalive: true,
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${session.token}` },
    body: JSON.stringify({ session_id: session.id, reason: "USER_CLOSED" }),
  });
  return stopped.catch(() => null); // the server ends abandoned sessions by itself
}

export async function metrics() {
  const response = await request("/metrics");
  return response.ok ? response.text() : "";
}
