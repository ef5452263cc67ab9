/** Jobs of the gateway that make avatars from photos: REST client, and their errors. */

import { call, file } from "./api.js";
import { PageError, sentence } from "./errors.js";
import { withKey } from "./key.js";

const JOBS = "/v1/avatars/jobs";
const POLL_MS = 1000;

const keyed = (path, options) => withKey((key) => call(path, { headers: { "X-API-KEY": key }, ...options }));

/** Begin a job for a picture file; `fields` are those of the form. Return the job. */
export function begin(picture, fields) {
  const body = new FormData();
  body.set("picture", picture);
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  return keyed("/v1/avatars", { body });
}

export const read = (id) => keyed(`${JOBS}/${id}`);

/** Keep a finished draft; return its avatar as the list of avatars has it. */
export const keep = (id, changes) => keyed(`${JOBS}/${id}/keep`, { body: changes });

/** Cancel a running job, or discard its draft. */
export const discard = (id) => keyed(`${JOBS}/${id}`, { method: "DELETE" });

/** Return the draft as an avatar, with its `backgrounds`. */
export const avatar = ({ avatar_id }) => keyed(`/v1/avatars/${avatar_id}`);

/** Return the page of faces as a picture file. */
export const preview = (job) => withKey((key) => file(job.preview, { "X-API-KEY": key }));

/**
 * Read a job until it no longer runs, and return it. `on.state(job)` is called for each
 * state, and `on.unreachable(error)` while the gateway does not answer. Stop, and return
 * null, when `isOver()`.
 */
export async function follow(id, on, isOver) {
  while (!isOver()) {
    try {
      const job = await read(id);
      if (isOver()) break;
      on.state(job);
      if (job.state !== "running") return job;
    } catch (error) {
      if (isOver()) break;
      const isLimited = error.status === 429; // the key has made too many requests
      if (error.kind !== "gateway" && error.status !== 503 && !isLimited) throw error;
      if (!isLimited) on.unreachable(error);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return null;
}

// Another try with the same photo may succeed.
const PASSING = new Set(["timeout", "internal", "not_installed"]);
const FORM = new Set(["consent_required", "wrong_option"]); // what was typed is at fault

/**
 * Return the error of a photo or form that was refused. Its kind is "form" if another
 * answer would help, "photo" if another photo would, else "refused". The title is what
 * the sentence says before its colon: after it stands what to do.
 */
export function failure({ code, message }) {
  const [title, ...remedy] = message.split(": ");
  if (FORM.has(code)) return new PageError("form", title, message);
  const kind = PASSING.has(code) ? "refused" : "photo";
  if (!remedy.length) return new PageError(kind, "No avatar was made", message);
  return new PageError(kind, title, sentence(remedy.join(": ")));
}

/** Return the error of a draft that is no longer there. */
export const gone = () =>
  new PageError("gone", "This avatar is gone", "A draft is deleted when it is not kept in time, or when the gateway is started again. Make it again.");

/** Return the error to show for one that a call has thrown. */
export function explained(error) {
  if (error.reason) return failure(error.reason);
  if (error.status === 429) return new PageError("busy", "The gateway takes no photo at the moment", sentence(error.said));
  if (error.status === 404 || error.status === 409) return gone();
  if (error.status === 403) return new PageError("refused", "This key makes no avatars", sentence(error.said));
  return error;
}
