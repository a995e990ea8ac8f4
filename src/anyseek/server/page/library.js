/** The panel of the library: what it holds, how far indexing is, what failed, and files that are added. */

import { ask } from "./api.js";
import { button, byId, closeBeside, icon, iconButton, keepingFocus, make } from "./dom.js";
import { KINDS, bytes, count, duration, plural } from "./format.js";
import { Uploads } from "./uploads.js";

const BUSY = 700;
const SHOWN = 100;

export class LibraryPanel {
  /**
   * @param {import("./keys.js").Session} session
   * @param {(library: object | null, problem: Error | null) => void} changed told whenever the library is.
   */
  constructor(session, changed) {
    [this.session, this.changed] = [session, changed];
    [this.dialog, this.status] = [byId("library"), byId("status")];
    [this.library, this.timer] = [null, 0];
    this.body = make("div", { class: "drawer-body", tabIndex: -1 });
    this.failed = make("div", {});
    this.refused = make("p", { class: "wrong", role: "alert" });
    this.uploads = new Uploads(() => this.refresh());
    this.status.addEventListener("click", () => this.open());
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
    this.dialog.addEventListener("close", () => {
      const isLost = document.activeElement === document.body || this.dialog.contains(document.activeElement);
      if (isLost) this.status.focus(); // what had it before is there no more
    });
    closeBeside(this.dialog);
  }

  /** Ask how the library is; again soon while it is being indexed, and at the end of that, what failed. */
  async refresh() {
    clearTimeout(this.timer);
    let library;
    try {
      library = await ask("GET", "/v1/library");
    } catch (error) {
      this.problem(error);
      return;
    }
    if (this.isHeld()) {
      this.timer = setTimeout(() => this.refresh(), BUSY);
      return;
    }
    const hasEnded = isBusy(this.library?.job) && !isBusy(library.job);
    this.library = library;
    this.show();
    if (isBusy(library.job)) this.timer = setTimeout(() => this.refresh(), BUSY);
    if (hasEnded && this.dialog.open) await this.listFailures();
  }

  /** Whether something there is pressed or selected, which could not be if it were replaced. */
  isHeld() {
    const selected = getSelection();
    return this.body.matches(":active") || (!selected.isCollapsed && this.body.contains(selected.anchorNode));
  }

  /** Say that there is no library, or try again when that may help. */
  problem(error) {
    if (error.passes || error.status === 0) {
      this.timer = setTimeout(() => this.refresh(), 1000 * (error.retryAfter ?? 3));
    }
    this.changed(this.library, error);
  }

  /** Open the panel. */
  open() {
    if (!this.dialog.open) this.dialog.showModal();
    this.show();
    this.refresh().then(() => this.listFailures());
  }

  /** Add files, and show how that goes. */
  add(files) {
    if (!this.dialog.open) this.open();
    return this.uploads.add(files);
  }

  /** Show what is known. */
  show() {
    const { library } = this;
    if (!library) return;
    this.changed(library, null);
    this.button();
    if (!this.dialog.open) return;
    const head = make("header", {}, make("h2", { id: "library-name", text: "Library" }), iconButton("close", "Close", () => this.dialog.close()));
    if (!this.body.isConnected) this.dialog.replaceChildren(head, this.body);
    keepingFocus(this.body, () => this.body.replaceChildren(...this.parts(library)));
  }

  /** The button in the corner of the page. */
  button() {
    const { files, failed, job } = this.library;
    const text = isBusy(job) ? `${Math.floor(100 * done(job))} %` : plural(files, "file");
    const mark = isBusy(job) ? make("span", { class: "turning", "aria-hidden": "true" }) : icon("library");
    this.status.replaceChildren(mark, make("span", { text }), failed ? make("span", { class: "failing", text: count(failed), title: `${plural(failed, "file")} failed` }) : "");
    this.status.setAttribute("aria-label", `Library: ${isBusy(job) ? `indexing, ${text}` : text}${failed ? `, ${count(failed)} failed` : ""}`);
    this.status.hidden = false;
  }

  /** The sections of the panel. */
  parts(library) {
    const counts = KINDS.map(({ kind, part }) => tile(library.things[kind] ?? 0, part, kind));
    const folders = library.folders.map((folder) => make("li", {}, make("span", { text: folder.name, dir: "auto" }), make("span", { text: plural(folder.files, "file") })));
    return [
      this.refused,
      make("div", { class: "tiles" }, ...counts),
      make("section", {}, ...this.job(library)),
      this.session.mayWrite && this.uploads.section(),
      this.failed,
      make("section", {}, make("h3", { text: "Folders" }), make("ul", { class: "rows" }, ...folders)),
      make("section", {}, make("h3", { text: "How it is searched" }), facts({ ...library.settings, ...library.recall, size: bytes(library.bytes) })),
      this.session.told.keys && button("Sign out", () => this.session.end()),
    ].filter(Boolean);
  }

  /** How far indexing is, and the buttons for it. */
  job({ job }) {
    const heading = make("h3", { text: "Index" });
    const act = (method, body) => () => this.act(method, body);
    if (isBusy(job)) {
      return [heading, progressOf(job), this.session.mayWrite && button("Stop", act("DELETE"))].filter(Boolean);
    }
    const ended = { failed: job?.error ?? "", stopped: "It was stopped; updating goes on where it was.", done: "Up to date." };
    const told = make("p", { class: job?.state === "failed" ? "wrong" : "quiet", text: ended[job?.state] ?? "" });
    return [heading, told, this.session.mayWrite && button("Update now", act("POST", { retry: false }))].filter(Boolean);
  }

  /** Start or stop indexing. */
  async act(method, body) {
    this.refused.textContent = "";
    try {
      const job = await ask(method, "/v1/library/index", { body });
      if (job?.state) this.library = { ...this.library, job };
      this.show();
      await this.refresh();
    } catch (error) {
      this.refused.textContent = error.message;
    }
  }

  /** Learn which files failed, and why. */
  async listFailures() {
    if (!this.library?.failed) {
      this.fail();
      return;
    }
    let answer;
    try {
      answer = await ask("GET", `/v1/library/files?state=failed&limit=${SHOWN}`);
    } catch (error) {
      this.fail(make("p", { class: "wrong", text: `Which files failed cannot be shown. ${error.message}` }));
      return;
    }
    const { data, has_more: hasMore } = answer;
    const rows = data.map((file) => make("li", {}, make("strong", { text: file.path, dir: "auto" }), make("span", { text: file.reason ?? "", dir: "auto" })));
    this.fail(
      make("section", { class: "failures" },
        make("h3", {}, icon("warning"), `${plural(this.library.failed, "file")} failed`),
        make("ul", { class: "reasons" }, ...rows),
        hasMore ? make("p", { class: "quiet", text: `The first ${SHOWN} are shown.` }) : "",
        this.session.mayWrite ? button("Try them again", () => this.act("POST", { retry: true })) : ""),
    );
  }

  /** Show what failed, or nothing. */
  fail(...sections) {
    keepingFocus(this.body, () => this.failed.replaceChildren(...sections));
  }
}

/** Whether files are being read. */
export const isBusy = (job) => job?.state === "running";

/** Whether there is nothing to find. */
export const isEmpty = (library) => !Object.values(library.things).some(Boolean);

/** How much of a run is done, 0 to 1. */
const done = (job) => (job.files_total ? Math.min(1, job.files_done / job.files_total) : 0);

/** A run in words and as a bar. */
export function progressOf(job) {
  const left = typeof job.seconds_left === "number" ? `, about ${duration(job.seconds_left)} left` : "";
  const text = job.files_total ? `${count(job.files_done)} of ${plural(job.files_total, "file")}${left}` : "Looking for files";
  const bar = make("progress", { max: 1, "aria-label": "Indexing" });
  if (job.files_total) bar.value = done(job);
  return make("div", { class: "progress" }, bar, make("p", { text }), make("p", { class: "quiet", text: job.current ?? "", dir: "auto" }));
}

/** A number with what it counts. */
const tile = (number, part, kind) =>
  make("div", { class: "tile" }, icon(kind), make("strong", { text: count(number) }), make("span", { text: number === 1 ? part : `${part}s` }));

/** Names and values. */
function facts(told) {
  const plain = Object.entries(told).filter(([, value]) => value !== null && typeof value !== "object" && value !== "");
  return make("dl", {}, ...plain.flatMap(([name, value]) => [make("dt", { text: name.replaceAll("_", " ") }), make("dd", { text: String(value) })]));
}
