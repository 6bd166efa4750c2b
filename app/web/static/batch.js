// The page for many photos: choose them, send them, watch them being checked, open the report. The address names the batch after its #,
// which browsers send to nobody, so that the page can be closed and come back to.

import "./theme.js";
import { alive } from "./alive.js";
import { Problem, batch, batchAddress, deleteBatch, sendBatch, tables } from "./service.js";
import { choose, duration, language, number, speak, text } from "./words.js";

const MB = 2 ** 20;
const LEVELS = ["review", "unclear", "clear", "failed"];
const PICTURES = /\.(jpe?g|jpe|jfif|mpo|a?png|webp|avif|hei[cf]|hif|gif|bmp|tiff?|zip)$/i;
const AGAIN_MS = 3000;

const $ = (id) => document.getElementById(id);

let known = null; // limits and contests, once the service has told them
let chosen = []; // [name, file] of what is to be sent
let skipped = 0;
let state = null; // the batch as the service told it last
let share = null; // how much of it was sent, while it is
let trouble = null;
let running = null; // AbortController of the upload
let source = null; // EventSource of the batch that is watched

function show(view) {
  const changed = document.body.dataset.view !== view;
  for (const section of document.querySelectorAll(".view")) section.hidden = section.id !== view;
  document.body.dataset.view = view;
  if (changed && view !== "start") document.querySelector(`#${view} h1`).focus();
}

/** Put all words into the language, as things stand. */
function tell() {
  if (known) {
    const limits = known.limits.batches;
    const kept = limits ? text("batch.kept", { time: duration(limits.kept_s) }) : "";
    $("limit").textContent = limits ? text("batch.limit", { files: number(limits.files), size: number(limits.bytes / MB) }) : "";
    $("kept").textContent = $("kept-working").textContent = kept;
    const contest = $("contest").value || known.default;
    $("contest").replaceChildren(...known.contests.map((one) => new Option(one.name[language], one.key, false, one.key === contest)));
  }
  $("chosen").hidden = !chosen.length;
  $("chosen-count").textContent = text("batch.chosen", { count: number(chosen.length), size: number(size() / MB, 1) });
  $("chosen-skipped").textContent = skipped ? text("batch.skipped", { count: number(skipped) }) : "";
  if (state || share !== null) tellProgress();
  if (trouble) {
    const { local, title, detail, params = {} } = trouble;
    $("problem-title").textContent = local ? text(`problem.${local}.title`) : title;
    $("problem-detail").textContent = local ? text(`problem.${local}.detail`, params) : detail;
    $("retry").hidden = !trouble.again;
  }
}

function tellProgress() {
  const waiting = state?.state === "waiting";
  $("working-title").textContent = text(!state ? "batch.sending" : waiting ? "batch.waiting" : "batch.running");
  if (state && !waiting) $("bar").value = state.done / state.photos;
  else if (share !== null && share < 1) $("bar").value = share;
  else $("bar").removeAttribute("value"); // something goes on, nobody knows how far
  $("leave").hidden = !state;
  if (!state) {
    $("progress").textContent = text("working.percent", { percent: Math.floor(share * 100) });
    $("rate").textContent = $("remaining").textContent = "";
  } else {
    $("progress").textContent = waiting && state.ahead ? text("batch.ahead", { count: state.ahead }) : progress();
    $("rate").textContent = state.rate ? text("batch.rate", { rate: number(state.rate, 1) }) : "";
    $("remaining").textContent = remaining(state.remaining_s);
    $("done-title").textContent = text("batch.done", { photos: number(state.photos) });
    if (state.results_deleted_at) {
      const time = new Date(state.results_deleted_at).toLocaleString(language, { dateStyle: "long", timeStyle: "short" });
      $("deleted-at").textContent = text("batch.deleted-at", { time });
    }
  }
  for (const tallies of document.querySelectorAll("[data-tallies]")) tallies.replaceChildren(...(state ? LEVELS.map(tally) : []));
}

function progress() {
  return text("batch.progress", { done: number(state.done), photos: number(state.photos) });
}

function remaining(seconds) {
  if (seconds === null || state.state !== "running") return "";
  return text("batch.remaining", { time: duration(seconds) });
}

function tally(level) {
  const item = document.createElement("li");
  item.className = { review: "flagged", clear: "fine" }[level] ?? level;
  const count = Object.assign(document.createElement("strong"), { textContent: number(state.counts[level]) });
  item.append(count, Object.assign(document.createElement("span"), { textContent: text(`batch.count.${level}`) }));
  return item;
}

function size() {
  return chosen.reduce((sum, [, file]) => sum + file.size, 0);
}

/** Take [name, file] pairs; what is no photo is left out. */
function take(pairs) {
  const wanted = pairs.filter(([name, file]) => PICTURES.test(name) || file.type.startsWith("image/"));
  skipped = pairs.length - wanted.length;
  chosen = wanted;
  tell();
  if (!chosen.length) {
    $("status").textContent = text("batch.nothing");
    $("chosen").hidden = false;
    $("chosen-count").textContent = text("batch.nothing");
  }
  $("begin").hidden = !chosen.length;
  if (chosen.length) $("begin").focus();
}

async function begin() {
  const limits = known?.limits.batches;
  trouble = null;
  try {
    if (limits && (chosen.length > limits.files || size() > limits.bytes)) throw tooMuch(limits);
    running = new AbortController();
    share = 0;
    state = null;
    tell();
    show("working");
    const sent = (part) => {
      share = part;
      tellProgress();
    };
    const options = { contest: $("contest").value, language, crops: $("crops").checked, signal: running.signal, sent };
    const made = await sendBatch(chosen, options);
    share = null;
    chosen = [];
    history.pushState(null, "", `#${made.id}`);
    takeUp(made);
    watch(made.id);
  } catch (error) {
    share = null;
    if (running?.signal.aborted) return home();
    complain(error instanceof Problem ? error : new Problem({ local: "unexpected", again: true }));
  }
}

function tooMuch(limits) {
  const params = { files: chosen.length, size: size() / MB, most: limits.files, limit: limits.bytes / MB };
  const written = Object.fromEntries(Object.entries(params).map(([key, value]) => [key, number(value, 1)]));
  return new Problem({ local: "many", params: written });
}

/** Show a batch as it is now. */
function takeUp(now) {
  const before = state?.done;
  state = now;
  if (state.state === "failed") return complain(new Problem(state.problem));
  for (const kind of ["xlsx", "csv"]) $(kind).href = batchAddress(state.id, `/report.${kind}`);
  $("report").href = batchAddress(state.id, "/report.html");
  tellProgress();
  show(state.state === "done" ? "done" : "working");
  if (before !== state.done && (state.done * 10) % state.photos < 10) $("status").textContent = progress(); // spoken now and then
}

/** Follow a batch to its end. Several pages can follow the same. */
function watch(id) {
  source?.close();
  const mine = (source = new EventSource(batchAddress(id, "/events")));
  mine.addEventListener("progress", (event) => {
    takeUp(JSON.parse(event.data));
    if (state.state === "done" || state.state === "failed") mine.close();
  });
  mine.addEventListener("deleted", () => {
    mine.close();
    complain(new Problem({ local: "gone" }));
  });
  mine.onerror = () => {
    if (mine.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    setTimeout(async () => {
      if (source !== mine) return;
      const now = await batch(id).catch(() => undefined);
      if (source !== mine) return;
      if (now === null) complain(new Problem({ local: "gone" }));
      else watch(id);
    }, AGAIN_MS);
  };
}

function complain(problem) {
  trouble = problem;
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
  const id = named();
  if (known && !known.limits.batches) return complain(new Problem({ local: "off" }));
  tell();
  if (!id) return show("start");
  try {
    const now = await batch(id);
    if (!now) return complain(new Problem({ local: "gone" }));
    takeUp(now);
    if (now.state === "waiting" || now.state === "running") watch(id);
  } catch {
    complain(new Problem({ local: "offline", again: true }));
  }
}

async function remove() {
  $("sure").close();
  if (!state) return running?.abort();
  source?.close();
  try {
    await deleteBatch(state.id);
    history.pushState(null, "", location.pathname);
    await home();
    $("status").textContent = text("batch.deleted");
  } catch {
    complain(new Problem({ local: "offline", again: true }));
  }
}

$("choose").onclick = () => $("files").click();
$("choose-folder").onclick = () => $("folder").click();
for (const id of ["files", "folder"])
  $(id).onchange = (event) => {
    take([...event.target.files].map((file) => [file.webkitRelativePath || file.name, file]));
    event.target.value = "";
  };

addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
addEventListener("drop", async (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  if (document.body.dataset.view !== "start") return;
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...event.dataTransfer.files].map((file) => [file.name, file]);
  take(entries.length ? (await Promise.all(entries.map(within))).flat() : files);
});

/** [name, file] of a dropped file, or of all files in a dropped folder. */
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
  return (await Promise.all(found.map(within))).flat();
}

$("begin").onclick = begin;
$("retry").onclick = () => (chosen.length ? begin() : home());
for (const button of document.querySelectorAll("[data-delete]")) button.onclick = () => $("sure").showModal();
$("keep").onclick = () => $("sure").close();
$("delete").onclick = remove;
for (const link of document.querySelectorAll("[data-again]"))
  link.onclick = (event) => {
    event.preventDefault();
    history.pushState(null, "", location.pathname);
    home();
  };
addEventListener("popstate", home);

for (const button of document.querySelectorAll("[data-language]"))
  button.onclick = () => {
    choose(button.dataset.language);
    tell();
  };

speak(language);
alive();
known = await tables();
await home();
document.body.dataset.ready = "";
