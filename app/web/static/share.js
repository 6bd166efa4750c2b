// Lets phones offer the page where they share photos, once it is installed there. What cannot be had of this is not missed: http, Safari.

import { $ } from "./elements.js";

/** Take up what share.js needs, and offer to install the page where the browser says that it can. */
export function shareable() {
  navigator.serviceWorker?.register("share.js", { scope: "share" }).catch(() => {});
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault(); // the page's own button instead of the browser's notice
    $("install").hidden = false;
    $("install").onclick = () => {
      $("install").hidden = true; // the browser can be asked only once
      event.prompt();
    };
  });
  addEventListener("appinstalled", () => ($("install").hidden = true));
}

/** The files that another app has just shared, by the id that share.js gave them; none where they were lost on the way. */
export async function sharedFiles(id) {
  const worker = (await navigator.serviceWorker?.getRegistration("share"))?.active;
  if (!worker) return [];
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise((resolve) => (port1.onmessage = ({ data }) => resolve(data)));
  worker.postMessage(id, [port2]);
  return answer;
}
