/** A hit as a card: a picture or a passage, what and where it is, how well it fits, and what can be done with it. */

import { icon, iconButton, isModified, make } from "./dom.js";
import { folderOf, kindOf, place, plural, score } from "./format.js";

/**
 * A card.
 * @param {object} hit
 * @param {{open: (id: string) => void, like: (id: string) => void, unlike: (id: string) => void}} acts
 */
export function card(hit, acts) {
  const link = make(
    "a",
    { class: "open", href: whereTo(hit), on: { click: (event) => opened(event, () => acts.open(hit.id)) } },
    face(hit),
    make(
      "span",
      { class: "what" },
      make("span", { class: "name", text: hit.name, dir: "auto" }),
      make("span", { class: "where", dir: "auto" }),
    ),
  );
  if (!hit.thumbnail) link.setAttribute("aria-describedby", `passage-${hit.id}`);
  const item = make("li", { class: "hit", data: { id: hit.id, kind: hit.kind } }, link, make("div", { class: "foot" }));
  item.lastElementChild.append(
    bar(),
    iconButton("more", `More like ${hit.name}`, () => acts.like(hit.id)),
    iconButton("less", `Less like ${hit.name}`, () => acts.unlike(hit.id)),
  );
  weigh(item, hit);
  return item;
}

/** Show what each search tells anew: the score, whether the reranker has read it, the passage that answers it. */
export function weigh(item, hit) {
  const meter = item.querySelector(".score");
  const value = Math.max(0, Math.min(1, hit.score));
  meter.style.setProperty("--score", String(value));
  meter.setAttribute("aria-valuenow", score(value));
  meter.classList.toggle("read", hit.reranked);
  const by = hit.reranked ? "read by the reranker" : "by the first look";
  meter.title = `Score ${score(value)}, ${by}; similarity ${hit.similarity.toFixed(2)}`;
  meter.setAttribute("aria-label", `Score, ${by}`);
  item.querySelector(".number").textContent = score(value);
  const words = item.querySelector(".face q");
  if (words) words.textContent = passage(hit);
  const where = [folderOf(hit), copies(hit), others(hit)].filter(Boolean).join(" · ");
  item.querySelector(".where").textContent = where;
  const named = [hit.name, kindOf(hit.kind), place(hit), where]; // the passage, which comes before them, describes it
  item.querySelector(".open").setAttribute("aria-label", named.filter(Boolean).join(", "));
}

/** The address of a thing's file, at its page or moment. */
export function whereTo(hit) {
  if (hit.kind === "page") return `${hit.content}#page=${hit.page}`;
  return hit.kind === "video" ? `${hit.content}#t=${hit.start ?? 0}` : hit.content;
}

/** "2 copies". */
const copies = (hit) => (hit.copies.length ? plural(hit.copies.length, "copy", "copies") : "");

/** "also page 2, 5". */
function others(hit) {
  const places = hit.others.map((one) => place({ ...one, kind: hit.kind })).filter(Boolean);
  if (!places.length) return "";
  const short = places.slice(0, 3).map((one, number) => (number ? one.replace("page ", "") : one));
  return `also ${short.join(", ")}${places.length > 3 ? " …" : ""}`;
}

/** A thumbnail or a passage, with the kind and the place on it. */
export function face(hit) {
  const where = place(hit);
  const badge = make(
    "span",
    { class: "badge" },
    icon(hit.kind),
    make("span", { class: where ? "unseen" : "", text: kindOf(hit.kind) }),
    where && make("span", { text: where }),
  );
  if (!hit.thumbnail) return make("span", { class: "face words" }, make("q", { id: `passage-${hit.id}`, dir: "auto" }), badge);
  const image = make("img", { src: hit.thumbnail, alt: "", loading: "lazy", decoding: "async", draggable: false });
  const settle = () => image.classList.add("there");
  image.addEventListener("load", settle);
  image.addEventListener("error", () => image.replaceWith(icon(hit.kind)));
  if (image.complete) settle();
  return make("span", { class: "face" }, image, badge);
}

/** The words of a text; its name where there are none. */
const passage = (hit) => (hit.text ?? "").trim() || hit.name;

/** A bar from 0 to 1 with its number. */
function bar() {
  const meter = { class: "score", role: "meter", "aria-valuemin": 0, "aria-valuemax": 1, "aria-valuenow": 0 };
  return make("div", { class: "bar" }, make("div", meter), make("span", { class: "number", "aria-hidden": "true" }));
}

/** A click that opens here, unless it asks for another tab. */
function opened(event, open) {
  if (event.button || isModified(event)) return;
  event.preventDefault();
  open();
}
