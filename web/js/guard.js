/**
 * Guard of a page whose modules do not load: it says so, and loads the page again. It is
 * no module itself, and stops when the main module marks the page as loaded.
 */

(() => {
  const LATE_MS = 8000; // then it tells
  const GIVE_UP_MS = 60_000; // for a network that is slow; then it loads the page again
  const PAUSE_MS = 3000; // before it loads the page again
  const MOST = 3; // times in a row
  const STORED = "lite-gateway-loads"; // their number in the storage of the tab
  const isLoaded = () => document.documentElement.hasAttribute("data-loaded");

  function tell(text) {
    for (const line of document.querySelectorAll("#cover-text, #message")) line.textContent = text;
    const cover = document.getElementById("cover");
    if (cover) cover.dataset.kind = "wait";
  }

  let isOver = false;

  function loadAgain() {
    if (isOver || isLoaded()) return;
    isOver = true;
    const loads = Number(sessionStorage.getItem(STORED)) + 1;
    sessionStorage.setItem(STORED, loads);
    if (loads > MOST) {
      sessionStorage.removeItem(STORED);
      return tell("Parts of this page could not be loaded. Check your network, then load it again.");
    }
    tell("Parts of this page could not be loaded. It is loaded again in a moment…");
    setTimeout(() => location.reload(), PAUSE_MS);
  }

  addEventListener("error", ({ target }) => target instanceof HTMLScriptElement && loadAgain(), { capture: true });
  setTimeout(() => isLoaded() || isOver || tell("This page is still loading, which takes longer than usual…"), LATE_MS);
  setTimeout(() => (isLoaded() ? sessionStorage.removeItem(STORED) : loadAgain()), GIVE_UP_MS);
})();
