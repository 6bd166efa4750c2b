// What every page does once its script is there.

/** Take away the notice that the page is not whole, and let the link past the bar do no more than move the focus. */
export function alive() {
  document.getElementById("late").remove();
  document.querySelector(".skip").onclick = (event) => {
    event.preventDefault(); // a jump would go into the history, where the pages keep photos and batches
    document.getElementById("main").focus();
  };
}
