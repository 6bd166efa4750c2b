// One hand: its photo with the hand marked, what is said of it, and the reader's mark. Photos are never shown larger than they were kept.

const STRENGTHS = ["official", "common", "possible"];

let viewed = null; // place in the list
let filled = ""; // the note that its field was filled with

function view(place) {
  viewed = place;
  const hand = listed[place];
  const { photo } = hand;
  $("photo-name").textContent = printable(photo.name);
  $("place").textContent = text("viewer.place", { place: number(place + 1), all: number(listed.length) });
  // Not disabled, which would take the focus from them, and the arrow keys with it.
  $("previous").setAttribute("aria-disabled", place === 0);
  $("next").setAttribute("aria-disabled", place === listed.length - 1);
  $("frame").replaceChildren(...frame(hand));
  $("said").replaceChildren(...said(hand));
  fillNote();
  showMark();
  if (!$("viewer").open) {
    $("viewer").showModal();
    $("done").focus();
  }
  $("viewer").scrollTop = 0;
}

function fillNote() {
  filled = markOf(listed[viewed]).note;
  $("note").value = filled;
}

/** Show whether the hand was reviewed, and have it all said, in the dialog: while it is open, nothing outside is. */
function showMark() {
  const { reviewed } = markOf(listed[viewed]);
  if (!reviewed && document.activeElement === $("undo")) $("done").focus();
  $("undo").hidden = !reviewed;
  $("when").textContent = reviewed ? text("mark.when", { date: date(reviewed) }) : "";
  $("spoken").textContent = [$("place").textContent, spoken(listed[viewed]), $("status").textContent].filter((one) => one).join(". ");
}

/** Show what was marked in another tab. What is being written here stays. */
function refresh() {
  if (!$("viewer").open) return;
  if ($("note").value === filled) fillNote();
  showMark();
}

function frame(hand) {
  const { photo } = hand;
  const [width, height] = photo.size;
  const address = preview(photo);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" });
  for (const other of hands.slice(hand.place - hand.line, hand.place - hand.line + photo.hands.length))
    if (other !== hand) svg.append(draw("rect", { class: `box ${other.kind} other`, ...other.box, "data-hand": other.place }));
  svg.append(draw("rect", { class: "box casing", ...hand.box }), draw("rect", { class: `box ${hand.kind}`, ...hand.box }));
  $("frame").classList.toggle("bare", !address);
  if (address) {
    const image = element("img");
    image.alt = text("viewer.alt");
    image.src = address;
    return [image, svg];
  }
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", text("viewer.frame"));
  svg.style.aspectRatio = `${width} / ${height}`;
  return [svg];
}

function said(hand) {
  const { photo } = hand;
  const head = element("div", `said-head ${hand.kind}`);
  const address = crop(hand);
  if (address) {
    const image = element("img");
    image.alt = "";
    image.src = address;
    head.append(image);
  }
  const words = element("div", "", element("p", "card-state", text(`hand.${hand.kind}`)), element("h2", "", poseOf(hand)));
  for (const strength of STRENGTHS) {
    const numbers = hand.readings.filter((reading) => reading.strength === strength).map((reading) => reading.number);
    const key = hand.state === "unclear" || strength === "possible" ? "hand.possibly-reads" : "hand.reads";
    if (numbers.length) words.append(element("p", "", `${text(key, { numbers: either(numbers) })} (${text(`strength.${strength}`)}).`));
  }
  const sure = sureOf(hand) && ` (${sureOf(hand)})`;
  words.append(element("p", "small", `${capital(hand.why[language])}${sure}.`));
  head.append(words);

  const more = element("ul", "said-more");
  if (hand.lists.length) more.append(element("li", "", stances(hand)));
  if (photo.taken_at) more.append(element("li", "", text("viewer.taken", { date: date(photo.taken_at) })));
  for (const message of photo.messages) more.append(element("li", "", shared.messages[message][language]));
  if (photo.resting) more.append(element("li", "", text(photo.resting === 1 ? "viewer.resting.one" : "viewer.resting.many", { count: photo.resting })));
  return [head, more];
}

function stances(hand) {
  const items = hand.lists.map(({ stance, name }) =>
    element("li", "", element("span", `stance ${stance}`, text(`lists.${stance}`)), element("span", "", name[language])),
  );
  return element("details", "card-lists", element("summary", "", text("lists.title", { count: items.length })), element("ul", "", ...items));
}

/** Change the mark of the hand that is viewed, if that changes anything. */
function change(what) {
  const hand = listed[viewed];
  const before = markOf(hand);
  if (Object.entries(what).every(([key, value]) => before[key] === value)) return;
  $("status").textContent = mark(hand, what) ? "" : text("mark.not-kept");
  $("note-hint").textContent = $("status").textContent || text("mark.note.hint");
  for (const place of listed.keys()) if (listed[place].key === hand.key) retile(place); // identical photos share their marks
  progress();
  showMark();
}

/** Keep what was written here, if anything was; where another tab wrote as well, both notes stay. */
function keepNote() {
  if ($("note").value === filled) return;
  const kept = markOf(listed[viewed]);
  const note = $("note").value.trim();
  change({ note: kept.note === filled ? note : merged(kept, { note }).note });
  fillNote();
}

function turn(step) {
  keepNote();
  if (viewed + step >= 0 && viewed + step < listed.length) view(viewed + step);
  else view(viewed);
}

$("previous").onclick = () => turn(-1);
$("next").onclick = () => turn(1);
$("done").onclick = () => {
  change({ reviewed: markOf(listed[viewed]).reviewed ?? new Date().toISOString() });
  if (viewed === listed.length - 1) $("viewer").close();
  else turn(1);
};
$("undo").onclick = () => change({ reviewed: null });
$("close").onclick = () => $("viewer").close();
$("note").onchange = keepNote;
document.addEventListener("visibilitychange", () => {
  if ($("viewer").open) keepNote(); // a tab that is closed, loaded anew or put away tells of no change
});
$("frame").onclick = (event) => {
  const place = listed.indexOf(hands[event.target.dataset.hand]);
  if (place >= 0) turn(place - viewed);
};
$("viewer").onclick = (event) => {
  if (event.target === $("viewer")) $("viewer").close(); // beside the dialog's content
};
// Wherever the focus is: a click beside the buttons leaves it nowhere.
addEventListener("keydown", (event) => {
  if (!$("viewer").open) return;
  if (event.key === "Enter" && event.repeat) event.preventDefault(); // a key held down must not mark one hand after another
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step || event.target === $("note")) return;
  event.preventDefault();
  turn(step);
});
$("viewer").onclose = () => {
  keepNote();
  focusTile(viewed);
};
