// Service worker: takes the photos that other apps share with the installed page (app.webmanifest), and hands them to it. It holds them no
// longer, and sees nothing else of what the page does, which is out of its scope.

let shared = Promise.resolve([]);

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "POST") return;
  shared = request.formData().then((form) => form.getAll("photo")).catch(() => []);
  event.respondWith(shared.then(() => Response.redirect("./?shared", 303)));
});

addEventListener("message", async ({ ports }) => {
  ports[0].postMessage(await shared);
  shared = Promise.resolve([]);
});
