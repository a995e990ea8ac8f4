/** The grid of hits: skeletons, cards that move to their new place, and the arrow keys. */

import { card, face, weigh } from "./card.js";
import { byId, isModified, keepingFocus, keepsStill, make } from "./dom.js";

const MOVE = { duration: 260, easing: "cubic-bezier(.2, .7, .2, 1)" };
const SKELETONS = 12;

export class Results {
  /** @param {{open: Function, like: Function, unlike: Function}} acts */
  constructor(acts) {
    this.acts = acts;
    this.list = byId("hits");
    this.hits = [];
    this.list.addEventListener("keydown", (event) => this.keyed(event));
  }

  /** Whether nothing has come yet of what is searched now, so that the hits are those of another search. */
  get isWaiting() {
    return this.list.getAttribute("aria-busy") === "true";
  }

  /** A search begins: keep what is there, dimmed, or show where cards will be. */
  wait() {
    this.list.setAttribute("aria-busy", "true");
    if (this.hits.length) return;
    const blanks = Array.from({ length: SKELETONS }, () =>
      make("li", { class: "hit blank", "aria-hidden": "true" }, make("span", { class: "face" }), make("span", { class: "line" })),
    );
    this.list.replaceChildren(...blanks);
  }

  /**
   * Show hits; cards that stay move to their place.
   * @param {object[]} hits
   * @param {boolean} isFinal whether no better order will come.
   */
  show(hits, isFinal) {
    const kept = new Map([...this.list.children].filter((item) => item.dataset.id).map((item) => [item.dataset.id, item]));
    const before = new Map([...kept].map(([id, item]) => [id, item.getBoundingClientRect()]));
    const items = hits.map((hit) => {
      const item = kept.get(hit.id);
      if (item?.querySelector(".name").textContent !== hit.name) return card(hit, this.acts); // or told by another copy
      weigh(item, hit);
      return item;
    });
    keepingFocus(this.list, () => this.list.replaceChildren(...items), () => this.list.querySelector(".open") ?? byId("main"));
    this.hits = hits;
    this.list.setAttribute("aria-busy", "false");
    this.list.dataset.stage = isFinal ? "final" : "first";
    if (!keepsStill()) for (const item of items) move(item, before.get(item.dataset.id));
  }

  /** Show the pictures that could not be had while the library was locked. */
  renew() {
    for (const hit of this.hits) {
      const shown = this.item(hit.id)?.querySelector(".face");
      if (hit.thumbnail && shown && !shown.querySelector("img")) shown.replaceWith(face(hit));
    }
  }

  /** Show none. */
  clear() {
    this.hits = [];
    this.list.replaceChildren();
    this.list.setAttribute("aria-busy", "false");
    delete this.list.dataset.stage;
  }

  /** Put the focus on a hit; on the first one when it is not there, and on their place where there is none. */
  focus(id) {
    const item = this.item(id) ?? this.list.firstElementChild;
    (item?.querySelector(".open") ?? byId("main")).focus();
  }

  /** The card of a hit. */
  item(id) {
    return [...this.list.children].find((one) => one.dataset.id === id);
  }

  /** Arrow keys go from card to card, by where they stand. */
  keyed(event) {
    const item = event.target.closest(".hit");
    if (!item || isModified(event)) return;
    if (event.key === "m" || event.key === "u") {
      if (event.repeat) return;
      const act = event.key === "m" ? this.acts.like : this.acts.unlike;
      act(item.dataset.id);
      return;
    }
    const next = beside(item, event.key, [...this.list.children]);
    if (!next) return;
    event.preventDefault();
    next.querySelector(".open").focus();
    next.scrollIntoView({ block: "nearest" });
  }
}

/** Let a card glide from where it was, or appear. */
function move(item, from) {
  if (!from) {
    item.animate([{ opacity: 0 }, { opacity: 1 }], MOVE);
    return;
  }
  const to = item.getBoundingClientRect();
  const [x, y] = [from.left - to.left, from.top - to.top];
  if (x || y) item.animate([{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }], MOVE);
}

/** The card that a key leads to. */
function beside(item, key, all) {
  const at = all.indexOf(item);
  if (key === "ArrowRight") return all[at + 1];
  if (key === "ArrowLeft") return all[at - 1];
  if (key === "Home") return all[0];
  if (key === "End") return all.at(-1);
  if (key !== "ArrowDown" && key !== "ArrowUp") return null;
  const columns = all.filter((one) => one.offsetTop === all[0].offsetTop).length;
  const next = at + (key === "ArrowDown" ? columns : -columns);
  return all[next] ?? (key === "ArrowDown" && all.at(-1).offsetTop > item.offsetTop ? all.at(-1) : null);
}
