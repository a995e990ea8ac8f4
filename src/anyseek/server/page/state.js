/** What is asked. It lives in the address, so that links and the back button work; a picture lives in the entry of the history. */

import { KINDS } from "./format.js";

/** Nothing is asked yet. `picture` is a data URI. */
export const NOTHING = Object.freeze({
  q: "",
  picture: null,
  like: "",
  unlike: [],
  kinds: [],
  path: "",
  folder: "",
  tags: "",
  after: "",
  before: "",
  pages: "",
  larger: "",
  smaller: "",
  rerank: true,
  words: "",
  top: 20,
  all: false,
});

/** Fields that narrow down what counts, apart from the kinds. */
export const NARROWING = ["path", "folder", "tags", "after", "before", "pages", "larger", "smaller"];

/** Fields that change how it is asked. */
export const MANNER = ["rerank", "words", "top"];

const MB = 1_000_000;
const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text));
const isNumber = (text) => /^\d+(\.\d+)?$/.test(text);

/** What a field of an address must be like; one that is not is left out, rather than shown as if it counted. */
const FITS = {
  after: isDay,
  before: isDay,
  larger: isNumber,
  smaller: isNumber,
  pages: (text) => pageRange(text) !== null,
  words: (text) => isNumber(text) && Number(text) <= 1,
  top: (text) => /^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= 200,
  kinds: (text) => text.split(",").every((kind) => KINDS.some((one) => one.kind === kind)),
};

/** Whether there is anything to look for. */
export const asks = (state) => Boolean(state.q.trim() || state.picture || state.like);

/** The state of an address and its entry of the history. */
export function read(address, entry) {
  const given = new URLSearchParams(new URL(address).search);
  const state = { ...NOTHING };
  for (const [name, usual] of Object.entries(NOTHING)) {
    const value = given.get(name);
    if (name === "picture" || value === null || FITS[name]?.(value) === false) continue;
    if (Array.isArray(usual)) state[name] = value.split(",").filter(Boolean);
    else if (typeof usual === "boolean") state[name] = value === "1";
    else state[name] = typeof usual === "number" ? Number(value) : value;
  }
  state.picture = entry?.picture ?? null;
  return state;
}

/** The address of a state. */
export function address(state, hash = "") {
  const given = new URLSearchParams();
  for (const [name, usual] of Object.entries(NOTHING)) {
    const value = state[name];
    if (name === "picture" || String(value) === String(usual)) continue;
    if (Array.isArray(usual)) given.set(name, value.join(","));
    else given.set(name, typeof usual === "boolean" ? (value ? "1" : "0") : String(value));
  }
  const text = given.toString().replaceAll("%2C", ",");
  return (text ? `/?${text}` : "/") + (hash ? `#${hash}` : "");
}

/** The body of `POST /v1/search`. */
export function body(state) {
  const asked = { top: state.top, rerank: state.rerank };
  const text = state.q.trim();
  if (state.like) asked.like = state.like;
  else if (state.picture) asked.query = text ? { text, image: state.picture } : { image: state.picture };
  else asked.query = text;
  if (state.unlike.length) asked.unlike = state.unlike.map((id) => ({ id }));
  if (state.words !== "") asked.words = Number(state.words);
  if (state.all) asked.all = true;
  const filters = narrowed(state);
  if (Object.keys(filters).length) asked.filters = filters;
  return asked;
}

/** The filters of a request. */
function narrowed(state) {
  const filters = {};
  if (state.kinds.length) filters.kinds = state.kinds;
  if (state.path.trim()) filters.path = globbed(state.path.trim());
  if (state.folder) filters.folders = [state.folder];
  const tags = state.tags.split(",").map((tag) => tag.trim()).filter(Boolean);
  if (tags.length) filters.tags = tags;
  for (const name of ["after", "before"]) if (state[name]) filters[name] = state[name];
  if (state.larger) filters.min_bytes = Math.round(Number(state.larger) * MB);
  if (state.smaller) filters.max_bytes = Math.round(Number(state.smaller) * MB);
  const pages = pageRange(state.pages);
  if (pages) filters.pages = pages;
  return filters;
}

/** A path as a glob: what has no star in it is looked for anywhere in the path. */
const globbed = (path) => (/[*?]/.test(path) ? path : `**${path}**`);

/** "3", "2-5" as first and last page; null for anything else. */
function pageRange(text) {
  const found = /^\s*([1-9]\d*)\s*(?:[-–]\s*([1-9]\d*)\s*)?$/.exec(text);
  if (!found) return null;
  const [from, to] = [Number(found[1]), Number(found[2] ?? found[1])];
  return [Math.min(from, to), Math.max(from, to)];
}
