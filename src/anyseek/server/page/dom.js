/** Elements made in code. Text always becomes a text node: nothing from a file or a name is ever read as HTML. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element.
 * @param {string} tag
 * @param {Record<string, unknown>} [props] `class`, `text`, `on` (listeners by event), `data` (data-*); what is `aria-*`,
 *   `role` or unknown to the element becomes an attribute, everything else a property; null and undefined are left out.
 * @param {...(Node | string | null | undefined | false)} children
 */
export function make(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined) continue;
    if (name === "class") node.className = String(value);
    else if (name === "text") node.textContent = String(value);
    else if (name === "on") for (const [event, heard] of Object.entries(value)) node.addEventListener(event, heard);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name.includes("-") || !(name in node)) node.setAttribute(name, String(value));
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A picture from the sprite of the page, said to nobody. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A button with a picture and a name that is read out and shown on hover. */
export function iconButton(name, label, click, props = {}) {
  const { class: kind = "bare", ...more } = props;
  return make("button", { type: "button", class: kind, "aria-label": label, title: label, on: { click }, ...more }, icon(name));
}

/** A button with words. */
export function button(text, click, props = {}) {
  return make("button", { type: "button", class: "plain", on: { click }, ...props }, text);
}

/** The element with an id, which must be there. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** Whether somebody is writing there, so that a key is not a command. */
export function isWriting(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input, select, textarea"));
}

/** Whether things should keep still. */
export function keepsStill() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Whether a key is part of writing a character of a language that has more of them than keys, and so no command. */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

/** Whether a key or a click comes with another key, and so means something to the browser. */
export const isModified = (event) => event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;

/** The second click of two is not for what lies beneath a dialog that the first one closed, nor for one that it opened. */
export function keepClicksTogether() {
  let first = null;
  document.addEventListener("click", (event) => {
    const place = event.target.closest("dialog");
    if (event.detail > 1 && place !== first) {
      event.preventDefault();
      event.stopPropagation();
    } else first = place;
  }, true);
}

/** Close a dialog by a click beside it; one that begins inside, as when words are selected, is none. */
export function closeBeside(dialog, close = () => dialog.close()) {
  let pressed = null;
  dialog.addEventListener("wheel", (event) => event.target === dialog && event.preventDefault(), { passive: false }); // or what is behind it moves
  dialog.addEventListener("pointerdown", (event) => (pressed = event.target));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog && pressed === dialog) close();
  });
}

/** Replace what a place holds; the focus stays on what has the same name, or else goes to what is to have it then. */
export function keepingFocus(place, replace, otherwise = () => place) {
  const held = place.contains(document.activeElement) ? document.activeElement : null;
  const top = place.scrollTop;
  replace();
  place.scrollTop = top;
  if (!held || held === document.activeElement) return;
  const same = [...place.querySelectorAll("a, button:enabled")].find((one) => nameOf(one) === nameOf(held));
  (held.isConnected ? held : (same ?? otherwise())).focus({ preventScroll: true });
}

/** What a button or a link is called. */
const nameOf = (one) => one.getAttribute("aria-label") ?? one.textContent;
