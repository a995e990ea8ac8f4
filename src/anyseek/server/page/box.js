/** The search box: words, a picture, examples of what is and is not sought. */

import { ask, thing } from "./api.js";
import { byId, icon, iconButton, isComposing, make } from "./dom.js";
import { count } from "./format.js";
import { readPicture, shown } from "./pictures.js";
import { NOTHING } from "./state.js";

const MOST = 4000;
const NARROW = matchMedia("(max-width: 36rem)");
const things = new Map();

export class Box {
  /**
   * @param {() => object} state what is asked now.
   * @param {(change: object) => void} go asks something else.
   * @param {{complain: (message: string) => void, tell: (message: string) => void}} say a fault, or what is being done.
   */
  constructor(state, go, say) {
    [this.state, this.go, this.say] = [state, go, say];
    this.turn = 0; // of pictures: one that was read while something later was asked is left
    [this.form, this.input, this.chips] = [byId("box"), byId("query"), byId("chips")];
    this.preview = null;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.input.addEventListener("input", () => {
      this.input.setCustomValidity(this.words().length > MOST ? `Shorten this: at most ${count(MOST)} characters can be sought.` : "");
      this.showClear();
    });
    this.input.addEventListener("keydown", (event) => this.keyed(event));
    byId("clear").addEventListener("click", () => {
      this.turn += 1;
      this.go({ ...NOTHING });
      this.focus();
    });
    byId("pick").addEventListener("click", () => byId("picture").click());
    byId("picture").addEventListener("change", (event) => {
      const [file] = event.target.files;
      event.target.value = "";
      if (file) this.take(file);
    });
  }

  /** Ask for what stands in the box; words take the place of a thing that likes were sought of. */
  submit() {
    const q = this.words();
    this.turn += 1;
    this.go({ q, all: false, ...(q ? { like: "" } : {}) });
    if (matchMedia("(pointer: coarse)").matches) this.input.blur(); // which puts the keyboard away
  }

  /** What is written in it. */
  words() {
    return this.input.value.trim();
  }

  /** Search with a picture, and with the words that stand there. */
  async take(file) {
    const turn = (this.turn += 1);
    this.say.tell("Reading the picture");
    try {
      const picture = await readPicture(file);
      if (turn === this.turn) this.go({ picture, like: "", all: false });
    } catch (error) {
      if (turn !== this.turn) return;
      this.say.tell("");
      this.say.complain(error.message);
    }
  }

  /** Put the cursor into the box. */
  focus() {
    this.input.focus();
    this.input.select();
  }

  /** Show what is asked. */
  show(state) {
    if (this.input.value.trim() !== state.q) this.input.value = state.q;
    if (this.preview) URL.revokeObjectURL(this.preview);
    this.preview = state.picture ? shown(state.picture) : null;
    const chips = [];
    if (this.preview) chips.push(this.chip(this.preview, "Your picture", "Remove the picture", { picture: null }));
    if (state.like) chips.push(this.example(state.like, "Like", { like: "" }));
    for (const id of state.unlike) {
      chips.push(this.example(id, "Not like", { unlike: state.unlike.filter((one) => one !== id) }));
    }
    this.chips.replaceChildren(...chips);
    this.input.placeholder = state.like ? "Or describe it" : state.picture ? "Add words" : NARROW.matches ? "Describe it" : "Describe it, or drop a picture";
    this.showClear();
  }

  /** A thing of the library as an example. */
  example(id, how, without) {
    const made = this.chip(null, `${how} …`, `Remove the example: ${how}`, without, how === "Not like");
    toldOf(id).then(({ name, thumbnail }) => {
      made.firstElementChild.replaceWith(face(thumbnail));
      made.querySelector(".chip-name").textContent = `${how} ${name}`;
      made.querySelector("button").setAttribute("aria-label", `Remove the example: ${how} ${name}`);
    });
    return made;
  }

  /** A small picture with a name, which can be taken away. */
  chip(source, name, label, without, minus = false) {
    return make(
      "li",
      { class: minus ? "chip minus" : "chip" },
      face(source),
      make("span", { class: "chip-name", text: name, dir: "auto" }),
      iconButton("close", label, () => {
        this.go({ ...without, all: false });
        this.focus();
      }),
    );
  }

  /** Backspace in an empty box takes the last example away. */
  keyed(event) {
    if (isComposing(event) || event.key !== "Backspace" || this.input.value || event.repeat) return;
    this.chips.lastElementChild?.querySelector("button")?.click();
  }

  /** Show the button that clears when there is something to clear. */
  showClear() {
    byId("clear").hidden = !this.input.value && !this.chips.childElementCount;
  }
}

/** A small picture; a sign for what has none. */
function face(source) {
  if (!source) return icon("text");
  const image = make("img", { src: source, alt: "", on: { error: () => image.replaceWith(icon("text")) } });
  return image;
}

/** What is known of a thing. */
function toldOf(id) {
  const unknown = () => {
    things.delete(id); // it may be there, and only the server away
    return { name: "something that is gone", thumbnail: null };
  };
  if (!things.has(id)) things.set(id, ask("GET", thing(id)).catch(unknown));
  return things.get(id);
}
