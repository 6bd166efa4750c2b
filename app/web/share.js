// Service worker: takes the photos that other apps share with the installed page (app.webmanifest), holds them until the page asks, and sees
// nothing else of what the page does, which is out of its scope.

const HELD_MS = 120_000; // the page may come late: the line is slow, a password is asked for first

const shared = new Map(); // files, by the id with which the page asks for them

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "POST") return;
  const id = crypto.randomUUID();
  const taken = request.formData().then((form) => shared.set(id, form.getAll("photo")));
  event.respondWith(taken.catch(() => {}).then(() => Response.redirect(`./?shared=${id}`, 303)));
  event.waitUntil(new Promise((over) => setTimeout(over, HELD_MS)).then(() => shared.delete(id))); // until then the browser does not stop it
});

addEventListener("message", ({ data: id, ports }) => {
  ports[0].postMessage(shared.get(id) ?? []);
  shared.delete(id);
});
