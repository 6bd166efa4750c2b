"""Pictures pasted into others with soft edges, their boxes kept: to train on, and to measure by."""

import cv2
import numpy as np

from gestures.hands.finder import Box
from gestures.photo import Pixels

FEATHER = 0.08  # of a pasted picture's shorter side
LARGEST_SCALE = 1.6  # a picture that is enlarged more looks blurred
LEAST_OVERLAP = 0.4  # of a hand that was found with the pasted one that it is
NOISE = 4.0  # of a camera, in levels


def sides(megapixels: float) -> tuple[int, int]:
    """Return the width and height in pixels of a 4:3 picture."""
    return int((megapixels * 1e6 * 4 / 3) ** 0.5), int((megapixels * 1e6 * 3 / 4) ** 0.5)


def put(
    picture: Pixels, pixels: Pixels, boxes: tuple[Box, ...], scale: float, covered: list[Box], rng: np.random.Generator
) -> list[Box] | None:
    """Paste pixels somewhere into a picture, mirrored or not, where nothing is covered yet, and add to what is covered.

    Returns where the boxes lie in the picture; None where there is no room.
    """
    pasted, moved = patch(pixels, boxes, scale, mirrored=bool(rng.integers(2)))
    height, width = pasted.shape[:2]
    corner = place(width, height, moved, (picture.shape[1], picture.shape[0]), covered, rng)
    if corner is None:
        return None
    x, y = corner
    paste(picture, pasted, x, y)
    covered.append((x, y, width, height))
    return [(bx + x, by + y, bw, bh) for bx, by, bw, bh in moved]


def patch(pixels: Pixels, boxes: tuple[Box, ...], scale: float, *, mirrored: bool) -> tuple[Pixels, list[Box]]:
    """Return an RGB picture at its new size, (height, width, 4) with its softened edge as the last channel, and the boxes in it."""
    width, height = (max(2, round(side * scale)) for side in (pixels.shape[1], pixels.shape[0]))
    resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    moved = [(x * scale, y * scale, w * scale, h * scale) for x, y, w, h in boxes]
    if mirrored:
        resized = resized[:, ::-1]
        moved = [(width - x - w, y, w, h) for x, y, w, h in moved]
    edge = FEATHER * min(width, height)
    down, across = (np.minimum(np.arange(n) + 0.5, n - np.arange(n) - 0.5) / edge for n in (height, width))
    alpha = np.clip(np.minimum(down[:, None], across[None]), 0, 1)
    alpha = alpha * alpha * (3 - 2 * alpha)
    return np.dstack([resized, (alpha * 255).round().astype(np.uint8)]).astype(np.uint8, copy=False), moved


def place(
    width: int, height: int, boxes: list[Box], room: tuple[int, int], taken: list[Box], rng: np.random.Generator
) -> tuple[int, int] | None:
    """Return a corner at which every box is in the room (its width and height) and nothing that is taken is covered; None where none
    turned up.
    """
    low_x, low_y = -min(box[0] for box in boxes), -min(box[1] for box in boxes)
    high_x = room[0] - max(box[0] + box[2] for box in boxes)
    high_y = room[1] - max(box[1] + box[3] for box in boxes)
    if high_x < low_x or high_y < low_y:
        return None
    for _ in range(200):
        x, y = round(rng.uniform(low_x, high_x)), round(rng.uniform(low_y, high_y))
        if all(x >= tx + tw or tx >= x + width or y >= ty + th or ty >= y + height for tx, ty, tw, th in taken):
            return x, y
    return None


def paste(picture: Pixels, patch: Pixels, x: int, y: int) -> None:
    """Put a patch into a picture, its corner at x and y; what lies outside is cut off."""
    left, top = max(0, -x), max(0, -y)
    right, bottom = min(patch.shape[1], picture.shape[1] - x), min(patch.shape[0], picture.shape[0] - y)
    part = patch[top:bottom, left:right]
    under = picture[y + top : y + bottom, x + left : x + right]
    alpha = part[..., 3:].astype(np.float32) / 255
    under[:] = (part[..., :3] * alpha + under * (1 - alpha)).round().astype(np.uint8)


def covering(pixels: Pixels, width: int, height: int, rng: np.random.Generator) -> Pixels:
    """Enlarge or reduce a picture until it just covers so many pixels, and cut these out somewhere."""
    scale = max(width / pixels.shape[1], height / pixels.shape[0])
    size = (max(width, round(pixels.shape[1] * scale)), max(height, round(pixels.shape[0] * scale)))
    pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC).astype(np.uint8, copy=False)
    x, y = (rng.integers(size[0] - width + 1), rng.integers(size[1] - height + 1))
    return pixels[y : y + height, x : x + width]


def with_noise(pixels: Pixels, rng: np.random.Generator, levels: float = NOISE) -> Pixels:
    """Add a camera's noise of so many levels to a picture, the same in every square of 256 pixels; return a new one."""
    height, width = pixels.shape[:2]
    noise = np.tile(rng.normal(0, levels, (256, 256, 3)).round().astype(np.int8), (-(-height // 256), -(-width // 256), 1))[:height, :width]
    return cv2.add(np.ascontiguousarray(pixels), noise, dtype=cv2.CV_8U).astype(np.uint8, copy=False)
