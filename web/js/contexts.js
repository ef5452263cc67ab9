/** Context of this page's conversations: what the avatar is told about itself. */

import { call } from "./api.js";
import { PageError } from "./errors.js";

const CONTEXT = {
  name: "Demo page",
  prompt:
    "You are ${name}, a friendly avatar on the demo page of lite-gateway, an open avatar server. " +
    "You hear the user and answer by voice. Answer in one to three short sentences, as people talk: " +
    "no lists, no markup, no emoji. If you do not know something, say so.",
  opening_text: "Hello, I am ${name}. Ask me something.",
};

/** Return the id of the context; null if the key may not create it. */
export async function contextId(key) {
  const headers = { "X-API-KEY": key };
  const { results } = await call("/v1/contexts?page_size=100", { headers });
  const found = results.find(({ name }) => name === CONTEXT.name);
  if (found) return found.id;
  try {
    return (await call("/v1/contexts", { headers, body: CONTEXT })).id;
  } catch (error) {
    if (error instanceof PageError && error.status === 403) return null;
    throw error;
  }
}
