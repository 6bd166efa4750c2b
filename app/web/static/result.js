// What the service said of a photo, in words: the level, the numbers, the messages, and a card for each hand.

import { $, element } from "./elements.js";
import { kind } from "./picture.js";
import { either, language, text } from "./words.js";

const STRENGTHS = ["official", "common", "possible"];
const KINDS = ["flagged", "unclear", "fine"];
const SHOWN = ["pose-read-as-number", "pose-possibly-read", "safe-poses"]; // by the chips and as pictures
const FIRST = "consider-another"; // what to do comes before why
const OF_LISTS = ["pose-on-list", "lists-disagree", "lists-safe"]; // said of each pose, and a photo of many hands has many
const FEW = 2; // of those are shown, and what goes beyond is folded

/** [hand, number] of the hands that pose: those to review first. */
export function numbered(result) {
  const posing = result.hands.filter((hand) => hand.state !== "rest");
  posing.sort((one, other) => KINDS.indexOf(kind(one)) - KINDS.indexOf(kind(other)));
  return posing.map((hand, place) => [hand, place + 1]);
}

/** Put the result into the page. `picked` hears the number of the card that is clicked. */
export function describe(result, shown, picked) {
  document.querySelector(".result").dataset.level = result.level;
  $("level-icon").setAttribute("href", `static/icons.svg#${result.level}`);
  $("level").textContent = text(`level.${result.level}`);
  const codes = result.codes.filter((code) => code.on_ballot);
  codes.sort((one, other) => one.number - other.number);
  $("numbers").hidden = !codes.length;
  const strengths = STRENGTHS.map((strength) => [strength, codes.filter((code) => code.strength === strength)]);
  $("chips").replaceChildren(...strengths.filter(([, some]) => some.length).map(([strength, some]) => chips(strength, some)));

  const said = result.messages.filter(({ key }) => !SHOWN.includes(key));
  said.sort((one, other) => (other.key === FIRST) - (one.key === FIRST));
  $("messages").replaceChildren(...messages(said));
  $("instead").hidden = !result.messages.some(({ key }) => key === "safe-poses");

  const kinds = new Set(shown.map(([hand]) => kind(hand)));
  for (const one of KINDS) document.querySelector(`.legend .${one}`).hidden = !kinds.has(one);
  document.querySelector("#result figcaption").hidden = !shown.length;
  document.querySelector("[data-copy=annotated]").hidden = !shown.length;
  const needsLook = kinds.has("flagged") || kinds.has("unclear");
  for (const one of document.querySelectorAll("[data-copy=redacted], #redacted-hint")) one.hidden = !needsLook;
  $("again").classList.toggle("primary", !needsLook); // else the blurred copy is
  $("copy-problem").textContent = "";

  $("cards").replaceChildren(...shown.map(([hand, place]) => card(hand, place, result.ballot, picked)));
  $("rest").textContent = resting(result.hands.length, shown.length);
}

/** Highlight the card of a hand; null for none. On a narrow page the picture then stays in sight above the cards. */
export function highlight(place) {
  const card = $("cards").querySelector(place === null ? ".selected" : `[data-hand="${place}"]`);
  const top = card?.getBoundingClientRect().top;
  document.querySelector(".result").classList.toggle("picked", place !== null);
  for (const item of $("cards").children) {
    const mine = Number(item.dataset.hand) === place;
    item.classList.toggle("selected", mine);
    item.querySelector(".card-main").setAttribute("aria-pressed", String(mine));
  }
  if (!card) return;
  scrollBy({ top: card.getBoundingClientRect().top - top, behavior: "instant" }); // what the picture's new height moved
  if (place !== null) card.scrollIntoView({ block: "nearest" });
}

function chips(strength, codes) {
  const numbers = codes.map((code) => element("strong", "chip", code.number));
  return element("li", strength, ...numbers, element("span", "", text(`strength.${strength}`)));
}

/** An item for each message; those of lists that go beyond a few, where that is more than one, folded in the place of the first of them. */
function messages(said) {
  const beyond = said.filter(({ key }) => OF_LISTS.includes(key)).slice(FEW);
  if (beyond.length < 2) return said.map(message);
  return said.flatMap((one) => (one === beyond[0] ? [folded(beyond)] : beyond.includes(one) ? [] : [message(one)]));
}

function message({ key, text: words }) {
  return element("li", key, words[language]);
}

function folded(some) {
  const summary = element("summary", "", text("messages.more", { count: some.length }));
  return element("li", "folded", element("details", "", summary, element("ul", "", ...some.map(message))));
}

function card(hand, place, ballot, picked) {
  const canvas = element("canvas", "crop");
  canvas.width = canvas.height = 192;
  const badge = element("span", "badge", place);
  for (const one of [canvas, badge]) one.setAttribute("aria-hidden", "true");

  const name = element("span", "unseen", `${text("hand.number", { number: place })}: `);
  const pose = hand.pose_name && `${hand.pose_name[language]}${hand.state === "unclear" ? "?" : ""}`;
  const words = element(
    "span",
    "card-words",
    element("span", "card-head", badge, name, element("span", "card-state", text(`hand.${kind(hand)}`))),
    element("span", "card-pose", pose ?? text("hand.unreadable")),
    ...reads(hand, ballot).map((line) => element("span", "card-reads", line)),
    element("span", "card-why", why(hand)),
  );
  const main = element("button", "card-main", canvas, words);
  main.type = "button";
  main.setAttribute("aria-pressed", "false");
  main.onclick = () => picked(place);
  const item = element("li", `card ${kind(hand)}`, main, hand.lists.length ? lists(hand.lists) : null);
  item.dataset.hand = place;
  return item;
}

/** What a hand may be read as, alone or together with another. ballot: the numbers on it. */
function reads(hand, ballot) {
  const onBallot = [...hand.readings.filter((reading) => ballot.includes(reading.number)), ...hand.together];
  const possible = (reading) => reading.strength === "possible" || hand.state === "unclear";
  return ["hand.reads", "hand.possibly-reads"].flatMap((key) => {
    const numbers = onBallot.filter((reading) => possible(reading) === (key === "hand.possibly-reads")).map((reading) => reading.number);
    return numbers.length ? [text(key, { numbers: either(numbers) })] : [];
  });
}

function why(hand) {
  const words = hand.why[language].charAt(0).toUpperCase() + hand.why[language].slice(1);
  if (hand.pose === null) return `${words}.`;
  const percent = Math.min(99, Math.round(hand.pose_confidence * 100)); // nothing that is computed is certain
  return `${words} (${text("hand.confidence", { percent })}).`;
}

function lists(stances) {
  const avoid = stances.filter((one) => one.stance === "avoid").length;
  const safe = stances.length - avoid;
  const title = avoid && safe ? "both" : avoid ? "avoid" : "safe";
  const summary = element("summary", "", text(`hand.lists.${title}`, { avoid, safe, count: stances.length }));
  const items = stances.map(({ stance, name }) =>
    element("li", "", element("span", `stance ${stance}`, text(`hand.lists.stance.${stance}`)), element("span", "", name[language])),
  );
  return element("details", "card-lists", summary, element("ul", "", ...items));
}

function resting(all, posing) {
  const count = all - posing;
  if (!all) return text("hands.none");
  if (!posing) return text("hands.only-rest");
  return count ? text(count === 1 ? "hands.rest.one" : "hands.rest.many", { count }) : "";
}
