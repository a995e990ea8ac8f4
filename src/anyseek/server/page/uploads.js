/** Files that are added to the library, one after the other, each with what came of it. */

import { ask } from "./api.js";
import { button, icon, make } from "./dom.js";
import { bytes } from "./format.js";

export class Uploads {
  /** @param {() => Promise<void>} added told after each file. */
  constructor(added) {
    this.added = added;
    this.list = make("ul", { class: "reasons", "aria-live": "polite" });
    this.queue = Promise.resolve();
    this.input = make("input", { type: "file", multiple: true, hidden: true, on: { change: () => this.chosen() } });
    const choose = button("Choose files", () => this.input.click());
    this.zone = make("div", { class: "zone small", data: { drop: "add" } }, icon("up"), make("p", {}, "Drop files here to add them, or "), choose, this.input);
    this.whole = make("section", {}, make("h3", { text: "Add files" }), this.zone, this.list);
  }

  /** The section of the panel. */
  section() {
    return this.whole;
  }

  /** Send files, one at a time. */
  add(files) {
    for (const file of files) {
      const told = make("span", { text: `${bytes(file.size)}, waiting` });
      this.list.prepend(make("li", {}, make("strong", { text: file.name, dir: "auto" }), told));
      this.queue = this.queue.then(() => this.send(file, told));
    }
    return this.queue;
  }

  /** Send a file, and say what came of it. */
  async send(file, told) {
    told.textContent = "being read …";
    try {
      await readable(file);
      const headers = { "Content-Type": "application/octet-stream" };
      const made = await ask("POST", `/v1/library/files?name=${encodeURIComponent(file.name)}`, { raw: file, headers });
      told.textContent = `added as ${made.path}`;
      told.className = "well";
    } catch (error) {
      told.textContent = error.message;
      told.className = "wrong";
    }
    await this.added();
  }

  /** Files were chosen by hand. */
  chosen() {
    const files = [...this.input.files];
    this.input.value = "";
    this.add(files);
  }
}

/** Whether a file can be read at all: sent, a folder would look like a server that does not answer. */
async function readable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Error("This is a folder, or cannot be read. Give folders to the server when you start it.");
  }
}
