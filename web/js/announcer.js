/** Announce a text to screen readers; others see the state on the page. */
export function announce(text) {
  document.getElementById("announced").textContent = text;
}
