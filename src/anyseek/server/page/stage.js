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
  image.addEventListener("click", magnify);
  return image;
}

/** Show a picture as large as it is, from where it was clicked, or all of it again. */
function magnify({ currentTarget: image, offsetX, offsetY }) {
  const stage = image.parentElement;
  const [x, y] = [offsetX / image.clientWidth, offsetY / image.clientHeight];
  stage.classList.toggle("near");
  stage.scrollTo(x * stage.scrollWidth - stage.clientWidth / 2, y * stage.scrollHeight - stage.clientHeight / 2);
}

/** A film that begins at its moment; it starts by itself unless things should keep still. */
function film(hit, failed) {
  const video = make("video", { controls: true, playsInline: true, preload: "auto", poster: hit.thumbnail ?? "" });
  video.setAttribute("aria-label", described(hit));
  playFrom(video, hit.start ?? 0);
  video.addEventListener("error", () => failed(hit.content));
  video.src = hit.content;
  return video;
}

/** Go to a moment of a film, and play unless things should keep still. */
export function playFrom(video, start) {
  if (video.readyState === HTMLMediaElement.HAVE_NOTHING) {
    video.addEventListener("loadedmetadata", () => playFrom(video, start), { once: true });
    return;
  }
  video.currentTime = start;
  if (!keepsStill()) video.play().catch(() => undefined); // a browser may want another click first
}

/** What a picture is, for those who do not see it. */
const described = (hit) => (hit.kind === "page" ? `Page ${hit.page} of ${hit.name}` : hit.name);
