// The page on privacy: its words, and how this installation is set.

import { alive } from "./alive.js";
import { $, element } from "./elements.js";
import { duration, text } from "./words.js";

const set = await settings();

/** How this installation is set; null where it does not say. */
async function settings() {
  try {
    const answer = await fetch("privacy", { headers: { Accept: "application/json" } });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

function tell() {
  const facts = Object.entries(set ?? {}).filter(([, value]) => typeof value === "boolean");
  $("facts").replaceChildren(
    ...facts.flatMap(([key, value]) => [
      element("dt", "", text(`privacy.set.${key.replaceAll("_", "-")}`)),
      element("dd", "", value ? text("privacy.yes") : text("privacy.no")),
    ]),
  );
  $("batches").hidden = !set?.batches;
  $("batches").textContent = text("privacy.batches", { time: duration(set?.results_kept_s ?? 0) });
  $("contact").textContent = set ? (set.contact ?? text("privacy.contact.none")) : text("privacy.set.unread");
}

alive(tell);
tell();
