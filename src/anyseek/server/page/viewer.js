/** One hit in full: the picture, the page, the passage, or the film from its moment on. */

import { reach } from "./api.js";
import { whereTo } from "./card.js";
import { button, byId, closeBeside, icon, iconButton, isModified, isWriting, keepingFocus, make } from "./dom.js";
import { count, kindOf, place, score } from "./format.js";
import { playFrom, stageOf } from "./stage.js";

export class Viewer {
  /** @param {{close: () => void, open: (id: string) => void, like: (id: string) => void, unlike: (id: string) => void}} acts */
  constructor(acts) {
    this.acts = acts;
    this.dialog = byId("viewer");
    this.hit = null;
    this.hits = [];
    this.dialog.addEventListener("close", () => this.hit && !this.dialog.open && acts.close()); // by Escape
    this.dialog.addEventListener("keydown", (event) => this.keyed(event));
    closeBeside(this.dialog, acts.close);
  }

  /**
   * Show a hit.
   * @param {object} hit
   * @param {object[]} hits those that it stands among.
   */
  show(hit, hits) {
    if (this.hit?.id === hit.id && this.dialog.open) return;
    const film = this.filmOf(hit);
    this.settle(hit, hits);
    if (film) {
      this.retell();
      playFrom(film, hit.start ?? 0);
      return;
    }
    const stage = make("div", { class: "stage", tabIndex: -1 });
    stage.append(stageOf(this.hit, (address) => this.explain(stage, address)));
    keepingFocus(this.dialog, () => this.dialog.replaceChildren(this.head(), stage, this.side()), () => stage);
    if (this.dialog.open) return;
    this.dialog.showModal();
    this.dialog.querySelector(".viewer-close").focus();
  }

  /** Learn which hits there are by now: the open one may stand elsewhere, with another score. What plays goes on. */
  among(hits) {
    if (!this.hit) return;
    this.settle(this.hit, hits);
    this.retell();
  }

  /** The film that is shown, if a hit is another moment of it. */
  filmOf({ folder, path }) {
    const isSame = this.dialog.open && this.hit?.folder === folder && this.hit.path === path;
    return isSame ? this.dialog.querySelector("video") : null;
  }

  /** Tell of the hit anew, around what is shown of it. */
  retell() {
    const [head, stage, side] = this.dialog.children;
    const [top, renewed] = [side.scrollTop, this.side()];
    keepingFocus(this.dialog, () => {
      head.replaceWith(this.head());
      side.replaceWith(renewed);
    }, () => stage);
    renewed.scrollTop = top;
  }

  /** Note a hit, as the hits tell of it where it is one of them. */
  settle(hit, hits) {
    [this.hit, this.hits] = [hits.find((one) => one.id === hit.id) ?? hit, hits];
  }

  /** Where it stands among the hits; another part of a file stands where the file does, and -1 is nowhere. */
  at() {
    const { id } = this.hit;
    return this.hits.findIndex((one) => one.id === id || one.others.some((other) => other.id === id));
  }

  /** The hit that it stands at; null while nothing is open. */
  get standing() {
    return (this.hit && this.hits[this.at()]) ?? null;
  }

  /** Close, and stop what plays. */
  hide() {
    this.hit = null;
    if (this.dialog.open) this.dialog.close();
    this.dialog.replaceChildren();
  }

  /** The line above: the name, and the way to the next ones. */
  head() {
    const [hit, at] = [this.hit, this.at()];
    const step = (by) => () => this.step(by);
    const where = place(hit);
    const name = make("h2", { id: "viewer-name" }, make("span", { text: hit.name, dir: "auto" }), where && make("small", { text: where }));
    const ways = at < 0 ? [] : [
      iconButton("left", "The hit before", step(-1), { "aria-disabled": at === 0 }),
      make("span", { class: "at", text: `${count(at + 1)} of ${count(this.hits.length)}` }),
      iconButton("right", "The next hit", step(1), { "aria-disabled": at === this.hits.length - 1 }),
    ];
    return make("header", {}, name, ...ways, iconButton("close", "Close", this.acts.close, { class: "bare viewer-close" }));
  }

  /** What is known of it, and what can be done with it. */
  side() {
    const { hit } = this;
    const where = place(hit);
    const open = { page: `Open the PDF at ${where}`, video: "Open the video", image: "Open the picture", text: "Open the file" };
    const pairs = [
      ["Kind", kindOf(hit.kind)],
      ["File", hit.path],
      ["Folder", hit.folder],
      ["Where", where],
      ["Score", hit.score === undefined ? "" : score(hit.score)],
      ["Similarity", hit.similarity === undefined ? "" : hit.similarity.toFixed(3)],
      ["Reranker", typeof hit.probability === "number" ? score(hit.probability) : ""],
      ["Copies", (hit.copies ?? []).map((copy) => copy.path).join("\n")],
    ];
    const facts = pairs.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value, dir: "auto" })]);
    return make(
      "aside",
      { class: "side", "aria-label": "About this hit" },
      make("a", { class: "main", href: whereTo(hit), target: "_blank", rel: "noopener" }, icon("out"), open[hit.kind]),
      make("div", { class: "pair" },
        button("More like this", () => this.acts.like(hit.id)),
        button("Less like this", () => this.acts.unlike(hit.id))),
      make("a", { class: "plain", href: hit.content, download: hit.name }, icon("down"), "Download"),
      make("dl", {}, ...facts),
      this.parts(),
    );
  }

  /** The pages or moments of the file that were found, where there are several. */
  parts() {
    const found = this.standing ?? this.hit;
    const parts = [found, ...(found.others ?? [])].filter((one) => place({ ...one, kind: found.kind }));
    if (parts.length < 2) return null;
    parts.sort((one, other) => (one.page ?? one.start) - (other.page ?? other.start));
    const pill = (one) => button(place({ ...one, kind: found.kind }), () => this.acts.open(one.id), { "aria-current": one.id === this.hit.id });
    return make("section", { class: "parts" }, make("h3", { text: "Found in this file" }), make("div", { class: "pills" }, ...parts.map(pill)));
  }

  /** Go to the hit before or after. */
  step(by) {
    const at = this.at();
    const next = at < 0 ? null : this.hits[at + by];
    if (next) this.acts.open(next.id);
  }

  /** Left and right go through the hits, unless somebody writes or a film has the focus. */
  keyed(event) {
    if (isModified(event) || isWriting(event.target) || event.target instanceof HTMLMediaElement) return;
    if (event.key === "ArrowLeft") this.step(-1);
    else if (event.key === "ArrowRight") this.step(1);
  }

  /** Say why a file cannot be shown; one that is there is tried again, and what is only strange to the browser stays small. */
  async explain(stage, address, isAgain = false) {
    const problem = await reach(address).catch((error) => error);
    if (!stage.isConnected) return;
    if (!problem && !isAgain) {
      stage.replaceChildren(stageOf(this.hit, () => this.explain(stage, address, true))); // a key may have been given
      return;
    }
    const reason = problem?.message ?? "This browser cannot show this format. Download the file to see all of it.";
    const small = !problem && this.hit.thumbnail ? make("img", { src: this.hit.thumbnail, alt: this.hit.name }) : "";
    stage.replaceChildren(small, make("p", { class: "cannot", role: "alert" }, small ? "" : icon("warning"), reason));
    stage.classList.toggle("short", Boolean(small));
  }
}
