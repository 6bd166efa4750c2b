// Finds and makes what the pages show, and the reports of batches too.

export const $ = (id) => document.getElementById(id);

/** Make an element: its class, then its text or its children. */
export function element(name, className = "", ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children.filter((one) => one !== null));
  return made;
}

/** Make a part of a drawing. */
export function draw(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
