// What the reader has marked as reviewed, and noted. Kept in this browser, under keys that tell nothing of the photos.

const MARKS = `jari-report:${shared.batch}`;

let marks = recallMarks() ?? {};
let unkept = false; // whether the browser had no room for them: then those that it kept before are older

function recallMarks() {
  try {
    return JSON.parse(recalled(MARKS));
  } catch {
    return null;
  }
}

/** { reviewed: when, or null; note } of a hand. */
function markOf(hand) {
  return marks[hand.key] ?? { reviewed: null, note: "" };
}

/** Change a hand's mark. False where the browser does not keep it. */
function mark(hand, change) {
  update();
  put(hand, { ...markOf(hand), ...change });
  return keepMarks();
}

/** Take up what was marked in another tab. */
function update() {
  if (!unkept) marks = recallMarks() ?? marks;
}

function keepMarks() {
  unkept = !keep(MARKS, JSON.stringify(marks));
  return !unkept;
}

function put(hand, next) {
  if (next.reviewed || next.note) marks[hand.key] = next;
  else delete marks[hand.key];
}

/** Forget all marks of this report. */
function forget() {
  marks = {};
  unkept = false;
  erase(MARKS);
}

/** The marked hands as a file: "json", or "csv" as a spreadsheet in the page's language reads and writes it. */
function exported(format) {
  const marked = hands.filter((hand) => hand.key in marks);
  const rows = marked.map((hand) => ({
    photo: hand.photo.name,
    ...hand.box,
    kind: hand.kind,
    pose: hand.pose ?? "",
    numbers: numbersOf(hand).join(" "),
    confidence: hand.confidence,
    ...markOf(hand),
  }));
  if (format === "json") {
    const keyed = rows.map((row, place) => ({ key: marked[place].key, ...row }));
    return JSON.stringify({ batch: shared.batch, made: new Date().toISOString(), hands: keyed }, null, 1);
  }
  const lines = [Object.keys(rows[0] ?? {}), ...rows.map((row) => Object.values(row))];
  const separator = language === "id" ? ";" : ",";
  return "\ufeff" + lines.map((cells) => cells.map(csvCell).join(separator) + "\n").join("");
}

/**
 * Add the marks of a file that was exported as JSON, perhaps in another browser, to those that are here: nothing is lost, and the same file
 * may come twice. { taken, unknown: hands of each kind, kept }, or null where the file is no such file.
 */
function imported(written) {
  const rows = rowsOf(written);
  if (!rows) return null;
  const known = new Map(hands.flatMap((hand) => [[hand.key, hand], [whereOf(hand.photo.name, hand.box), hand]]));
  const found = rows.map((row) => [known.get(row.key ?? whereOf(row.photo, row)), row]).filter(([hand]) => hand);
  update();
  for (const [hand, row] of found) put(hand, merged(markOf(hand), row));
  return { taken: found.length, unknown: rows.length - found.length, kept: keepMarks() };
}

function rowsOf(written) {
  try {
    return JSON.parse(written).hands.filter((row) => typeof row.photo === "string");
  } catch {
    return null;
  }
}

/** What tells a hand in files that were exported without its key. */
function whereOf(photo, { x, y, width, height }) {
  return JSON.stringify([photo, x, y, width, height]);
}

/** The mark that is here with that of a row: the earlier review, and both notes, but for lines that are here. */
function merged(mine, row) {
  const times = [mine.reviewed, row.reviewed].filter((time) => !Number.isNaN(Date.parse(time)));
  const lines = (note) => note.split("\n").map((line) => line.trim());
  const known = lines(mine.note);
  const added = lines(String(row.note ?? "")).filter((line) => !line || !known.includes(line));
  return {
    reviewed: times.sort((one, other) => Date.parse(one) - Date.parse(other))[0] ?? null,
    note: [mine.note, added.join("\n").trim()].filter((one) => one).join("\n"),
  };
}

/**
 * Quoted where needed. What a spreadsheet would take for a formula, wherever it parts cells and rows, has an apostrophe before it, as in
 * report.csv (FORMULA of csv_report.py, put so that older browsers understand it).
 */
function csvCell(value) {
  let cell = String(value ?? "");
  if (typeof value === "string") {
    cell = cell.replace(/[;\t\r\n](?=[\s"]*[=+\-@＝＋－＠])/g, "$&'");
    cell = cell.replace(/^(?=[\t\r\n]|[\s"]*[=+\-@＝＋－＠])/, "'");
  } else if (language === "id") cell = cell.replace(".", ",");
  return /[",;\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
