// The page as a whole: the summary, the filters, photos without hands to look at, and what the page does.

const { summary } = shared;
const failed = photos.filter((photo) => photo.errors);
const clear = photos.filter((photo) => photo.level === "clear");

function tell() {
  speak();
  const all = Object.values(summary.photos).reduce((sum, one) => sum + one, 0);
  $("subtitle").textContent = text("subtitle", { photos: number(all), contest: shared.contest[language], date: date(shared.made) });
  const notices = [shared.general["for-guidance"][language], shared.general["initial-advice"][language], text("notice.care")];
  if (shared.left_out) notices.push(text("notice.left-out", { count: number(shared.left_out) }));
  if (!pictured && hands.length) notices.push(text("notice.pixels"));
  $("notice").replaceChildren(...notices.map((words) => element("p", "", words)));
  const foot = [shared.general["often-without-intent"][language], text("notice.clear"), shared.general["safe-poses"][language]];
  $("foot").replaceChildren(...foot.map((words) => element("p", "", words)));
  summarise();
  offer();
  progress();
  list();
  unchecked();
}

function summarise() {
  $("counts").replaceChildren(...["review", "unclear", "clear", "failed"].map((level) => element("li", "", count(level))));
  const open = hands.filter(isOpen).length;
  $("look").hidden = !open;
  $("look").firstChild.textContent = text(open === 1 ? "summary.look.one" : "summary.look.many", { count: number(open) });
  const kinds = Object.fromEntries([...KINDS, "rest"].map((kind) => [kind, summary.hands[kind] ?? 0]));
  const all = Object.values(kinds).reduce((sum, one) => sum + one, 0);
  $("seen").textContent = text("summary.hands", Object.fromEntries(Object.entries({ all, ...kinds }).map(([key, value]) => [key, number(value)])));
  const charts = [
    bars("summary.numbers", "numbers", counted(summary.numbers, (key) => key)),
    bars("summary.poses", "pose", counted(summary.poses, poseName)),
    bars("summary.lists", "list", counted(summary.lists, listName)),
  ].filter((one) => one);
  $("bars").replaceChildren(...charts);
  $("charts").hidden = !charts.length;
}

// Where the photos of a level are on the page, and what leads to them.
const LEVELS = {
  review: { icon: "review", place: "hands", show: () => only({ kinds: new Set(["flagged"]) }) },
  unclear: { icon: "unclear", place: "hands", show: () => only({ kinds: new Set(["unclear"]) }) },
  clear: { icon: "clear", place: "clear", show: () => ($("clear").open = true) },
  failed: { icon: "problem", place: "failed" },
};

/** How many photos came out so: a link to them, where there are any. */
function count(level) {
  const { icon: shape, place, show } = LEVELS[level];
  const photos = summary.photos[level] ?? 0;
  const said = element("span", "", `${text("summary.photos")} · ${text(`level.${level}`)}`);
  const card = element(photos ? "a" : "div", `count ${level}`, icon(shape), element("strong", "", number(photos)), " ", said);
  if (photos) card.href = `#${place}`;
  if (photos && show) card.onclick = show;
  return card;
}

/** [key, name, count], most first; numbers in their own order. */
function counted(counts, name) {
  const rows = Object.entries(counts).map(([key, count]) => [key, name(key), count]);
  return counts === summary.numbers ? rows : rows.sort((one, other) => other[2] - one[2]);
}

function bars(title, filter, rows) {
  if (!rows.length) return null;
  const most = Math.max(...rows.map(([, , count]) => count));
  const items = rows.map(([key, name, count]) => {
    const fill = element("span", "bar-fill");
    fill.style.width = `${(count / most) * 100}%`;
    // What only a screen reader needs stands around what is seen, so that its name has the words by which it can be called out.
    const button = element(
      "button",
      "bar-row",
      element("span", "bar-name", element("span", "unseen", `${text(title)} `), name, element("span", "unseen", ":")),
      element("span", "bar-track", fill),
      element("span", "bar-count", number(count), element("span", "unseen", ` ${text("summary.filter")}`)),
    );
    button.type = "button";
    button.onclick = () => {
      only({ kinds: new Set(["flagged"]), [filter]: filter === "numbers" ? new Set([Number(key)]) : key });
      $("hands").focus({ preventScroll: true });
      $("hands").scrollIntoView();
    };
    return element("li", "", button);
  });
  return element("div", "", element("h3", "", text(title)), element("ul", "", ...items));
}

/** Show the hands that something in the summary counts, and no others. */
function only(what) {
  Object.assign(chosen, unfiltered(), { order: chosen.order }, what);
  offer();
  list();
}

const names = {};
for (const finding of shared.findings) {
  if (finding.pose) names[`pose ${finding.pose}`] = finding.name;
  for (const one of finding.lists) names[`list ${one.list}`] = one.name;
}

function poseName(key) {
  return names[`pose ${key}`] ? capital(names[`pose ${key}`][language]) : key;
}

function listName(key) {
  return names[`list ${key}`]?.[language] ?? key;
}

/** Put what can be chosen, and what is, into the filters. */
function offer() {
  const kinds = KINDS.filter((kind) => summary.hands[kind]);
  $("kinds").replaceChildren(...kinds.map((kind) => pick(text(`hand.${kind}`), kind, chosen.kinds, summary.hands[kind], kind)));
  const numbers = [...new Set(hands.flatMap((hand) => hand.readings.map((reading) => reading.number)))].sort((one, other) => one - other);
  $("number-field").hidden = !numbers.length;
  $("numbers").replaceChildren(...numbers.map((one) => pick(String(one), one, chosen.numbers)));
  const shown = hands.filter((hand) => hand.pose).map((hand) => hand.pose);
  options("pose", [...new Set(shown)].map((key) => [key, poseName(key)]).sort(byName));
  const advising = hands.flatMap((hand) => hand.lists.filter((one) => one.stance === "avoid").map((one) => one.list));
  options("list", [...new Set(advising)].map((key) => [key, listName(key)]).sort(byName));
  options("state", ["open", "done", "noted"].map((key) => [key, text(`filter.${key}`)]));
  $("order").replaceChildren(...Object.keys(ORDERS).map((key) => new Option(text(`order.${key}`), key, false, key === chosen.order)));
  $("name").value = chosen.name;
}

/** What is chosen, in words; "" where that is no more than at first. */
function filters() {
  const named = (kinds) => either(KINDS.filter((kind) => summary.hands[kind] && kinds.has(kind)).map((kind) => text(`hand.${kind}`))) || "–";
  const kinds = named(chosen.kinds);
  const words = {
    kind: kinds === named(unfiltered().kinds) ? "" : kinds,
    number: either([...chosen.numbers].sort((one, other) => one - other)),
    pose: chosen.pose && poseName(chosen.pose),
    list: chosen.list && listName(chosen.list),
    reviewed: chosen.state && text(`filter.${chosen.state}`),
    name: chosen.name && `“${chosen.name}”`,
  };
  const said = Object.entries(words).filter(([, value]) => value).map(([key, value]) => `${text(`filter.${key}`).toLowerCase()} ${value}`);
  return said.length ? text("filter.on", { filters: said.join("; ") }) : "";
}

function byName([, one], [, other]) {
  return one.localeCompare(other, language);
}

function options(id, rows) {
  $(id).replaceChildren(new Option(text("filter.all"), ""), ...rows.map(([key, name]) => new Option(name, key, false, key === chosen[id])));
}

function pick(name, value, among, count = null, kind = "") {
  const box = element("input");
  box.type = "checkbox";
  box.checked = among.has(value);
  box.onchange = () => {
    if (box.checked) among.add(value);
    else among.delete(value);
    list();
  };
  return element("label", `pick ${kind}`, box, element("span", "", name), count === null ? null : element("span", "pick-count", number(count)));
}

/** Say how much has been reviewed of what needs a look. */
function progress() {
  const open = hands.filter(isOpen);
  const done = open.filter((hand) => markOf(hand).reviewed).length;
  $("reviewed").textContent = text("hands.reviewed", { done: number(done), all: number(open.length) });
}

function unchecked() {
  $("failed").hidden = !failed.length;
  $("reasons").replaceChildren(
    ...failed.flatMap(({ name, errors }) => [
      element("dt", "", element("bdi", "", printable(name))),
      element("dd", "", element("strong", "", errors[language].title), ` ${errors[language].detail}`),
    ]),
  );
  $("clear").hidden = !clear.length;
  $("clear").firstChild.textContent = text("clear.title", { count: number(clear.length) });
}

function nameClear() {
  const items = $("clear").open ? clear.map((photo) => element("li", "", element("bdi", "", printable(photo.name)))) : [];
  $("clear").lastChild.replaceChildren(...items);
}

$("clear").ontoggle = nameClear;

for (const id of ["pose", "list", "state", "order"])
  $(id).onchange = (event) => {
    chosen[id] = event.target.value;
    list();
  };
$("name").oninput = (event) => {
  chosen.name = event.target.value.normalize().toLowerCase(); // macOS writes accents apart
  list();
};
$("filter-form").onsubmit = (event) => event.preventDefault();
$("filter-form").onreset = (event) => {
  event.preventDefault();
  Object.assign(chosen, unfiltered());
  offer();
  list();
};

for (const button of document.querySelectorAll("[data-export]"))
  button.onclick = () => {
    if (!Object.keys(marks).length) {
      $("reviewed").textContent = text("export.none");
      return;
    }
    const format = button.dataset.export;
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([exported(format)], { type: format === "csv" ? "text/csv" : "application/json" }));
    link.download = `${text("export.file")}.${format}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };

$("import").onclick = () => $("import-file").click();
$("import-file").onchange = async ({ target }) => {
  const result = imported(await target.files[0].text());
  target.value = ""; // so that the same file can be chosen again
  if (result) {
    progress();
    list();
  }
  $("imported").textContent = result ? told(result) : text("import.wrong");
};

function told({ taken, unknown, kept }) {
  const words = [text("import.done", { count: number(taken) })];
  if (unknown) words.push(text("import.unknown", { count: number(unknown) }));
  if (!kept) words.push(text("mark.not-kept"));
  return words.join(" ");
}

$("forget").onclick = () => $("sure").showModal();
$("sure-no").onclick = () => $("sure").close();
$("sure-yes").onclick = () => {
  $("sure").close();
  forget();
  progress();
  list();
  $("imported").textContent = text("forget.done");
};

/** Everything that matches, with its crops: what goes on paper. */
function complete() {
  extend(listed.length);
  for (const item of $("tiles").children) show(item);
}

$("print").onclick = async () => {
  complete();
  await Promise.all([...$("tiles").querySelectorAll("img[src]")].map((image) => image.decode().catch(() => {})));
  print();
};

const FOLDS = ["charts", "clear"];
let unfolded = []; // those that were, before the page was printed
addEventListener("beforeprint", () => {
  complete();
  $("filtered").textContent = filters();
  unfolded = FOLDS.filter((id) => $(id).open);
  for (const id of FOLDS) $(id).open = true;
  nameClear(); // the browser tells that it was opened only later
});
addEventListener("afterprint", () => {
  for (const id of FOLDS) $(id).open = unfolded.includes(id);
});

// Another tab of the same report.
addEventListener("storage", (event) => {
  if (event.key !== MARKS || unkept) return;
  marks = recallMarks() ?? {};
  progress();
  for (const place of listed.keys()) if ($("tiles").children[place]) retile(place);
  refresh();
});

for (const button of document.querySelectorAll("[data-language]"))
  button.onclick = () => {
    language = button.dataset.language;
    keep("language", language);
    tell();
  };

$("filters").open = matchMedia("(min-width: 60rem)").matches;
$("report").hidden = false;
tell();
