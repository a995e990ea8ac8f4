/** Pictures that are searched with: made smaller where they are large, and kept as data URIs. */

const SIDE = 1280;
const BYTES = 600_000;
const MOST_BYTES = 20_000_000;
const NEWER = /\.(avif|hei[cf]|jxl|webp)$/i;

/**
 * A file as a data URI. A large picture is made smaller first: models look at less than that anyway.
 * @param {Blob} file
 * @returns {Promise<string>}
 */
export async function readPicture(file) {
  const smaller = await shrunk(file);
  if (smaller.size > MOST_BYTES) throw new Error("This picture is too large. Make it smaller than 20 MB.");
  return await dataUri(smaller);
}

/** The pictures among what was dropped or pasted; some systems do not know what newer ones are. */
export const picturesIn = (files) => [...files].filter((file) => file.type.startsWith("image/") || (!file.type && NEWER.test(file.name)));

/** An address by which the page can show a data URI; `data:` itself is not allowed here. */
export function shown(uri) {
  const [head, data] = uri.split(",", 2);
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: head.slice(5).split(";")[0] }));
}

/** A picture of at most `SIDE` pixels; what is small, or what the browser cannot decode, as it is. */
async function shrunk(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return file; // the server knows more formats
  }
  const scale = SIDE / Math.max(bitmap.width, bitmap.height);
  if (scale >= 1 && file.size <= BYTES) return file;
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * Math.min(1, scale)));
  canvas.height = Math.max(1, Math.round(bitmap.height * Math.min(1, scale)));
  const drawing = canvas.getContext("2d");
  drawing.imageSmoothingQuality = "high";
  drawing.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const made = await new Promise((done) => canvas.toBlob(done, "image/webp", 0.9));
  return made ?? file;
}

/** Bytes as a data URI. */
function dataUri(blob) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(String(reader.result));
    reader.onerror = () => failed(new Error("This file cannot be read."));
    reader.readAsDataURL(blob);
  });
}
