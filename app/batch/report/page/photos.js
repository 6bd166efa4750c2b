// What the page knows: photos, and the hands in them that do not rest, from the blocks of data that stand before this script.

/** { name, level, size, taken_at, hands, resting, messages }, or { name, errors: { title, detail } by language }. */
const photos = Array.from(document.querySelectorAll("script.photo"), (block, place) => ({ place, ...JSON.parse(block.textContent) }));

/** { place, photo, line, confidence, box, key, kind, state, pose, name, readings, lists, why }, in the order of the photos. */
const hands = photos.flatMap((photo) =>
  (photo.hands ?? []).map(([finding, confidence, x, y, width, height, key], line) => ({
    ...shared.findings[finding], photo, line, confidence, box: { x, y, width, height }, key,
  })),
);
hands.forEach((hand, place) => (hand.place = place));

const pictured = document.querySelector('script[id^="pixels-"]') !== null;

/** A hand's crop as an address, or null where none was kept. */
function crop(hand) {
  return picture(hand.photo, hand.line + 1);
}

/** A photo's small copy as an address, or null where none was kept. */
function preview(photo) {
  return picture(photo, 0);
}

function picture(photo, line) {
  const pixels = $(`pixels-${photo.place}`)?.textContent.split("\n")[line];
  return pixels ? `data:image/jpeg;base64,${pixels}` : null;
}

function poseOf(hand) {
  if (!hand.name) return text("hand.unreadable");
  return `${capital(hand.name[language])}${hand.state === "unclear" ? "?" : ""}`;
}

/** How sure a hand's pose is; "" where none can be read, and there is nothing to be sure of. */
function sureOf(hand) {
  return hand.pose === null ? "" : text("hand.confidence", { percent: percent(hand.confidence) });
}

/** A hand's numbers as they stand on its tile; with a question mark those merely possible, and those of a hand that is unclear. */
function numbersOf(hand) {
  return hand.readings.map((reading) => (hand.state === "unclear" || reading.strength === "possible" ? `${reading.number}?` : `${reading.number}`));
}
