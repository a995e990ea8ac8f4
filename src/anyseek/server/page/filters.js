/** What counts and how it is asked: kinds, places, days, pages, sizes, tags, and a second reading. */

import { button, byId, icon, iconButton, make } from "./dom.js";
import { KINDS } from "./format.js";
import { isEmpty } from "./library.js";
import { MANNER, NARROWING, NOTHING } from "./state.js";

const TITLES = {
  path: "Path",
  folder: "Folder",
  tags: "Tags",
  after: "Since",
  before: "Before",
  pages: "Pages",
  larger: "Over",
  smaller: "Under",
};
const USUAL_WEIGHT = "0.3";
const UNITS = { larger: " MB", smaller: " MB" };

export class Filters {
  /**
   * @param {() => object} state what is asked now.
   * @param {(change: object) => void} go asks something else.
   */
  constructor(state, go) {
    [this.state, this.go] = [state, go];
    this.place = byId("filters");
    this.folders = [];
    this.kinds = KINDS.map((entry) => this.kind(entry));
    const props = { class: "pill", "aria-expanded": "false", "aria-controls": "more-filters" };
    this.number = make("span", { class: "count" });
    this.toggle = button("Filters", () => this.open(this.panel.hidden), props);
    this.toggle.prepend(icon("filter"));
    this.toggle.append(this.number);
    this.active = make("span", { class: "active" });
    this.panel = make("form", { class: "panel", id: "more-filters", hidden: true, on: { submit: (event) => event.preventDefault() } });
    this.place.replaceChildren(make("div", { class: "row" }, ...this.kinds, this.toggle), this.active, this.panel);
    this.panel.addEventListener("change", ({ target }) => {
      this.compare("after", "before", "This day must come before the other.", "This day must come after the other.", target);
      this.compare("larger", "smaller", "This must be less than the other.", "This must be more than the other.", target);
      target.reportValidity();
      this.go({ ...this.written(), all: false });
    });
    this.panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.open(false);
      this.toggle.focus();
    });
    this.build();
  }

  /** Learn what the library has; where there is none, or nothing in it, there is nothing to filter. */
  learn(library, problem) {
    this.place.hidden = library ? isEmpty(library) : problem?.status === 404;
    if (!library) return;
    const folders = library.folders.map((folder) => folder.name);
    if (folders.join("\n") === this.folders.join("\n")) return;
    this.folders = folders;
    this.build();
  }

  /** Show what is asked. */
  show(state) {
    for (const pill of this.kinds) pill.setAttribute("aria-pressed", String(state.kinds.includes(pill.dataset.kind)));
    for (const field of this.panel.elements) {
      if (!field.name || !field.checkValidity()) continue; // what is to be written rightly yet stays
      if (field.type === "checkbox") field.checked = state[field.name];
      else if (field.type === "range") field.value = state.words || USUAL_WEIGHT;
      else field.value = String(state[field.name]);
    }
    this.weight.value = state.words || USUAL_WEIGHT;
    const isSet = (name) => state[name] !== NOTHING[name];
    this.active.replaceChildren(...NARROWING.filter(isSet).map((name) => this.chip(name, state[name])));
    this.number.textContent = [...NARROWING, ...MANNER].filter(isSet).length || "";
  }

  /** Show or hide the panel. */
  open(isOpen) {
    this.panel.hidden = !isOpen;
    this.toggle.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) this.panel.elements[0].focus();
  }

  /** What stands in the panel. */
  written() {
    const change = {};
    for (const field of this.panel.elements) {
      if (!field.name || !field.checkValidity()) continue;
      if (field.type === "checkbox") change[field.name] = field.checked;
      else if (field.name === "top") change.top = Number(field.value) || this.state().top; // an address may have any number
      else if (field.name === "words") change.words = field.value === USUAL_WEIGHT ? "" : field.value;
      else change[field.name] = field.value;
    }
    return change;
  }

  /** Find fault with the one of two fields that was written last, while the first does not come before the second. */
  compare(low, high, tooHigh, tooLow, written) {
    const [from, to] = [this.panel.elements[low], this.panel.elements[high]];
    const worth = (field) => (field.type === "number" ? field.valueAsNumber : field.value);
    const isWrong = from.value && to.value && worth(from) >= worth(to);
    from.setCustomValidity(isWrong && written !== to ? tooHigh : "");
    to.setCustomValidity(isWrong && written === to ? tooLow : "");
  }

  /** A kind that can be pressed. */
  kind({ kind, title }) {
    const press = () => {
      const { kinds } = this.state();
      this.go({ kinds: kinds.includes(kind) ? kinds.filter((one) => one !== kind) : [...kinds, kind], all: false });
    };
    const pill = make("button", { type: "button", class: "pill", "aria-pressed": "false", data: { kind }, on: { click: press } });
    pill.append(icon(kind), make("span", { text: title }));
    return pill;
  }

  /** A filter that is set, and can be taken away. */
  chip(name, value) {
    const text = `${TITLES[name]} ${value}${UNITS[name] ?? ""}`;
    const remove = () => {
      this.go({ [name]: NOTHING[name], all: false });
      this.toggle.focus();
    };
    return make("span", { class: "chip" }, make("span", { class: "chip-name", text }), iconButton("close", `Remove the filter: ${text}`, remove));
  }

  /** The fields of the panel. */
  build() {
    const folders = ["", ...this.folders].map((name) => make("option", { value: name, text: name || "All folders" }));
    const tops = [10, 20, 50, 100, 200].map((number) => make("option", { value: String(number), text: String(number) }));
    const words = { name: "words", type: "range", min: "0", max: "1", step: "0.1", on: { input: ({ target }) => (this.weight.value = target.value) } };
    this.weight = make("output", {});
    const range = make("label", { class: "field" }, "Weight of exact words", make("input", words), this.weight);
    const check = make("label", { class: "check" }, make("input", { name: "rerank", type: "checkbox" }), "Read the best closely");
    const clear = button("Clear filters", () => {
      this.panel.reset();
      for (const field of this.panel.elements) field.setCustomValidity("");
      this.go(Object.fromEntries([...NARROWING, ...MANNER, "kinds"].map((name) => [name, NOTHING[name]])));
    });
    this.panel.replaceChildren(
      field("Path", { name: "path", type: "text", placeholder: "reports, or scans/**/*.pdf", spellcheck: false }),
      ...(this.folders.length > 1 ? [make("label", { class: "field" }, "Folder", make("select", { name: "folder" }, ...folders))] : []),
      field("Tags, with commas", { name: "tags", type: "text", placeholder: "holiday, 2026" }),
      field("Changed since", { name: "after", type: "date" }),
      field("Changed before", { name: "before", type: "date" }),
      field("Pages", { name: "pages", type: "text", placeholder: "3, or 2-5", pattern: "\\s*[1-9]\\d*\\s*([\\-–]\\s*[1-9]\\d*\\s*)?", title: "A page, or the first and the last: 2-5" }),
      field("Larger than, MB", { name: "larger", type: "number", min: "0", step: "any" }),
      field("Smaller than, MB", { name: "smaller", type: "number", min: "0", step: "any" }),
      make("label", { class: "field" }, "Results", make("select", { name: "top" }, ...tops)),
      range,
      check,
      clear,
    );
    this.show(this.state());
  }
}

/** A field with its name. */
function field(label, props) {
  return make("label", { class: "field" }, label, make("input", { autocomplete: "off", ...props }));
}
