/** Microphone and camera of this device. */

import { PageError } from "./errors.js";

/**
 * Open a "microphone" or a "camera" with the constraints of `getUserMedia`; throw
 * `PageError`, whose kind is that name.
 */
export async function openDevice(name, constraints) {
  if (!window.isSecureContext || !navigator.mediaDevices) {
    const text = `Browsers allow the ${name} on https:// pages and on localhost only. This page is ${location.origin}.`;
    throw new PageError(name, `No ${name} on this page`, text);
  }
  try {
    return await navigator.mediaDevices.getUserMedia(constraints);
  } catch (why) {
    if (why.name === "NotFoundError") throw new PageError(name, `No ${name} found`, "Connect one, then press again.");
    if (why.name === "NotReadableError") {
      const text = "Another program may use it: close that, or connect it once more, then press again.";
      throw new PageError(name, `The ${name} cannot be opened`, text);
    }
    throw new PageError(
      name,
      `The ${name} was refused`,
      "Allow it for this page in the browser’s site settings (the icon beside the address), then press again.",
    );
  }
}
