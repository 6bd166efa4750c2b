// The page's words, and whatever else depends on the language.

const shared = JSON.parse(document.querySelector("script.shared").textContent);

let language = [recalled("language"), document.documentElement.lang].find((one) => one in shared.texts);

/** The text of a key in the current language, with its {placeholders} filled in. */
function text(key, params = {}) {
  return shared.texts[language][key].replace(/\{([\w-]+)\}/g, (_, name) => params[name]);
}

function number(value) {
  return value.toLocaleString(language);
}

function percent(share) {
  return Math.min(99, Math.round(share * 100)); // nothing that is computed is certain
}

/** "1, 2, or 3" in the current language. */
function either(values) {
  return new Intl.ListFormat(language, { type: "disjunction" }).format(values.map(String));
}

function date(written) {
  return new Date(written).toLocaleString(language, { dateStyle: "long", timeStyle: "short" });
}

function capital(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A file's name with its control characters, and those that turn the direction of writing, made visible. */
function printable(name) {
  return name.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/gu, "\ufffd");
}

function icon(name, className = "icon") {
  const svg = draw("svg", { class: className, "aria-hidden": "true" });
  svg.append(draw("use", { href: `#icon-${name}` }));
  return svg;
}

/** Put the words of everything that carries data-text or data-label into the current language. */
function speak() {
  document.documentElement.lang = language;
  document.title = `${text("title")} · Jari Netral`;
  for (const one of document.querySelectorAll("[data-text]")) one.textContent = text(one.dataset.text);
  for (const one of document.querySelectorAll("[data-label]")) one.setAttribute("aria-label", text(one.dataset.label));
  for (const one of document.querySelectorAll("[data-language]")) one.setAttribute("aria-pressed", String(one.dataset.language === language));
}
