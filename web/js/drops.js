/** Files that are dropped anywhere on the page. */

/** Call `take(file)` for a file that is dropped; the page shows a hint while one hovers. */
export function acceptDrops(take) {
  const hint = document.getElementById("drop");
  const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    hint.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) hint.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    hint.hidden = true;
    take(event.dataTransfer.files[0]);
  });
}
