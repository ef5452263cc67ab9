/** API key of a page: dev mode gives one, else the user types it. */

import { demoKey, forgetOffer } from "./api.js";

const STORED = "lite-gateway-key"; // name in the storage of the tab
let key = "";

/** Return the key, an empty text if the user must type it. */
export async function findKey() {
  key ||= (await demoKey()) || (sessionStorage.getItem(STORED) ?? "");
  return key;
}

export function forgetKey() {
  key = "";
  forgetOffer(); // a gateway that was started again has another key
  sessionStorage.removeItem(STORED);
}

/**
 * Return what `act(key)` returns. Where the key is refused, act again with the key that a
 * gateway gives which was started again.
 */
export async function withKey(act) {
  const refused = await findKey();
  try {
    return await act(refused);
  } catch (error) {
    if (error.kind !== "key") throw error;
    forgetKey();
    const other = await findKey();
    if (!other || other === refused) throw error;
    return act(other);
  }
}

/** Keep the key that is typed into the form of the page, and then call `go()`. */
export function connectKeyForm(go) {
  document.getElementById("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    key = document.getElementById("key").value.trim();
    sessionStorage.setItem(STORED, key);
    go();
  });
}
