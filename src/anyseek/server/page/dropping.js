/** Files that are dropped or pasted anywhere: a picture is searched with, and where one may, files are added. */

import { byId, icon, isWriting, make } from "./dom.js";
import { picturesIn } from "./pictures.js";

/**
 * Listen to the whole page.
 * @param {object} acts
 * @param {(file: File) => void} acts.search
 * @param {(files: File[]) => void} acts.add
 * @param {() => boolean} acts.mayAdd whether files may be added now.
 * @param {() => boolean} acts.isAdding whether the panel of the library is open, so that files are meant for it.
 * @param {(message: string) => void} acts.complain
 */
export function listen(acts) {
  const veil = byId("drop");
  let depth = 0;
  const hide = () => {
    depth = 0;
    veil.hidden = true;
    veil.remove();
  };
  const over = (event) => hasFiles(event) && event.preventDefault();
  document.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth += 1;
    if (depth === 1) show(veil, acts);
  });
  document.addEventListener("dragleave", (event) => {
    if (hasFiles(event) && (depth -= 1) <= 0) hide();
  });
  document.addEventListener("dragover", over);
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    const adds = acts.mayAdd() && (acts.isAdding() || event.target.closest?.("[data-drop=add]"));
    hide();
    take([...event.dataTransfer.files], Boolean(adds), acts);
  });
  document.addEventListener("paste", (event) => {
    const file = pictured(event.clipboardData);
    if (file && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      acts.search(file);
    } else if (!isWriting(event.target) && !document.querySelector("dialog[open]")) byId("query").focus();
  });
}

/** Whether files are dragged, rather than words or one of our own pictures. */
const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

/** The picture that was copied; none for words, to which some programs add a picture of them. */
const pictured = (copied) => (!copied || copied.types.includes("text/plain") ? null : picturesIn(copied.files)[0]);

/** Show where files can be dropped, above whatever is open. */
function show(veil, acts) {
  const adding = acts.isAdding();
  const zones = [];
  if (!adding) zones.push(zone("search", "image", "Search with this picture"));
  if (acts.mayAdd()) zones.push(zone("add", "up", "Add to the library"));
  veil.replaceChildren(...zones);
  (document.querySelector("dialog[open]") ?? document.body).append(veil);
  veil.hidden = false;
}

/** One place to drop. */
const zone = (name, picture, text) => make("div", { class: "zone", data: { drop: name } }, icon(picture), make("p", { text }));

/** Do with files what they were dropped for. */
function take(files, adds, acts) {
  if (adds) {
    acts.add(files);
    return;
  }
  const pictures = picturesIn(files);
  if (pictures.length === 1) acts.search(pictures[0]);
  else if (pictures.length) acts.complain("Search with one picture at a time.");
  else acts.complain("Only a picture can be searched with. Files are added in the panel of the library.");
}
