/** What a viewer shows of a thing, by its kind. */

import { ask, thing } from "./api.js";
import { keepsStill, make } from "./dom.js";

const WIDTH = 1600;

/**
 * A thing in full.
 * @param {object} hit
 * @param {(address: string) => void} failed told the address that could not be shown.
 */
export function stageOf(hit, failed) {
  if (hit.kind === "video") return film(hit, failed);
  return hit.kind === "text" ? passage(hit) : picture(hit, failed);
}

/** A passage: the piece that was found at once, the whole of it as soon as it is there. */
function passage(hit) {
  const whole = make("div", { class: "passage", tabIndex: 0, dir: "auto", text: hit.text ?? "" });
  ask("GET", thing(hit.id)).then((told) => (whole.textContent = told.text ?? ""), () => undefined);
  return whole;
}

/** A picture or a page: the thumbnail at once, sharp as soon as it is there. */
function picture(hit, failed) {
  const drawn = `${thing(hit.id, "page")}?width=${WIDTH}`;
  const ways = hit.kind === "page" ? [drawn] : [hit.content, drawn]; // TIFF and others that browsers do not show
  const image = make("img", { src: hit.thumbnail ?? "", alt: described(hit), class: "coming" });
  const attempt = (number) => {
    if (number === ways.length) {
      failed(ways[0]);
      return;
    }
    const sharp = new Image();
    sharp.addEventListener("load", () => {
      image.src = sharp.src;
      image.classList.remove("coming");
    });
    sharp.addEventListener("error", () => attempt(number + 1));
    sharp.src = ways[number];
  };
  attempt(0);
  return image;
}

/** A film that begins at its moment; it starts by itself unless things should keep still. */
function film(hit, failed) {
  const start = hit.start ?? 0;
  const video = make("video", { controls: true, playsInline: true, preload: "auto", poster: hit.thumbnail ?? "" });
  video.setAttribute("aria-label", described(hit));
  video.addEventListener("loadedmetadata", () => {
    video.currentTime = start;
    if (!keepsStill()) video.play().catch(() => undefined); // a browser may want another click first
  }, { once: true });
  video.addEventListener("error", () => failed(hit.content));
  video.src = hit.content;
  return video;
}

/** What a picture is, for those who do not see it. */
const described = (hit) => (hit.kind === "page" ? `Page ${hit.page} of ${hit.name}` : hit.name);
