// What the reader has marked as reviewed, and noted. Kept in this browser, under keys that tell nothing of the photos.

const MARKS = `jari-report:${shared.batch}`;

let marks = recallMarks() ?? {};

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
  marks = recallMarks() ?? marks; // what was marked in another tab stays
  const next = { ...markOf(hand), ...change };
  if (next.reviewed || next.note) marks[hand.key] = next;
  else delete marks[hand.key];
  return keep(MARKS, JSON.stringify(marks));
}

/** The marked hands as a file: "json" or "csv". */
function exported(format) {
  const rows = hands.filter((hand) => hand.key in marks).map((hand) => ({
    photo: hand.photo.name,
    ...hand.box,
    pose: hand.pose ?? "",
    numbers: numbersOf(hand).join(" "),
    confidence: hand.confidence,
    ...markOf(hand),
  }));
  if (format === "json") return JSON.stringify({ batch: shared.batch, made: new Date().toISOString(), hands: rows }, null, 1);
  const lines = [Object.keys(rows[0] ?? {}), ...rows.map((row) => Object.values(row))];
  return "\ufeff" + lines.map((cells) => cells.map(csvCell).join(",") + "\n").join("");
}

/** Quoted where needed; what a spreadsheet would take for a formula begins with an apostrophe. */
function csvCell(value) {
  let cell = String(value ?? "");
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(cell)) cell = `'${cell}`;
  return /[",\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
