/** Numbers, times and places as people read them. */

/** Kinds of hits, and what the library counts of each: a film or a text is several things. */
export const KINDS = [
  { kind: "image", one: "picture", title: "Pictures", part: "picture" },
  { kind: "page", one: "page", title: "Pages", part: "page" },
  { kind: "text", one: "text", title: "Texts", part: "passage" },
  { kind: "video", one: "video", title: "Videos", part: "film part" },
];

const whole = new Intl.NumberFormat("en");

/** 12,345. */
export const count = (number) => whole.format(number);

/** "1 file", "12,345 files". */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** What one thing of a kind is called. */
export const kindOf = (kind) => KINDS.find((entry) => entry.kind === kind)?.one ?? kind;

/** A moment of a film: 0:07, 1:02:03. */
export function moment(seconds) {
  const all = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(all / 3600), Math.floor((all % 3600) / 60), all % 60];
  const tail = String(rest).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** Where in its file a thing is: "page 3", "0:02–0:05"; nothing for a picture or a text. */
export function place(thing) {
  if (thing.kind === "page" && thing.page) return `page ${thing.page}`;
  if (thing.kind !== "video" || thing.start === null || thing.start === undefined) return "";
  const from = moment(thing.start);
  const to = thing.end === null || thing.end === undefined ? from : moment(Math.max(thing.end, thing.start));
  return from === to ? from : `${from}–${to}`;
}

/** The folder of a path, without the name. */
export const folderOf = (hit) => [hit.folder, ...hit.path.split("/").slice(0, -1)].filter(Boolean).join(" / ");

/** 0.87; what is above 0.995 is still 1.00. */
export const score = (value) => Math.max(0, Math.min(1, value)).toFixed(2);

/** 3.4 MB. */
export function bytes(number) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  let left = number;
  while (left >= 1000 && step < units.length - 1) {
    left /= 1000;
    step += 1;
  }
  return `${step && left < 10 ? left.toFixed(1) : Math.round(left)} ${units[step]}`;
}

/** About how long: "a few seconds", "40 seconds", "12 minutes", "3 hours". */
export function duration(seconds) {
  if (seconds < 5) return "a few seconds";
  if (seconds < 90) return `${Math.round(seconds / 5) * 5} seconds`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} minutes`;
  return `${Math.round(seconds / 3600)} hours`;
}

/** How long a search took. */
export const took = (seconds) => (seconds < 0.01 ? "less than 0.01 s" : `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`);
