// Talks to the service. Addresses are relative, so that the page also works below a path.

const BATCHES = "v1/batches";
const JSON_TYPE = "application/json";

/**
 * An error to show: the service's own problem document, or one that the page makes (`local`: keys of texts.*.json). `lost`: the places, among
 * the files that were to be sent, of those that cannot be read.
 */
export class Problem extends Error {
  constructor({ status, title, detail, lang, reference, local, params, retryAfter, lost, again = false }) {
    super(title ?? local);
    Object.assign(this, { status, title, detail, lang, reference, local, params, retryAfter, lost, again });
  }
}

/** Limits, contests and lists. Null where the service does not answer; the page then works without. */
export async function tables() {
  try {
    const [limits, contests] = await Promise.all(["v1/limits", "v1/contests"].map(table));
    return { limits, ...contests };
  } catch {
    return null;
  }
}

async function table(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(answer.statusText); // a problem document is JSON too
  return answer.json();
}

/** Check a photo. `sent` hears the share (0..1) of the upload that is done; aborting the signal rejects with its reason. */
export async function check(photo, options) {
  return (await post("v1/checks", photo, options, JSON_TYPE)).json();
}

/** A copy of the photo as a Blob: "annotated", "redacted" or "upright". */
export async function copy(kind, photo, options) {
  return (await post(`v1/checks/${kind}`, photo, options, "image/")).blob();
}

function post(path, photo, { contest, language, signal, sent }, type) {
  const form = new FormData();
  form.append("lang", language);
  if (contest) form.append("contest", contest);
  form.append("photo", photo, "photo"); // the file's name stays here
  return upload(path, form, { signal, sent }, type);
}

/** Send [name, file] pairs as a batch, and return it as it stands. `sent` as in `check`. */
export async function sendBatch(files, { contest, language, crops, signal, sent }) {
  const form = new FormData();
  for (const [key, value] of Object.entries({ lang: language, contest, crops })) form.append(key, value);
  for (const [name, file] of files) form.append("photos", file, name);
  return (await upload(BATCHES, form, { signal, sent }, JSON_TYPE)).json();
}

/** Where a batch, or something of it, is. */
export function batchAddress(id, part = "") {
  return `${BATCHES}/${encodeURIComponent(id)}${part}`;
}

/** How a batch stands; null where there is none. */
export async function batch(id, language) {
  try {
    return await (await taken(await ask(id, language), JSON_TYPE)).json();
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

export async function deleteBatch(id, language) {
  const answer = await ask(id, language, "DELETE");
  if (answer.status === 204) return;
  const why = await problem(answer);
  if (why.status !== 404) throw why;
}

// No redirect is followed: the service sends none, and browsers would repeat a DELETE at a login's address.
function ask(id, language, method = "GET") {
  return fetch(batchAddress(id, `?lang=${language}`), { method, redirect: "manual" });
}

// XMLHttpRequest, because fetch does not tell how much was sent.
async function upload(path, form, { signal, sent = () => {} }, type) {
  const request = new XMLHttpRequest();
  await new Promise((resolve, reject) => {
    request.open("POST", path);
    request.responseType = "blob";
    request.upload.onprogress = (event) => sent(event.total ? event.loaded / event.total : 0);
    request.upload.onload = () => sent(1);
    request.onload = resolve;
    request.onerror = async () => reject(await unsent(form));
    signal?.addEventListener("abort", () => {
      request.abort();
      reject(signal.reason);
    });
    request.send(form);
  });
  const headers = ["Content-Type", "Content-Language", "Retry-After"].map((name) => [name, request.getResponseHeader(name) ?? ""]);
  return taken(new Response(request.response, { status: request.status, headers }), type);
}

// Only an answer of the type that was asked for is one: where a login before the service is over, it answers with a page of its own.
async function taken(answer, type) {
  if (answer.ok && answer.headers.get("Content-Type")?.startsWith(type)) return answer;
  throw await problem(answer);
}

// Browsers tell a file that is no longer as it was chosen and a lost connection apart only when the file is read.
async function unsent(form) {
  const files = [...form.values()].filter((value) => value instanceof Blob);
  const read = await Promise.allSettled(files.map((file) => file.slice(0, 1).arrayBuffer()));
  const lost = [...read.keys()].filter((place) => read[place].status === "rejected");
  return new Problem(lost.length ? { local: "unreadable", lost } : { local: "offline", again: true });
}

async function problem(answer) {
  const header = (name) => answer.headers.get(name) ?? "";
  if (!header("Content-Type").startsWith("application/problem+json")) return new Problem({ local: "unexpected", again: true });
  const { type, title, detail, status, instance } = await answer.json();
  const retryAfter = Number(header("Retry-After"));
  const reference = status >= 500 && status !== 503 ? instance.split(":").at(-1) : undefined;
  const again = status >= 500 || [408, 429].includes(status) || type === "photo-timeout";
  return new Problem({ status, title, detail, lang: header("Content-Language"), reference, retryAfter, again });
}
