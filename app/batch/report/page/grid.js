// The grid of hands: which are shown, in which order, and a tile for each.

const KINDS = ["flagged", "unclear", "fine"];
const CHUNK = 120; // tiles made at once; more follow as the reader comes near the end

const STATES = {
  "": () => true,
  open: (hand) => !markOf(hand).reviewed,
  done: (hand) => Boolean(markOf(hand).reviewed),
  noted: (hand) => Boolean(markOf(hand).note),
};
const ORDERS = {
  photo: (one, other) => one.place - other.place,
  sure: (one, other) => other.confidence - one.confidence || one.place - other.place,
  unsure: (one, other) => one.confidence - other.confidence || one.place - other.place,
};

const chosen = unfiltered();
let listed = []; // the hands that match, in order

function unfiltered() {
  return { kinds: new Set(["flagged", "unclear"]), numbers: new Set(), pose: "", list: "", state: "", name: "", order: "photo" };
}

/** Whether a hand is one of those that the report asks to look at. */
function isOpen(hand) {
  return unfiltered().kinds.has(hand.kind);
}

function matches(hand) {
  return (
    chosen.kinds.has(hand.kind) &&
    (!chosen.numbers.size || hand.readings.some((reading) => chosen.numbers.has(reading.number))) &&
    (!chosen.pose || hand.pose === chosen.pose) &&
    (!chosen.list || hand.lists.some((one) => one.list === chosen.list && one.stance === "avoid")) &&
    STATES[chosen.state](hand) &&
    hand.photo.name.normalize().toLowerCase().includes(chosen.name)
  );
}

/** Fill the grid with the hands that match what is chosen. */
function list() {
  listed = hands.filter(matches).sort(ORDERS[chosen.order]);
  const among = new Set(listed.map((hand) => hand.photo)).size;
  $("found").textContent = listed.length ? text("hands.count", { hands: number(listed.length), photos: number(among) }) : text("hands.empty");
  nearby.disconnect();
  $("tiles").replaceChildren();
  nearby.observe($("more"));
  extend();
}

/** Make tiles up to a place in the list. */
function extend(upTo = $("tiles").childElementCount + CHUNK) {
  const made = $("tiles").childElementCount;
  const some = listed.slice(made, upTo).map((hand, place) => tile(hand, made + place));
  $("tiles").append(...some);
  for (const one of some) nearby.observe(one);
}

// Crops are read from the page's data only when their tile comes near.
const nearby = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      if (target === $("more")) extend();
      else show(target);
    }
    if (listed.length > $("tiles").childElementCount) {
      nearby.unobserve($("more")); // so that it is reported once more if it is still near
      nearby.observe($("more"));
    }
  },
  { rootMargin: "800px" },
);

function show(item) {
  nearby.unobserve(item);
  const image = item.querySelector("img");
  if (image && !image.src) image.src = crop(listed[item.firstChild.dataset.place]) ?? "";
}

function tile(hand, place) {
  const { reviewed, note } = markOf(hand);
  const numbers = numbersOf(hand);
  const name = printable(hand.photo.name);
  const folder = Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1;
  const picture = element("span", "tile-picture");
  if (pictured) {
    const image = element("img");
    image.alt = "";
    picture.append(image);
  }
  picture.append(element("span", "tile-number", numbers.join(" ") || (hand.kind === "unclear" ? "?" : "–")));
  if (sureOf(hand)) picture.append(element("span", "tile-sure", `${percent(hand.confidence)}%`));
  if (reviewed) picture.append(icon("clear", "tile-done"));
  const button = element(
    "button",
    `tile ${hand.kind}${pictured ? "" : " bare"}${reviewed ? " reviewed" : ""}`,
    picture,
    element("span", "tile-pose", poseOf(hand)),
    element("bdi", "tile-name", element("span", "tile-folder", name.slice(0, folder)), name.slice(folder)),
    note ? element("span", "tile-note", note) : null,
  );
  button.type = "button";
  button.dataset.place = place;
  button.tabIndex = place ? -1 : 0; // arrows lead from tile to tile
  button.title = name;
  button.setAttribute("aria-label", spoken(hand));
  return element("li", "", button);
}

/** A hand in one sentence, for those who do not see it. */
function spoken(hand) {
  const numbers = numbersOf(hand);
  const said = numbers.length ? text("hand.label.number", { numbers: either(numbers) }) : text("hand.label.none");
  const read = [poseOf(hand), said, sureOf(hand)].filter((one) => one).join(", ");
  const label = text("hand.label", { kind: text(`hand.${hand.kind}`), read, name: printable(hand.photo.name) });
  return markOf(hand).reviewed ? `${label}. ${text("filter.done")}` : label;
}

/** Make a hand's tile anew, after it was marked. */
function retile(place) {
  const old = $("tiles").children[place];
  if (!old) return;
  const item = tile(listed[place], place);
  item.firstChild.tabIndex = old.firstChild.tabIndex;
  old.replaceWith(item);
  show(item);
}

function focusTile(place) {
  if (place < 0 || place >= listed.length) return;
  if (!$("tiles").children[place]) extend(place + CHUNK);
  for (const one of $("tiles").querySelectorAll('[tabindex="0"]')) one.tabIndex = -1;
  const button = $("tiles").children[place].firstChild;
  button.tabIndex = 0;
  button.focus();
}

$("tiles").onclick = (event) => {
  const button = event.target.closest(".tile");
  if (button) view(Number(button.dataset.place));
};
$("tiles").onkeydown = (event) => {
  const place = Number(event.target.closest(".tile")?.dataset.place);
  const columns = getComputedStyle($("tiles")).gridTemplateColumns.split(" ").length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  const next = { Home: 0, End: listed.length - 1 }[event.key] ?? place + step;
  if (Number.isNaN(next) || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  focusTile(next);
};
