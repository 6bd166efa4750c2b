// The page's four views (start, working, result, problem) and the way between them.

import { alive, dropZone, tellProblem } from "./alive.js";
import { contestChosen, offer } from "./contests.js";
import { $ } from "./elements.js";
import { Stage, crop, decode, mayLie, release } from "./picture.js";
import { describe, highlight, numbered } from "./result.js";
import { Problem, check, copy, tables } from "./service.js";
import { shareable, sharedFiles } from "./share.js";
import { language, note, number, problemWords, text } from "./words.js";

const MB = 2 ** 20;
const SEVERAL = ["several", "folder"]; // problems to which the page for many photos is the answer

let known = null; // limits and contests, once the service has told them
let photo = null; // the chosen file, or what fetches it
let image = null; // the same, decoded, or null where the browser can't
let result = null; // the service's advice
let trouble = null; // the problem shown
let stage = null;
let selected = null; // number of the highlighted hand
let running = null; // AbortController of what is under way
let countdown = null;

function show(view) {
  for (const section of document.querySelectorAll(".view")) section.hidden = section.id !== view;
  document.body.dataset.view = view;
  clearInterval(countdown);
  if (view === "start") $("choose").focus();
  else {
    // The back button leads to the start, not away from the page.
    if (!history.state) history.pushState({ view: "photo" }, "");
    document.querySelector(`#${view} h1`).focus({ preventScroll: true });
  }
  scrollTo({ top: 0 });
  note("");
  say("");
  entitle();
}

/** Title the tab: what the page is for, or what it says of a photo. */
function entitle() {
  const { view } = document.body.dataset;
  document.title = view === "start" ? text("page.title") : `${document.querySelector(`#${view} h1`).textContent} · Jari Netral`;
}

function home() {
  if (history.state) history.back();
  else leave();
}

function leave() {
  const { view } = document.body.dataset;
  running?.abort();
  release(image);
  [photo, image, result, trouble, stage, selected] = [null, null, null, null, null, null];
  for (const frame of ["preview", "picture", "cards"]) $(frame).querySelectorAll("img, .sheet, li").forEach((one) => one.remove());
  show("start");
  if (view === "working") say("working.cancelled");
}

/** Announce a text to whoever does not see the page; "" takes it away. */
function say(key) {
  $("status").dataset.text = key;
  $("status").textContent = key && text(key);
}

/** Check a file, or the one that a function fetches. */
async function begin(file) {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  if (file !== photo) {
    release(image);
    image = null;
    photo = file;
  }
  trouble = null;
  const ticking = prepare();
  try {
    if (photo instanceof Function) {
      const fetched = await photo(signal);
      signal.throwIfAborted();
      photo = fetched;
    }
    if (known && photo.size > known.limits.bytes) throw tooLarge("bytes", photo.size / MB, known.limits.bytes / MB);
    const decoding = image ? Promise.resolve(image) : decode(photo).then((one) => preview(one, signal));
    const checking = check(photo, { contest: contestChosen(), language, signal, sent });
    checking.catch(() => {}); // awaited below; the preview may throw first
    const [lying] = await Promise.all([mayLie(photo).catch(() => false), decoding]); // of a file that cannot be read the upload tells
    result = await checking;
    if (!image || lying || !sameShape(image, result)) await serversPicture(signal);
    signal.throwIfAborted();
    present();
  } catch (error) {
    if (signal.aborted) return;
    running.abort(); // an upload that goes on for nothing
    trouble = error instanceof Problem ? error : new Problem({ local: "unexpected", again: true });
    complain();
  } finally {
    clearInterval(ticking);
  }
}

function prepare() {
  for (const step of $("steps").children) {
    step.className = "";
    step.querySelector(".measure").textContent = "";
  }
  document.querySelector("[data-step=picture]").hidden = true;
  $("long").hidden = true;
  $("no-preview").hidden = true;
  $("preview").querySelector("img")?.remove();
  if (image) $("preview").prepend(image);
  show("working");
  enter("send");
  const began = Date.now();
  return setInterval(() => {
    const seconds = Math.round((Date.now() - began) / 1000);
    const look = document.querySelector("[data-step=look].now .measure");
    if (look) look.textContent = text("working.seconds", { seconds });
    $("long").hidden = seconds < 6;
  }, 1000);
}

function enter(name) {
  if (document.querySelector(`[data-step=${name}]`).className === "now") return;
  for (const step of $("steps").children) {
    if (step.dataset.step === name) step.className = "now";
    else if (step.className === "now") step.className = "done";
  }
  say(`working.${name}`);
}

function sent(share) {
  document.querySelector("[data-step=send] .measure").textContent = text("working.percent", { percent: Math.round(share * 100) });
  if (share === 1) enter("look");
}

function preview(decoded, signal) {
  if (signal.aborted) return release(decoded);
  image = decoded;
  if (!image) {
    $("no-preview").hidden = false;
    return;
  }
  const pixels = image.naturalWidth * image.naturalHeight;
  if (known && pixels > known.limits.pixels) throw tooLarge("pixels", pixels / 1e6, known.limits.pixels / 1e6);
  image.alt = "";
  $("preview").prepend(image);
}

// Some browsers show no HEIC, and some leave a turned photo lying; what the service saw is then shown instead.
async function serversPicture(signal) {
  document.querySelector("[data-step=picture]").hidden = false;
  enter("picture");
  const upright = await copy("upright", photo, { language, signal }).then(decode).catch(() => null); // what was seen is told all the same
  signal.throwIfAborted();
  release(image);
  image = upright;
}

function sameShape(one, { width, height }) {
  return Math.abs(one.naturalWidth / one.naturalHeight / (width / height) - 1) < 0.02;
}

function tooLarge(what, size, limit) {
  return new Problem({ local: what, params: { size, limit } });
}

function present() {
  const shown = numbered(result);
  selected = null;
  stage = new Stage($("picture"), image, result, shown, select);
  word(shown);
  show("result");
  if (!image) note("picture.missing");
  crops(shown);
}

/** Put the result and what stands beside it into words. */
function word(shown) {
  describe(result, shown, select);
  highlight(selected);
  if (image) image.alt = text(shown.length ? "picture.alt.marked" : "picture.alt");
  tellContest();
}

/** Highlight a hand in the picture and among the cards; null, or the same hand again, for none. */
function select(place) {
  selected = place === selected ? null : place;
  highlight(selected); // first, since it gives the picture its height
  stage.select(selected);
}

async function crops(shown) {
  if (!image) return;
  const canvases = $("cards").querySelectorAll("canvas");
  const mine = result;
  for (const [place, [hand]] of shown.entries()) {
    await new Promise(requestAnimationFrame); // a group's many crops never hold up a touch
    if (result !== mine) return;
    crop(canvases[place], image, hand, result);
  }
}

async function download(button) {
  const which = button.dataset.copy;
  const words = button.querySelector("span");
  if (button.getAttribute("aria-busy")) return;
  button.setAttribute("aria-busy", "true");
  words.textContent = text("copy.busy");
  $("copy-problem").textContent = "";
  try {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await copy(which, photo, { contest: result.contest, language, signal: running.signal }));
    link.download = text(`copy.${which}.file`);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    say("copy.done");
  } catch (error) {
    if (!(error instanceof Problem)) return;
    const { title, detail, lang } = problemWords(error, "copy");
    Object.assign($("copy-problem"), { textContent: `${title}. ${detail}`, lang });
  } finally {
    button.removeAttribute("aria-busy");
    words.textContent = text(words.dataset.text);
  }
}

function complain() {
  wordProblem();
  show("problem");
  let seconds = trouble.retryAfter ?? 0;
  const label = () => {
    $("retry").querySelector("span").textContent = seconds > 0 ? text("problem.retry.wait", { seconds }) : text("problem.retry");
    if (seconds-- <= 0) clearInterval(countdown);
  };
  label();
  countdown = setInterval(label, 1000);
}

function wordProblem() {
  tellProblem(trouble, "check");
  $("problem-reference").textContent = trouble.reference ? text("problem.reference", { id: trouble.reference }) : "";
  $("to-batch").hidden = !(known?.limits.batches && SEVERAL.includes(trouble.local));
}

function tell() {
  if (!known) return;
  $("many").hidden = !known.limits.batches;
  $("formats").textContent = text("start.formats.limit", { limit: number(known.limits.bytes / MB, 1) });
  offer(known);
  if (result) tellContest();
}

/** Say which contest the photo was checked for, where its name is known. */
function tellContest() {
  const used = known?.contests.find((one) => one.key === result.contest);
  $("used").textContent = used ? text("result.contest", { name: used.name[language] }) : "";
}

/** Put all that the page knows into another language. */
function retell() {
  tell();
  if (result && document.body.dataset.view === "result") {
    const shown = numbered(result);
    word(shown);
    crops(shown);
  }
  if (trouble) wordProblem();
  entitle();
}

function sample(name) {
  return async (signal) => {
    try {
      const answer = await fetch(`static/samples/${name}.jpg`, { signal });
      if (!answer.ok) throw new Error(answer.statusText);
      return await answer.blob();
    } catch {
      throw new Problem({ local: "sample", again: true });
    }
  };
}

/** Check the photo that was chosen, pasted or dropped. Of several none: one that was not looked at must not pass for one that was. */
function receive(files, items = []) {
  if (files.length > 1) refuse("several");
  else if ([...items].some((item) => item.webkitGetAsEntry?.()?.isDirectory)) refuse("folder");
  else if (files.length) begin(files[0]);
}

function refuse(local) {
  running?.abort();
  trouble = new Problem({ local });
  complain();
}

$("choose").onclick = () => $("file").click();
$("take").onclick = () => $("camera").click();
for (const id of ["file", "camera"])
  $(id).onchange = (event) => {
    const files = [...event.target.files];
    event.target.value = ""; // so that the same photo can be chosen again
    receive(files);
  };

for (const button of document.querySelectorAll("[data-sample]")) button.onclick = () => begin(sample(button.dataset.sample));

addEventListener("paste", ({ clipboardData: { files, items } }) => {
  if (files.length) receive(files, items);
  else note("paste.nothing");
});
dropZone(({ files, items }) => {
  if (files.length) receive(files, items);
  else note("drop.nothing");
});

for (const id of ["cancel", "again", "other"]) $(id).onclick = home;
$("retry").onclick = () => begin(photo);
$("marks").onchange = (event) => $("picture").classList.toggle("unmarked", !event.target.checked);
for (const button of document.querySelectorAll("[data-copy]")) button.onclick = () => download(button);
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && selected !== null) select(null);
});
addEventListener("beforeprint", () => {
  if (selected !== null) select(null); // on paper the whole photo, with every number
});
addEventListener("popstate", leave);

document.body.dataset.view = "start";
alive(retell);
entitle();
shareable();
known = await tables();
tell();
const sharedId = new URLSearchParams(location.search).get("shared");
if (sharedId !== null) {
  history.replaceState(null, "", "./"); // loaded anew, it is the page as ever
  const files = await sharedFiles(sharedId);
  if (files.length) receive(files);
  else note("shared.nothing");
}
