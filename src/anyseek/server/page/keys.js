/** The dialog that asks for a key, and the session that it opens. */

import { ApiError, ask, onLocked } from "./api.js";
import { byId, make } from "./dom.js";

const UNKNOWN = "This key is not known here.";
const FOREIGN = /[^\x21-\x7e]/; // no key has such a character, and no header can

/** What the page may do: `{keys: boolean, role: string | null}`. */
export class Session {
  /** @param {() => void} opened told whenever a key was given. */
  constructor(opened) {
    this.opened = opened;
    this.dialog = byId("key");
    this.told = { keys: false, role: null };
    this.asking = null;
    this.left = false; // so that what runs by itself does not ask again for a key that nobody gave
    for (const kind of ["keydown", "pointerdown"]) document.addEventListener(kind, () => (this.left = false), true);
    onLocked(() => this.unlock());
  }

  /** Learn from the server; ask for a key when it wants one. */
  async begin() {
    this.told = await ask("GET", "/v1/session");
    if (this.told.keys && !this.told.role) await this.unlock();
  }

  /** Whether files may be added and indexing be started. */
  get mayWrite() {
    return !this.told.keys || this.told.role === "write" || this.told.role === "admin";
  }

  /** End the session. */
  async end() {
    await ask("DELETE", "/v1/session");
    location.assign("/");
  }

  /** Ask for a key, once for all who wait; true when one was given. */
  async unlock() {
    if (this.left) return false;
    this.asking ??= this.dialogue().then((isGiven) => {
      [this.asking, this.left] = [null, !isGiven];
      if (isGiven) this.opened();
      return isGiven;
    });
    return this.asking;
  }

  /** Show the dialog until a key fits or it is left. */
  dialogue() {
    return new Promise((done) => {
      const wrong = make("p", { class: "wrong", role: "alert" });
      const field = make("input", { type: "password", autocomplete: "current-password", required: true, spellcheck: false });
      const submit = async (event) => {
        event.preventDefault();
        const key = field.value.trim();
        wrong.textContent = ""; // so that the same words are told again
        try {
          if (FOREIGN.test(key)) throw new ApiError(401, UNKNOWN);
          await ask("POST", "/v1/session", { headers: { Authorization: `Bearer ${key}` } });
          this.told = await ask("GET", "/v1/session");
          this.dialog.close("given");
        } catch (error) {
          wrong.textContent = error.status === 401 ? UNKNOWN : error.message;
          field.select();
        }
      };
      this.dialog.replaceChildren(
        make("form", { on: { submit } },
          make("h2", { id: "key-name", text: "This library is locked" }),
          make("p", { text: "Enter a key of this server. It is not kept in the browser: it opens a session that ends by itself." }),
          make("label", { class: "field" }, "Key", field),
          wrong,
          make("button", { class: "main", type: "submit", text: "Open" })),
      );
      this.dialog.returnValue = "";
      this.dialog.addEventListener("close", () => {
        this.dialog.replaceChildren();
        done(this.dialog.returnValue === "given");
      }, { once: true });
      if (!this.dialog.open) this.dialog.showModal();
      field.focus();
    });
  }
}
