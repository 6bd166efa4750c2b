// What the pages do alike.

import { $ } from "./elements.js";
import { choose, language, problemWords, speak, text } from "./words.js";

/**
 * Once a page's script is there: say its words, now and in each language that is chosen, upon which `tell` says what only the page knows; take
 * away the notice that the page is not whole, and let the link past the bar do no more than move the focus.
 */
export function alive(tell) {
  for (const button of document.querySelectorAll("[data-language]"))
    button.onclick = () => {
      choose(button.dataset.language);
      tell();
    };
  speak(language);
  $("late").remove();
  document.querySelector(".skip").onclick = (event) => {
    event.preventDefault(); // a jump would go into the history, where the pages keep photos and batches
    $("main").focus();
  };
}

/** Show whoever drags files over the page where to drop them. `take` hears the DataTransfer that is dropped. */
export function dropZone(take) {
  const { classList } = document.body;
  addEventListener("dragover", (event) => {
    event.preventDefault();
    classList.add("dragging");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) classList.remove("dragging");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    classList.remove("dragging");
    take(event.dataTransfer);
  });
}

/** Put a problem into the words of the page's view of it. `doing`: see `problemWords`. */
export function tellProblem(problem, doing) {
  const { title, detail, lang } = problemWords(problem, doing);
  Object.assign($("problem-title"), { textContent: title, lang });
  Object.assign($("problem-detail"), { textContent: detail, lang });
  $("retry").hidden = !problem.again;
  $("retry").querySelector("span").textContent = text(problem.lost ? "batch.rest" : "problem.retry");
}
