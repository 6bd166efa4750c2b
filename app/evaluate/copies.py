"""Copies of labelled photos in other light, in another shape, and worn as photos are that were sent on: to measure what is read in these.

    python -m app.evaluate.copies ../shared/photos/labels.csv OUT --sets hagrid,groups_events --limit 100
    jari evaluate OUT/labels.csv

OUT gets a folder and a set for each kind of copy and set of photos, with the labels moved to where they lie in the copy. It holds people's
photos: put it outside the project, and delete it.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from app.cli import in_language
from app.evaluate.labels import LabelledPhoto, choose, read_labels, require, write_labels
from app.terminal.words import TerminalError, problem
from gestures import PhotoError
from gestures.drawing import encode
from gestures.hands.finder import Box
from gestures.pasting import with_noise
from gestures.photo import Pixels, open_photo
from gestures.words import Lang

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Picture:
    """A copy in the making. pixels: (height, width, 3) RGB. moved: (2, 3), from the photo's pixels to the copy's."""

    pixels: Pixels
    moved: Matrix

    def box(self, box: Box) -> Box:
        """Where a box of the photo lies in the copy, upright again."""
        x, y, width, height = box
        corners = np.array([[x, x + width, x, x + width], [y, y, y + height, y + height], [1, 1, 1, 1]])
        (left, top), (right, bottom) = (self.moved @ corners).min(axis=1), (self.moved @ corners).max(axis=1)
        return float(left), float(top), float(right - left), float(bottom - top)


Step = Callable[[Picture, np.random.Generator], Picture]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of copy: what is done to a photo, in turn, and the quality of the JPEG that it is saved as."""

    name: str
    steps: tuple[Step, ...] = ()
    quality: int = 92


def _warped(picture: Picture, matrix: Matrix, width: int, height: int) -> Picture:
    """Move a picture by a matrix (2, 3), black where nothing of it comes to lie."""
    pixels = cv2.warpAffine(picture.pixels, matrix, (width, height), flags=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    return Picture(pixels, matrix @ np.vstack([picture.moved, [0, 0, 1]]))


def scaled(x: float, y: float | None = None) -> Step:
    """Make it so many times as wide, and as high (or as much)."""

    def step(picture: Picture, _: np.random.Generator) -> Picture:
        by = np.array([x, x if y is None else y])
        width, height = (max(1, round(side)) for side in np.array(picture.pixels.shape[1::-1]) * by)
        how = cv2.INTER_AREA if by.min() < 1 else cv2.INTER_LINEAR
        pixels = cv2.resize(picture.pixels, (width, height), interpolation=how).astype(np.uint8, copy=False)
        return Picture(pixels, picture.moved * by[:, None])

    return step


def at_most(longest: int) -> Step:
    """Reduce it until no side has more pixels."""
    return lambda picture, rng: scaled(min(1.0, longest / max(picture.pixels.shape)))(picture, rng)


def turned(degrees: float) -> Step:
    """Turn it to the left, on a larger picture."""

    def step(picture: Picture, _: np.random.Generator) -> Picture:
        height, width = picture.pixels.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        wide, high = (round(float(side)) for side in np.abs(matrix[:, :2]) @ [width, height])
        matrix[:, 2] += (wide - width) / 2, (high - height) / 2
        return _warped(picture, np.asarray(matrix, np.float64), wide, high)

    return step


def mirrored(picture: Picture, _: np.random.Generator) -> Picture:
    """Turn left and right round."""
    height, width = picture.pixels.shape[:2]
    return _warped(picture, np.array([[-1.0, 0, width - 1], [0, 1, 0]]), width, height)


def lit(*channels: float, power: float = 1, lift: float = 0) -> Step:
    """Multiply the channels, red first (or all alike), after raising them, 0..1, to a power; then add levels."""

    def change(pixels: Pixels) -> NDArray[np.float64]:
        values: NDArray[np.float64] = 255 * (pixels / 255) ** power * np.array(channels) + lift
        return values

    return _painted(change)


def noisy(levels: float) -> Step:
    """Add a camera's noise, so many levels at a time."""
    return lambda picture, rng: replace(picture, pixels=with_noise(picture.pixels, rng, levels))


def mixed(*rows: tuple[float, float, float]) -> Step:
    """Mix the channels: a row of weights for each that comes out."""
    return _painted(lambda pixels: pixels @ np.array(rows).T)


def streaked(length: int) -> Step:
    """Blur it by motion over so many pixels, level."""
    return _painted(lambda pixels: cv2.blur(pixels, (length, 1)).astype(np.float64))


def framed(share: float) -> Step:
    """Lay a white frame around it, so wide as a share of its longer side."""

    def step(picture: Picture, _: np.random.Generator) -> Picture:
        side = round(share * max(picture.pixels.shape))
        pixels = np.pad(picture.pixels, ((side, side), (side, side), (0, 0)), constant_values=255)
        return Picture(pixels, picture.moved + np.array([[0, 0, side], [0, 0, side]]))

    return step


def _painted(change: Callable[[Pixels], NDArray[np.float64]]) -> Step:
    return lambda picture, _: replace(picture, pixels=np.clip(np.round(change(picture.pixels)), 0, 255).astype(np.uint8))


GREY = (0.299, 0.587, 0.114)

KINDS = (
    Kind("as it was"),
    Kind("messaging app at 1600 px and quality 75", (at_most(1600),), 75),
    Kind("messaging app at 1600 px and quality 60", (at_most(1600),), 60),
    Kind("messaging app at 1280 px and quality 70", (at_most(1280),), 70),
    Kind("messaging app at 1280 px and quality 50", (at_most(1280),), 50),
    Kind("JPEG of quality 20", (), 20),
    Kind("half its size", (scaled(0.5),)),
    Kind("half its size and then enlarged again", (scaled(0.5), scaled(2))),
    Kind("a quarter of its size and then enlarged again", (scaled(0.25), scaled(4))),
    Kind("twice its size", (scaled(2),)),
    Kind("noise of 7 levels", (noisy(7),)),
    Kind("noise of 14 levels", (noisy(14),)),
    Kind("blurred by motion over 9 pixels", (streaked(9),)),
    Kind("mirrored", (mirrored,)),
    Kind("tilted by 20 degrees", (turned(20),)),
    Kind("tilted by 45 degrees", (turned(45),)),
    Kind("on its side", (turned(90),)),
    Kind("upside down", (turned(180),)),
    Kind("a third wider", (scaled(4 / 3, 1),)),
    Kind("a third higher", (scaled(1, 4 / 3),)),
    Kind("without colour", (mixed(GREY, GREY, GREY),)),
    Kind("sepia", (mixed((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131)),)),
    Kind("in green light", (lit(0.35, 1, 0.35),)),
    Kind("in red light", (lit(1, 0.35, 0.35),)),
    Kind("in blue light", (lit(0.35, 0.45, 1),)),
    Kind("in purple light", (lit(0.8, 0.3, 1),)),
    Kind("overexposed by a third", (lit(4 / 3),)),
    Kind("darkened to a third", (lit(1 / 3),)),
    Kind("darkened to a fifth", (lit(1 / 5),)),
    Kind("darkened to two fifths with noise", (lit(2 / 5), noisy(9))),
    Kind("veiled to a quarter of the contrast", (lit(0.25, lift=150),)),
    Kind("dark but where it is bright: the third power", (lit(1, power=3),)),
    Kind("framed in white", (framed(0.04),)),
    Kind("in green light and framed in white", (lit(0.35, 1, 0.35), framed(0.04))),
    Kind("in red light and framed in white", (lit(1, 0.35, 0.35), framed(0.04))),
    Kind("darkened to a third and framed in white", (lit(1 / 3), framed(0.04))),
)


def copy(photo: LabelledPhoto, data: bytes, kind: Kind, path: str) -> tuple[LabelledPhoto, bytes]:
    """Make a copy of a labelled photo: its labels, with a path of its own, and its JPEG. The same photo gives the same copy."""
    picture = Picture(open_photo(data).pixels, np.eye(2, 3))
    rng = np.random.default_rng(zlib.crc32(photo.path.encode()))
    for step in kind.steps:
        picture = step(picture, rng)
    labels = tuple(replace(label, box=label.box and picture.box(label.box)) for label in photo.labels)
    copied = replace(photo, path=path, set=f"{kind.name}: {photo.set}", labels=labels)
    return copied, encode(np.ascontiguousarray(picture.pixels), quality=kind.quality)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


@click.command()
@click.argument("labels", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--sets", default="", help="Only the photos of these sets, by comma.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many photos of each set, spread over it.")
@click.option("--kinds", default="", help="Only kinds of which the name has one of these in it, by comma.")
@in_language
def main(labels: Path, out: Path, sets: str, limit: int | None, kinds: str, lang: Lang) -> None:
    """Write copies of the photos of LABELS, and labels.csv, to OUT."""
    wanted = _names(kinds)
    if unknown := [name for name in wanted if not any(name in kind.name for kind in KINDS)]:
        known = "; ".join(kind.name for kind in KINDS)
        raise click.BadParameter(f"No kind has {', '.join(unknown)} in its name. There are: {known}.", param_hint="--kinds")
    photos = choose(read_labels(labels), _names(sets), limit)
    require(photos, labels.parent)
    copies = []
    for number, kind in enumerate(kind for kind in KINDS if not wanted or any(name in kind.name for name in wanted)):
        (out / f"{number}").mkdir(parents=True, exist_ok=True)
        for place, photo in enumerate(photos):
            # numbered, because photos that differ by folder or ending alone have one stem
            path = f"{number}/{place}-{Path(photo.path).stem}.jpg"
            file = labels.parent / photo.path
            try:
                copied, data = copy(photo, file.read_bytes(), kind, path)
            except PhotoError as error:
                raise TerminalError("place-unusable", path=file, reason=problem(error, lang).detail) from None
            (out / copied.path).write_bytes(data)
            copies.append(copied)
    write_labels(copies, out / "labels.csv")


if __name__ == "__main__":
    main()
