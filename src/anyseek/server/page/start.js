/** What stands below the box before anything is asked: what there is to find, or how a library begins. */

import { button, icon, make } from "./dom.js";
import { plural } from "./format.js";
import { isBusy, isEmpty, progressOf } from "./library.js";

const HOW = "anyseek serve ~/Pictures ~/Documents";

/**
 * Fill the place.
 * @param {HTMLElement} place
 * @param {object | null} library
 * @param {Error | null} problem why nothing is known of the library.
 * @param {{mayWrite: boolean, open: () => void, unlock: () => void}} can
 */
export function showStart(place, library, problem, can) {
  if (!library) place.replaceChildren(...(problem ? [without(problem, can)] : []));
  else if (isBusy(library.job)) place.replaceChildren(growing(library));
  else if (isEmpty(library)) place.replaceChildren(empty(can));
  else place.replaceChildren(ready(library));
}

/** Something to search. */
function ready(library) {
  const key = (name, what) => make("span", {}, make("kbd", { text: name }), ` ${what}`);
  return make("div", { class: "calm" },
    make("p", { text: `Search ${plural(library.files, "file")} by what they show and say: in words of any language, with a picture, or with both.` }),
    make("p", { class: "keys" }, key("/", "to the box"), key("↓", "to the results"), key("Enter", "opens"), key("m", "more like it"), key("u", "less like it"), key("Esc", "closes")));
}

/** Indexing runs. */
function growing(library) {
  return make("div", { class: "calm" },
    progressOf(library.job),
    make("p", { class: "quiet", text: "What is already read can be searched now." }));
}

/** The library is empty. */
function empty(can) {
  return make("div", { class: "card" },
    icon("library"),
    make("h2", { text: "This library is empty" }),
    make("p", { text: "Give a folder to the server when you start it; it is read in the background, and nothing in it is changed or copied:" }),
    make("pre", { text: HOW }),
    can.mayWrite && make("p", { text: "Or drop a few files here." }),
    can.mayWrite && button("Add files", can.open, { class: "main" }));
}

/** There is none, or it does not answer. */
function without(problem, can) {
  const heads = { 401: "This library is locked", 404: "No library is served here" };
  return make("div", { class: "card" }, icon("warning"),
    make("h2", { text: heads[problem.status] ?? "The library does not answer" }),
    make("p", { text: problem.status === 401 ? "It opens with a key of this server." : problem.message }),
    problem.status === 404 && make("pre", { text: HOW }),
    problem.status === 401 && button("Give a key", can.unlock, { class: "main" }));
}
