// The page for many photos: choose them, send them, watch them being checked, open the report. The address names the batch after its #,
// which browsers send to nobody, so that the page can be closed and come back to.

import { alive, dropZone, tellProblem } from "./alive.js";
import { contestChosen, offer } from "./contests.js";
import { $, element } from "./elements.js";
import { Problem, batch, batchAddress, deleteBatch, sendBatch, tables } from "./service.js";
import { duration, language, note, number, text } from "./words.js";

const MB = 2 ** 20;
const LEVELS = ["review", "unclear", "clear", "failed"];
const PICTURES = /\.(jpe?g|jpe|jfif|mpo|a?png|webp|avif|hei[cf]|hif|gif|bmp|tiff?|zip)$/i;
const AGAIN_MS = 3000;
const AGAIN = { send: begin, open: home, delete: remove };

let known = null; // limits and contests, once the service has told them
let chosen = []; // [name, file] of what is to be sent
let skipped = []; // and of what was chosen with it, but is no photo
let unread = 0; // how much of what was dropped last cannot be read
let state = null; // the batch as the service told it last
let share = null; // how much of it was sent, while it is
let lost = false; // whether the connection to its progress is
let trouble = null;
let doing = "open"; // what went wrong, and is done again: a key of AGAIN
let running = null; // AbortController of the upload
let sending = null; // the promise of the batch that it becomes
let condemned = null; // id of the batch that was last asked to be deleted
let source = null; // EventSource of the batch that is watched

function show(view) {
  const before = document.body.dataset.view;
  for (const section of document.querySelectorAll(".view")) section.hidden = section.id !== view;
  document.body.dataset.view = view;
  if (before !== view) $("status").textContent = ""; // what was said of the view before
  if (before !== view && (before || view !== "start")) document.querySelector(`#${view} h1`).focus();
}

/** Put all words into the language, as things stand. */
function tell() {
  if (known) {
    const limits = known.limits.batches;
    const kept = limits ? text("batch.kept", { time: duration(limits.kept_s) }) : "";
    $("limit").textContent = limits ? text("batch.limit", { files: number(limits.files), size: number(limits.bytes / MB) }) : "";
    $("kept").textContent = $("kept-working").textContent = kept;
    offer(known);
  }
  const { length } = chosen;
  $("chosen").hidden = !length && !skipped.length && !unread;
  $("chosen-count").textContent = length ? text("batch.chosen", { count: number(length), size: weight(size()) }) : text("batch.nothing");
  $("chosen-skipped").textContent = length && skipped.length ? text("batch.skipped", { count: number(skipped.length) }) : "";
  $("chosen-unread").textContent = unread ? text("batch.unread", { count: number(unread) }) : "";
  $("begin").hidden = $("clear").hidden = !length;
  if (state || share !== null) tellProgress();
  if (trouble) tellProblem(trouble, doing);
  entitle();
}

/** Title the tab: how far the batch is, and what the page is for. */
function entitle() {
  const part = state?.state === "running" ? state.done / state.photos : share;
  let now = [];
  if (trouble) now = [$("problem-title").textContent];
  else if (state?.state === "done") now = [text("batch.finished")];
  else if (state?.state === "waiting") now = [text("batch.waiting")];
  else if (part !== null) now = [percent(part)];
  document.title = [...now, text("batch.page")].join(" · ");
}

function percent(part) {
  return text("working.percent", { percent: Math.floor(part * 100) });
}

function tellProgress() {
  const waiting = state?.state === "waiting";
  $("working-title").textContent = text(!state ? "batch.sending" : waiting ? "batch.waiting" : "batch.running");
  if (state && !waiting) $("bar").value = state.done / state.photos;
  else if (share !== null && share < 1) $("bar").value = share;
  else $("bar").removeAttribute("value"); // something goes on, nobody knows how far
  $("leave").hidden = !state;
  $("copy-address").hidden = !state || !navigator.clipboard; // which browsers offer to pages from this machine or by HTTPS
  $("stay").hidden = Boolean(state);
  for (const part of ["title", "detail", "yes", "no"]) $(`sure-${part}`).textContent = text(`batch.${state ? "delete" : "stop"}.${part}`);
  if (!state) {
    $("progress").textContent = percent(share);
    $("rate").textContent = $("remaining").textContent = "";
  } else {
    $("progress").textContent = waiting && state.ahead ? text("batch.ahead", { count: state.ahead }) : progress();
    const rate = state.rate ? text("batch.rate", { rate: number(state.rate, 1) }) : "";
    $("rate").textContent = lost ? text("batch.lost") : rate;
    $("remaining").textContent = lost ? "" : remaining(state.remaining_s);
    $("done-title").textContent = text("batch.done", { photos: number(state.photos) });
    if (state.results_deleted_at) {
      const time = new Date(state.results_deleted_at).toLocaleString(language, { dateStyle: "long", timeStyle: "short" });
      $("deleted-at").textContent = text("batch.deleted-at", { time });
    }
  }
  entitle();
  for (const tallies of document.querySelectorAll("[data-tallies]")) tallies.replaceChildren(...(state ? LEVELS.map(tally) : []));
}

function progress() {
  return text("batch.progress", { done: number(state.done), photos: number(state.photos) });
}

function remaining(seconds) {
  if (!seconds || state.state !== "running") return ""; // rather than "0 seconds"
  return text("batch.remaining", { time: duration(seconds) });
}

function tally(level) {
  return element("li", level, element("strong", "", number(state.counts[level])), element("span", "", text(`batch.count.${level}`)));
}

function size() {
  return chosen.reduce((sum, [, file]) => sum + file.size, 0);
}

function weight(bytes) {
  return bytes < MB / 10 ? `${number(Math.ceil(bytes / 1024))} KB` : `${number(bytes / MB, 1)} MB`;
}

/** Take [name, file] pairs beside those that are chosen; what is no photo is left out, and macOS's notes on files are passed over. */
function take(all) {
  const pairs = all.filter(([name]) => !/(^|\/)\._[^/]*$/.test(name));
  const isPhoto = ([name, file]) => PICTURES.test(name) || file.type.startsWith("image/");
  chosen = joined(chosen, pairs.filter(isPhoto));
  skipped = joined(skipped, pairs.filter((pair) => !isPhoto(pair)));
  note("");
  tell();
  if (chosen.length) $("begin").focus();
  else $("status").textContent = text("batch.nothing");
}

/** Both, without what is the same file once more. */
function joined(pairs, more) {
  const same = ([name, file]) => JSON.stringify([name, file.size, file.lastModified]);
  return [...new Map([...pairs, ...more].map((pair) => [same(pair), pair])).values()];
}

function clear() {
  chosen = skipped = [];
  unread = 0;
  tell();
  $("choose").focus();
}

async function begin() {
  const limits = known?.limits.batches;
  const { signal } = (running = new AbortController());
  trouble = null;
  note("");
  addEventListener("beforeunload", hold);
  try {
    if (limits && (chosen.length > limits.files || size() > limits.bytes)) throw tooMuch(limits);
    share = 0;
    state = null;
    tell();
    show("working");
    const sent = (part) => {
      share = part;
      tellProgress();
    };
    sending = sendBatch(chosen, { contest: contestChosen(), language, crops: $("crops").checked, signal, sent });
    const made = await sending;
    share = null;
    chosen = skipped = [];
    unread = 0;
    history.pushState(null, "", `#${made.id}`);
    takeUp(made, language);
    watch(made.id);
  } catch (error) {
    if (signal.aborted) return;
    share = null;
    complain(error instanceof Problem ? withoutLost(error) : new Problem({ local: "unexpected", again: true }), "send");
  } finally {
    removeEventListener("beforeunload", hold);
  }
}

/** Take from the choice what cannot be read, and name it in the problem; the others can be sent. */
function withoutLost(problem) {
  if (!problem.lost) return problem;
  const names = problem.lost.map((place) => chosen[place][0]);
  chosen = chosen.filter((_, place) => !problem.lost.includes(place));
  return new Problem({ local: "unreadable-some", params: { names }, lost: problem.lost, again: chosen.length > 0 });
}

/** Let the browser ask before the page is left. */
function hold(event) {
  event.preventDefault();
  event.returnValue = true; // what older browsers go by
}

function tooMuch(limits) {
  return new Problem({ local: "many", params: { files: chosen.length, size: size() / MB, most: limits.files, limit: limits.bytes / MB } });
}

/** Show a batch as it is now. `lang`: the language that it was asked for in. */
function takeUp(now, lang) {
  const before = state?.done;
  state = now;
  lost = false;
  if (state.state === "failed") return complain(new Problem({ ...state.problem, lang }));
  for (const kind of ["xlsx", "csv"]) $(kind).href = batchAddress(state.id, `/report.${kind}`);
  $("report").href = batchAddress(state.id, "/report.html");
  tellProgress();
  show(state.state === "done" ? "done" : "working");
  if (before !== state.done && (state.done * 10) % state.photos < 10) $("status").textContent = progress(); // spoken now and then
}

/** Follow a batch to its end. Several pages can follow the same. */
function watch(id) {
  source?.close();
  const lang = language;
  const mine = (source = new EventSource(batchAddress(id, `/events?lang=${lang}`)));
  mine.addEventListener("progress", (event) => {
    takeUp(JSON.parse(event.data), lang);
    if (state.state === "done" || state.state === "failed") mine.close();
  });
  mine.addEventListener("deleted", () => {
    mine.close();
    complain(new Problem({ local: "gone" }));
  });
  mine.onerror = () => {
    if (!lost) $("status").textContent = text("batch.lost");
    lost = true;
    tellProgress();
    if (mine.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    setTimeout(async () => {
      if (source !== mine) return;
      const now = await batch(id, lang).catch(() => undefined);
      if (source !== mine) return;
      if (now === null) complain(new Problem({ local: "gone" }));
      else watch(id);
    }, AGAIN_MS);
  };
}

/** Show a problem, and what is done when it is tried again: a key of AGAIN. */
function complain(problem, what = "open") {
  trouble = problem;
  doing = what;
  $("sure").close();
  note("");
  tell();
  show("problem");
}

/** The id of the batch that the address names; "" for none. A part of the page, like that which the link past the bar leads to, is none. */
function named() {
  const id = location.hash.slice(1);
  return $(id) ? "" : id;
}

/** Take the address at its word: a batch to watch, or none. */
async function home() {
  running?.abort();
  source?.close();
  source = state = trouble = share = running = null;
  lost = false;
  $("sure").close();
  note("");
  const lang = language;
  const id = named();
  if (known && !known.limits.batches) return complain(new Problem({ local: "off" }));
  tell();
  if (!id) return show("start");
  try {
    const now = await batch(id, lang);
    if (!now) return complain(new Problem({ local: "gone" }));
    takeUp(now, lang);
    if (now.state === "waiting" || now.state === "running") watch(id);
  } catch (error) {
    complain(unanswered(error));
  }
}

/** Ask whether the batch is to go, also one that is still being sent. */
function ask() {
  condemned = state?.id;
  $("sure").showModal();
}

async function remove() {
  $("sure").close();
  if (share === 1) await sending.catch(() => {}); // all of it is there, and can only be deleted
  if (share !== null) {
    await home();
    return note("batch.stopped");
  }
  const id = (condemned = state?.id ?? condemned);
  if (!id) return;
  source?.close();
  try {
    await deleteBatch(id, language);
    history.pushState(null, "", location.pathname);
    await home();
    note("batch.deleted");
  } catch (error) {
    complain(unanswered(error), "delete");
  }
}

/** Notice when a batch that is done was deleted: nothing is heard of it any more. */
async function lookAgain() {
  if (state?.state !== "done") return;
  const { id } = state;
  const now = await batch(id, language).catch(() => undefined);
  if (now === null && state?.id === id) complain(new Problem({ local: "gone" }));
}

function unanswered(error) {
  return error instanceof Problem ? error : new Problem({ local: "offline", again: true });
}

$("choose").onclick = () => $("files").click();
$("choose-folder").onclick = () => $("folder").click();
for (const id of ["files", "folder"])
  $(id).onchange = (event) => {
    take(paired(event.target.files));
    event.target.value = "";
  };

dropZone(async ({ items, files }) => {
  if (document.body.dataset.view !== "start") return;
  unread = 0;
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const pairs = entries.length ? (await Promise.all(entries.map(readable))).flat() : paired(files);
  if (pairs.length || unread) take(pairs);
  else note("drop.nothing");
});

addEventListener("paste", ({ clipboardData: { files } }) => {
  if (document.body.dataset.view !== "start") return;
  if (files.length) take(paired(files));
  else note("paste.nothing");
});

/** [name, file] of each. */
function paired(files) {
  return Array.from(files, (file) => [file.webkitRelativePath || file.name, file]);
}

/** [name, file] of a dropped file, or of all files in a dropped folder. What cannot be read is counted, and keeps back nothing else. */
function readable(entry) {
  return within(entry).catch(() => {
    unread += 1;
    return [];
  });
}

async function within(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [[entry.fullPath.replace(/^\//, ""), file]];
  }
  const reader = entry.createReader();
  const found = [];
  for (let some = [true]; some.length; found.push(...some)) {
    some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // some at a time, at last none
  }
  return (await Promise.all(found.map(readable))).flat();
}

$("begin").onclick = begin;
$("clear").onclick = clear;
$("copy-address").onclick = async ({ target }) => {
  await navigator.clipboard.writeText(location.href);
  $("status").textContent = target.textContent = text("batch.copied");
  target.onblur = () => (target.textContent = text("batch.copy"));
};
$("retry").onclick = () => AGAIN[doing]();
for (const button of document.querySelectorAll("[data-delete]")) button.onclick = ask;
$("sure-no").onclick = () => $("sure").close();
$("sure").onclose = () => {
  // Where the batch was done meanwhile, the button that had the focus is gone.
  if (!document.activeElement.closest(".view:not([hidden])")) document.querySelector(".view:not([hidden]) h1").focus();
};
$("sure-yes").onclick = remove;
for (const link of document.querySelectorAll("[data-again]"))
  link.onclick = (event) => {
    event.preventDefault();
    history.pushState(null, "", location.pathname);
    home();
  };
addEventListener("popstate", home);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) lookAgain();
});
// A download of what is gone does nothing that could be seen.
for (const id of ["report", "xlsx", "csv"]) $(id).onclick = () => void lookAgain(); // without keeping the link from its work

alive(tell);
known = await tables();
await home();
document.body.dataset.ready = "";
