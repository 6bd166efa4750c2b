// The choice of a contest on the pages, and what the browser keeps of it.

import { $ } from "./elements.js";
import { erase, keep, recalled } from "./memory.js";
import { language } from "./words.js";

const select = $("contest");

/** The key of the contest to check for: the one chosen or, while the service has not told what there is, on an earlier visit; else "". */
export const contestChosen = () => select.value || recalled("contest") || "";

/** Offer the contests that the service knows, in the current language. The one chosen, here or on an earlier visit, stays chosen if it is known. */
export function offer({ contests, default: usual }) {
  const keys = contests.map((one) => one.key);
  const now = [contestChosen(), usual].find((key) => keys.includes(key));
  select.replaceChildren(...contests.map((one) => new Option(one.name[language], one.key, one.key === usual, one.key === now)));
  // The usual one is kept by keeping none: another may be the usual one at the next election.
  select.onchange = () => (select.value === usual ? erase("contest") : keep("contest", select.value));
}
