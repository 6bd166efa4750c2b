// The page's words, from texts.id.json and texts.en.json, and whatever else depends on the language.

import { $ } from "./elements.js";
import { keep, recalled } from "./memory.js";

const LANGUAGES = ["id", "en"];
const NAMED = 5;

const catalogues = new Map(); // a language whose words are lost is not offered; the page does with the other
await Promise.all(
  LANGUAGES.map(async (one) => {
    try {
      const answer = await fetch(new URL(`texts.${one}.json`, import.meta.url));
      if (answer.ok) catalogues.set(one, await answer.json());
    } catch {}
  }),
);

const asked = new URLSearchParams(location.search).get("lang");
if (LANGUAGES.includes(asked)) keep("language", asked); // for the pages that this one leads to
export let language = [asked, recalled("language"), ...LANGUAGES].find((one) => catalogues.has(one));

/** The text of a key in the current language, with its {placeholders} filled in. */
export function text(key, params = {}) {
  return catalogues.get(language)[key].replace(/\{([\w-]+)\}/g, (_, name) => params[name]);
}

// Nothing for no key.
function words(key) {
  return key && text(key);
}

/** Title and detail of a problem, and their language. `doing`: what went wrong; a problem of the page's own says that it is undone. */
export function problemWords({ local, title, detail, lang, params = {} }, doing) {
  if (!local) return { title, detail, lang };
  const written = Object.fromEntries(Object.entries(params).map(([key, value]) => [key, Array.isArray(value) ? first(value) : number(value, 1)]));
  const undone = text(`undone.${doing}`);
  return { title: text(`problem.${local}.title`), detail: text(`problem.${local}.detail`, { ...written, undone }), lang: language };
}

/** A number as people of the language write it. */
export function number(value, digits = 0) {
  return value.toLocaleString(language, { maximumFractionDigits: digits });
}

/** Seconds as a time in words: "24 hours", "1 minute". */
export function duration(seconds) {
  const [size, unit] = seconds < 90 ? [1, "second"] : seconds < 3600 ? [60, "minute"] : [3600, "hour"];
  const maximumFractionDigits = unit === "hour" ? 1 : 0;
  return (seconds / size).toLocaleString(language, { style: "unit", unit, unitDisplay: "long", maximumFractionDigits });
}

/** The first few of some names, and how many more there are. */
function first(names) {
  const more = names.length - NAMED;
  const some = more > 0 ? [...names.slice(0, NAMED), text("names.more", { count: number(more) })] : names;
  return new Intl.ListFormat(language, { type: "conjunction" }).format(some);
}

/** "1, 2, or 3" in the current language. */
export function either(values) {
  return new Intl.ListFormat(language, { type: "disjunction" }).format(values.map(String));
}

/** Take the language that a reader chose, now and on later visits. */
export function choose(next) {
  keep("language", next);
  speak(next);
}

/** Show and announce a text at the top of the page; "" takes it away. */
export function note(key) {
  const line = $("note");
  line.dataset.text = key;
  line.textContent = words(key);
  line.classList.toggle("unseen", !key);
  if (key) line.scrollIntoView({ block: "nearest" });
}

/** Put the words of everything that carries data-text or data-label into a language. */
export function speak(next) {
  language = next;
  document.documentElement.lang = next;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = words(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
  for (const button of document.querySelectorAll("[data-language]")) {
    button.hidden = !catalogues.has(button.dataset.language);
    button.setAttribute("aria-pressed", String(button.dataset.language === next));
  }
}
