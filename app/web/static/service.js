// Talks to the service. Addresses are relative, so that the page also works below a path.

const BATCHES = "v1/batches";

/**
 * An error to show: the service's own problem document, or one that the page makes (`local`: keys of texts.*.json). `lost`: the places, among
 * the files that were to be sent, of those that cannot be read.
 */
export class Problem extends Error {
  constructor({ title, detail, lang, reference, local, params, retryAfter, lost, again = false }) {
    super(title ?? local);
    Object.assign(this, { title, detail, lang, reference, local, params, retryAfter, lost, again });
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
  return JSON.parse(await (await post("v1/checks", photo, options)).text());
}

/** A copy of the photo as a Blob: "annotated", "redacted" or "upright". */
export function copy(kind, photo, options) {
  return post(`v1/checks/${kind}`, photo, options);
}

function post(path, photo, { contest, language, signal, sent }) {
  const form = new FormData();
  form.append("lang", language);
  if (contest) form.append("contest", contest);
  form.append("photo", photo, "photo"); // the file's name stays here
  return upload(path, form, { signal, sent });
}

/** Send [name, file] pairs as a batch, and return it as it stands. `sent` as in `check`. */
export async function sendBatch(files, { contest, language, crops, signal, sent }) {
  const form = new FormData();
  for (const [key, value] of Object.entries({ lang: language, contest, crops })) form.append(key, value);
  for (const [name, file] of files) form.append("photos", file, name);
  return JSON.parse(await (await upload(BATCHES, form, { signal, sent })).text());
}

/** Where a batch, or something of it, is. */
export function batchAddress(id, part = "") {
  return `${BATCHES}/${encodeURIComponent(id)}${part}`;
}

/** How a batch stands; null where there is none. */
export async function batch(id, language) {
  const answer = await fetch(batchAddress(id, `?lang=${language}`));
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Problem({ local: "unexpected", again: true });
  return answer.json();
}

export async function deleteBatch(id) {
  const answer = await fetch(batchAddress(id), { method: "DELETE" });
  if (!answer.ok && answer.status !== 404) throw new Problem({ local: "unexpected", again: true });
}

// XMLHttpRequest, because fetch does not tell how much was sent.
function upload(path, form, { signal, sent = () => {} }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.responseType = "blob";
    request.upload.onprogress = (event) => sent(event.total ? event.loaded / event.total : 0);
    request.upload.onload = () => sent(1);
    request.onload = async () => (request.status < 300 ? resolve(request.response) : reject(await problem(request)));
    request.onerror = async () => reject(await unsent(form));
    signal?.addEventListener("abort", () => {
      request.abort();
      reject(signal.reason);
    });
    request.send(form);
  });
}

// Browsers tell a file that is no longer as it was chosen and a lost connection apart only when the file is read.
async function unsent(form) {
  const files = [...form.values()].filter((value) => value instanceof Blob);
  const read = await Promise.allSettled(files.map((file) => file.slice(0, 1).arrayBuffer()));
  const lost = [...read.keys()].filter((place) => read[place].status === "rejected");
  return new Problem(lost.length ? { local: "unreadable", lost } : { local: "offline", again: true });
}

async function problem(request) {
  try {
    const { type, title, detail, status, instance } = JSON.parse(await request.response.text());
    const retryAfter = Number(request.getResponseHeader("Retry-After")) || 0;
    const reference = status >= 500 && status !== 503 ? instance.split(":").at(-1) : undefined;
    const lang = request.getResponseHeader("Content-Language") ?? "";
    const again = status >= 500 || [408, 429].includes(status) || type === "photo-timeout";
    return new Problem({ title, detail, lang, reference, retryAfter, again });
  } catch {
    return new Problem({ local: "unexpected", again: true });
  }
}
