/** The public API, and nothing else: JSON, events of a search, and errors in one shape. */

/** What went wrong, in the server's words. */
export class ApiError extends Error {
  constructor(status, message, retryAfter = null) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may be answered in a while. */
  get passes() {
    return this.status === 429 || this.status === 503;
  }
}

/** What a search that has begun to answer can end with, where before that it would have been a 503. */
const PASSING = new Set(["queue_full", "not_ready", "shutting_down"]);

let askForKey = async () => false;

/** Say who asks for a key when the server wants one; the answer is whether one was given. */
export function onLocked(ask) {
  askForKey = ask;
}

/** The parsed answer of an endpoint. */
export async function ask(method, path, { body, headers, raw } = {}) {
  const answer = await answered(method, path, { body, headers, raw });
  return answer.status === 204 ? null : answer.json().catch(broken);
}

/** Learn whether a file can be had, without the whole of it; the error says why not. */
export async function reach(path) {
  await answered("GET", path, { headers: { Range: "bytes=0-0" } });
}

/** Which address a thing has. */
export const thing = (id, part = "") => `/v1/library/things/${encodeURIComponent(id)}${part ? `/${part}` : ""}`;

/**
 * The events of a search, in order: `first`, `progress`, `final`.
 * @returns {AsyncGenerator<{event: string, data: any}>}
 */
export async function* search(body, signal) {
  const answer = await answered("POST", "/v1/search", { body: { ...body, stream: true }, signal });
  for await (const { event, data } of events(answer.body)) {
    if (event === "error") throw new ApiError(PASSING.has(data.error.code) ? 503 : 500, data.error.message);
    yield { event, data };
    if (event === "final") return;
  }
  broken();
}

/** Events of a stream in the form of server-sent events. */
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  while (true) {
    const { value, done } = await reader.read().catch(broken);
    if (done) return;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const found = parsed(block);
      if (found) yield found;
    }
  }
}

/** Say that an answer is not whole, unless it was left. */
function broken(error) {
  if (error?.name === "AbortError") throw error;
  throw new ApiError(0, "The answer ended too early. Ask again.");
}

/** One event; null for a comment that only keeps the connection open. */
function parsed(block) {
  let event = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  return data.length ? { event, data: JSON.parse(data.join("\n")) } : null;
}

/** An answer that is well; asks for a key once where one is needed. */
async function answered(method, path, { body, signal, headers = {}, raw }, again = true) {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      headers: { ...json, ...headers },
      body: raw ?? (body === undefined ? undefined : JSON.stringify(body)),
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer. Is it still running?");
  }
  if (answer.ok) return answer;
  if (answer.status === 401 && again && path !== "/v1/session" && (await askForKey())) {
    return answered(method, path, { body, signal, headers, raw }, false);
  }
  throw await errorOf(answer);
}

/** The error that an answer tells of. */
async function errorOf(answer) {
  if (answer.status === 401) return new ApiError(401, "This library is locked. Give a key.");
  const told = await answer.json().then((body) => body.error, () => null);
  const seconds = Number(answer.headers.get("Retry-After"));
  return new ApiError(answer.status, told?.message ?? `The server answered ${answer.status}.`, seconds > 0 ? seconds : null);
}
