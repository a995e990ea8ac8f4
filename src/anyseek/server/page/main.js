/** The page: what is asked stands in the address, and everything else follows from it. */

import { ApiError, ask, search, thing } from "./api.js";
import { Box } from "./box.js";
import { button, byId, icon, isComposing, isModified, isWriting, keepClicksTogether, keepingFocus, make } from "./dom.js";
import { listen } from "./dropping.js";
import { Filters } from "./filters.js";
import { count, plural, took } from "./format.js";
import { Session } from "./keys.js";
import { LibraryPanel, isEmpty } from "./library.js";
import { Results } from "./results.js";
import { showStart } from "./start.js";
import { NOTHING, address, asks, body, read } from "./state.js";
import { Viewer } from "./viewer.js";

const ATTEMPTS = 20;

let state = read(location.href, history.state);
let asked = ""; // what the hits on the page answer
let running = new AbortController();
let isLeaving = false; // the back button has been pressed for a hit, and its entry is still there

const session = new Session(() => results.renew());
const acts = {
  open: (id) => openHit(id),
  close: () => closeHit(),
  like: (id) => go({ q: "", picture: null, like: id, unlike: [], all: false }),
  unlike: (id) => go({ unlike: [...new Set([...state.unlike, id])], all: false }),
};
const results = new Results(acts);
const viewer = new Viewer(acts);
const box = new Box(() => state, go, { complain, tell });
const filters = new Filters(() => state, go);
const panel = new LibraryPanel(session, (library, problem) => {
  filters.learn(library, problem);
  const unlock = async () => (await session.unlock()) && panel.refresh();
  showStart(byId("start"), library, problem, { mayWrite: session.mayWrite, open: () => panel.open(), unlock });
});

/** Ask for something else, with the words that stand in the box; a new entry of the history. */
function go(change) {
  const words = box.words();
  const written = words === state.q ? {} : { q: words, ...(words ? { like: "" } : {}) };
  const next = { ...state, ...written, ...change };
  const isSame = known(next) === asked && !location.hash;
  state = next;
  if (!isSame) {
    keep("pushState", address(state), {});
    scrollTo(0, 0);
  }
  viewer.hide();
  follow(isSame);
}

/** Write an entry of the history; one whose picture is too large for it does without. */
function keep(how, where, more) {
  try {
    history[how]({ picture: state.picture, ...more }, "", where);
  } catch {
    history[how]({ picture: null, ...more }, "", where);
  }
}

/** What is asked, as one string. */
const known = (one) => JSON.stringify(one);

/** Show what is asked. */
function present() {
  box.show(state);
  filters.show(state);
  document.body.dataset.view = asks(state) ? "results" : "start";
  document.title = state.q.trim() ? `${state.q.trim()} – anyseek` : "anyseek";
}

/** Make the page show its state, and search when it has changed. */
function follow(again = false) {
  present();
  if (known(state) !== asked || again) run();
}

/** Search, and show what comes as it comes. */
async function run() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  asked = known(state);
  notice();
  if (!asks(state)) {
    results.clear();
    tell("");
    if (state.unlike.length) complain("Add words or a picture: an example of what is not sought is not enough.");
    return;
  }
  results.wait();
  tell("Searching");
  try {
    await attempt(signal);
  } catch (error) {
    if (error.name !== "AbortError" && !signal.aborted) fail(error);
  } finally {
    if (!signal.aborted) byId("reading").hidden = true;
  }
}

/** Search; wait and ask again while the server is busy or still loading. */
async function attempt(signal) {
  for (let number = 1; ; number += 1) {
    try {
      for await (const { event, data } of search(body(state), signal)) {
        if (signal.aborted) return;
        heard(event, data);
      }
      return;
    } catch (error) {
      if (!(error instanceof ApiError) || !error.passes || number === ATTEMPTS) throw error;
      tell(`The server is busy or still loading. Asking again in ${error.retryAfter ?? 2} s`);
      await pause(1000 * (error.retryAfter ?? 2), signal);
    }
  }
}

/** An event of a search. */
function heard(event, data) {
  const reading = byId("reading");
  if (event === "first") {
    show(data.results, false);
    tell(data.results.length ? "Reading the best closely" : "Searching");
  } else if (event === "progress") {
    reading.hidden = !data.of;
    [reading.max, reading.value] = [data.of || 1, data.read];
    tell(`Reading the best closely: ${count(data.read)} of ${count(data.of)}`);
  } else if (event === "final") finish(data);
}

/** Show hits, and tell the viewer. */
function show(hits, isFinal) {
  results.show(hits, isFinal);
  viewer.among(hits);
}

/** The whole answer is there. */
function finish(data) {
  show(data.results, true);
  const seconds = Object.values(data.seconds ?? {}).filter(Number.isFinite);
  const total = data.seconds?.total ?? seconds.reduce((sum, one) => sum + one, 0);
  const shown = `${plural(data.results.length, "result")} in ${took(total)}`;
  tell(state.all && data.results.length ? `The nearest there is: ${shown}` : data.results.length ? shown : "");
  if (!data.results.length) notice(nothing(data));
}

/** An answer without hits. */
function nothing(data) {
  const isNarrow = Boolean(body(state).filters);
  if (panel.library && isEmpty(panel.library)) {
    const add = session.mayWrite && button("Add files", () => panel.open());
    return make("div", { class: "notice" }, icon("library"), make("h2", { text: "This library is empty" }), add);
  }
  const text = `Nothing ${isNarrow ? "that the filters let through" : "in this library"} fits what you asked for.`;
  return make("div", { class: "notice" }, icon("search"),
    make("h2", { text: "Nothing relevant here" }),
    make("p", { text }),
    make("div", { class: "pair" },
      data.nearest || data.nothing ? button("Show the nearest", () => go({ all: true })) : "",
      isNarrow ? button("Search without filters", () => go({ ...NOTHING, q: state.q, picture: state.picture, like: state.like, unlike: state.unlike })) : ""));
}

/** A search that failed; hits that had come by then stay. */
function fail(error) {
  if (results.isWaiting) results.clear();
  tell("");
  notice(
    make("div", { class: "notice bad" }, icon("warning"),
      make("h2", { text: "This search failed" }),
      make("p", { text: error instanceof ApiError ? error.message : "The page met a fault." }),
      button("Try again", () => follow(true))));
  if (!(error instanceof ApiError)) throw error;
}

/** Something that cannot be done, said where results are. */
function complain(message) {
  notice(make("div", { class: "notice bad slim" }, icon("warning"), make("p", { text: message }), button("Close", () => notice())));
}

/** Say something above the hits, or nothing; a button that goes with what was said leaves the focus to the hits' place. */
function notice(...said) {
  const place = byId("notice");
  keepingFocus(place, () => place.replaceChildren(...said), () => byId("main"));
}

/** The line above the hits. */
function tell(message) {
  byId("message").textContent = message;
}

/** Wait, unless the search is over. */
function pause(milliseconds, signal) {
  return new Promise((done, left) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      left(new DOMException("left", "AbortError"));
    }, { once: true });
  });
}

/** Show a hit in full; the back button closes it, or leaves the page where its address has brought one here. */
function openHit(id) {
  if (location.hash) keep("replaceState", address(state, id), { viewer: Boolean(history.state?.viewer) });
  else keep("pushState", address(state, id), { viewer: true });
  showHit();
}

/** Close it. */
function closeHit() {
  if (isLeaving) return;
  if (history.state?.viewer) {
    isLeaving = true;
    history.back();
  } else {
    keep("replaceState", address(state), {});
    showHit();
  }
}

/** Show the hit that the address names; where it names none, go back to the place of the open one among the hits. */
async function showHit() {
  const id = location.hash.slice(1);
  if (!id) {
    const left = viewer.standing;
    viewer.hide();
    if (left) results.focus(left.id);
    return;
  }
  const hit = here().find((one) => one.id === id) ?? (await ask("GET", thing(id)).catch(complained));
  if (hit && location.hash.slice(1) === id) viewer.show(hit, here());
}

/** The hits, if they are of what is asked now. */
const here = () => (results.isWaiting ? [] : results.hits);

/** A hit that cannot be shown. */
function complained(error) {
  complain(error.message);
  return null;
}

addEventListener("popstate", () => {
  isLeaving = false;
  state = read(location.href, history.state);
  follow();
  showHit();
});
document.addEventListener("keydown", (event) => {
  const isCommand = !event.ctrlKey && !event.metaKey && !event.altKey && !isWriting(event.target); // Shift is how some write it
  if (isCommand && event.key === "/" && !document.querySelector("dialog[open]")) {
    event.preventDefault();
    box.focus();
  }
});
byId("query").addEventListener("keydown", (event) => {
  if (isComposing(event)) return;
  if (event.key === "Escape") event.target.blur();
  if (event.key === "ArrowDown" && results.hits.length) {
    event.preventDefault();
    results.focus();
  }
});
byId("home").addEventListener("click", (event) => {
  if (isModified(event)) return;
  event.preventDefault();
  go({ ...NOTHING });
  box.focus();
});
new ResizeObserver(([{ target }]) => document.documentElement.style.setProperty("--head", `${target.offsetHeight}px`)).observe(document.querySelector(".top"));
keepClicksTogether();
listen({
  search: (file) => box.take(file),
  add: (files) => panel.add(files),
  mayAdd: () => session.mayWrite && panel.library !== null,
  isAdding: () => panel.dialog.open,
  complain,
});

const begun = session.begin().catch(complained);
if (asks(state)) present();
else {
  follow();
  byId("query").focus();
}
await begun;
panel.refresh();
if (known(state) !== asked) run(); // unless something was asked meanwhile; what is being written stays
showHit();
