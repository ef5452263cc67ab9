/** The gateway's REST: sessions minted, started and stopped; avatars; metrics. */

import { Trouble, gatewayAway, wrongKey } from "./trouble.js";

const SUCCESS = 1000;

async function ask(path, options = {}) {
  try {
    return await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw gatewayAway();
  }
}

async function call(path, { headers, body } = {}) {
  const answer = await ask(path, {
    method: body ? "POST" : "GET",
    headers: { "Content-Type": "application/json", ...headers },
    body: body && JSON.stringify(body),
  });
  const envelope = await answer.json().catch(() => null);
  if (answer.ok && envelope?.code === SUCCESS) return envelope.data;
  throw refusal(answer.status, envelope?.message);
}

function refusal(status, told) {
  if (told === undefined) return gatewayAway(); // a proxy speaks, not the gateway
  if (status === 401) return wrongKey(told);
  if (status === 429) return new Trouble("refused", "All places are taken", `The gateway said: ${told}.`);
  if (status === 502) return new Trouble("livekit", "LiveKit cannot be reached", `The gateway said: ${told}.`);
  return new Trouble("refused", "The gateway refused", `It said (${status}): ${told}.`);
}

/** The key that dev mode gives to this page; empty when a person must bring one. */
export async function demoKey() {
  const answer = await ask("/demo.json");
  if (!answer.ok) return "";
  return (await answer.json().catch(() => ({}))).api_key ?? "";
}

export async function avatars() {
  return (await call("/v1/avatars/public?page_size=100")).results;
}

/** Mint a session and start it. */
export async function open(key, { avatar, quality }) {
  const minted = await call("/v1/sessions/token", {
    headers: { "X-API-KEY": key },
    body: { mode: "LITE", avatar_id: avatar, video_settings: { quality } },
  });
  const token = minted.session_token;
  const started = await call("/v1/sessions/start", {
    headers: { Authorization: `Bearer ${token}` },
    body: { session_id: minted.session_id },
  });
  return {
    id: started.session_id,
    token,
    livekitUrl: started.livekit_url,
    livekitToken: started.livekit_client_token,
    wsUrl: started.ws_url,
  };
}

/** Stop a session; also from a page that is being left. */
export function stop(session) {
  const stopped = fetch("/v1/sessions/stop", {
    method: "POST",
    keepalive: true,
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${session.token}` },
    body: JSON.stringify({ session_id: session.id, reason: "USER_CLOSED" }),
  });
  return stopped.catch(() => null); // the server ends forgotten sessions by itself
}

export async function metrics() {
  const answer = await ask("/metrics");
  return answer.ok ? answer.text() : "";
}
