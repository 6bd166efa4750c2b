// The photo on the page: shown as the browser decodes it, with the hands drawn over it, and a crop of each.

import { draw, element } from "./elements.js";

const FINGERS = [
  [0, 1, 2, 3, 4],
  [0, 5, 6, 7, 8],
  [9, 10, 11, 12],
  [13, 14, 15, 16],
  [0, 17, 18, 19, 20],
  [5, 9, 13, 17],
];

/** Decode a photo for showing. Resolves to null where the browser does not know the format. */
export async function decode(blob) {
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  try {
    await image.decode(); // off the main thread
    return image;
  } catch {
    release(image);
    return null;
  }
}

/** Whether a photo may say of itself that it is turned, where browsers do not listen: WebP with EXIF, whose orientation Chromium leaves aside. */
export async function mayLie(blob) {
  const head = new Uint8Array(await blob.slice(0, 21).arrayBuffer());
  return /^RIFF.{4}WEBPVP8X/s.test(String.fromCharCode(...head)) && (head[20] & 8) !== 0;
}

export function release(image) {
  if (image) URL.revokeObjectURL(image.src);
}

/** How a hand is shown: "flagged", "unclear", "fine", or "rest". */
export function kind(hand) {
  if (hand.needs_look) return hand.flagged ? "flagged" : "unclear";
  return hand.state === "rest" ? "rest" : "fine";
}

/**
 * A photo with marks on the hands that pose, laid into `frame`. `shown`: [hand, number] of the hands to mark; `picked` hears a hand's number
 * when it is clicked, or null for a click beside all hands.
 */
export class Stage {
  constructor(frame, image, result, shown, picked) {
    this.frame = frame;
    this.result = result;
    this.shown = shown;
    frame.classList.toggle("few", shown.length <= 4);
    frame.classList.toggle("many", shown.length > 12);
    this.sheet = element("div", "sheet", image, this.#overlay(), ...shown.map(([hand, number]) => this.#badge(hand, number)));
    frame.replaceChildren(this.sheet);
    frame.style.setProperty("--shape", result.width / result.height);
    frame.onclick = (event) => {
      const number = event.target.closest("[data-hand]")?.dataset.hand;
      picked(number === undefined ? null : Number(number));
    };
    this.select(null);
  }

  /** Show one hand, nearer if it is small, and the others faintly; null shows all alike. */
  select(number) {
    const { width, height } = this.result;
    this.frame.classList.toggle("selecting", number !== null);
    for (const one of this.frame.querySelectorAll("[data-hand]")) one.classList.toggle("selected", Number(one.dataset.hand) === number);
    const hand = this.shown.find(([, one]) => one === number)?.[0];
    let zoom = 1, x = 0, y = 0;
    if (hand) {
      const [left, top, w, h] = hand.box;
      const seen = Math.min(this.frame.clientHeight / this.sheet.offsetHeight, 1); // of a long photo, the frame shows a piece
      zoom = Math.min(Math.max(0.3 / Math.max(w / width, h / height), 1), 6);
      // Centre of the hand in the frame's middle, but never beyond the photo's edge; all as shares of the photo.
      const shift = (middle, frame) => Math.min(Math.max(middle * zoom - frame / 2, 0), zoom - frame);
      x = shift((left + w / 2) / width, 1);
      y = shift((top + h / 2) / height, seen);
    }
    this.sheet.style.setProperty("--zoom", zoom);
    this.sheet.style.transform = `translate(${-x * 100}%, ${-y * 100}%) scale(${zoom})`;
  }

  #overlay() {
    const svg = draw("svg", { viewBox: `0 0 ${this.result.width} ${this.result.height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    for (const [hand, number] of this.shown) {
      const group = draw("g", { class: `hand ${kind(hand)}`, "data-hand": number });
      const [x, y, width, height] = hand.box;
      const bones = FINGERS.map((chain) => "M" + chain.map((joint) => hand.landmarks[joint].slice(0, 2).join(" ")).join("L")).join("");
      group.append(
        draw("rect", { class: "casing", x, y, width, height }),
        draw("rect", { class: "line", x, y, width, height }),
        draw("path", { class: "casing thin", d: bones }),
        draw("path", { class: "line thin", d: bones }),
      );
      svg.append(group);
    }
    return svg;
  }

  #badge(hand, number) {
    const badge = element("span", `badge ${kind(hand)}`, number);
    badge.dataset.hand = number;
    badge.setAttribute("aria-hidden", "true");
    // Half a rem stands out beyond the box's corner, but not beyond the photo's edge, where the hand may be cut off.
    const within = (share) => `clamp(0.5rem, ${share * 100}%, 100% - 1.125rem)`;
    badge.style.left = within(hand.box[0] / this.result.width);
    badge.style.top = within(hand.box[1] / this.result.height);
    return badge;
  }
}

/** Draw the square around a hand on a canvas. */
export function crop(canvas, image, hand, result) {
  const [x, y, width, height] = hand.box;
  const scale = image.naturalWidth / result.width;
  const side = Math.max(width, height) * 1.5;
  const pixels = canvas.width;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(
    image,
    (x + width / 2 - side / 2) * scale, (y + height / 2 - side / 2) * scale, side * scale, side * scale,
    0, 0, pixels, pixels,
  );
}
