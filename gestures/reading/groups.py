"""Groups to learn from: single people, whose hands are known, pasted small into photos in which nobody poses.

Labelled photos of groups that pose are few. A head had met small hands in photos of events only, where they are at rest. In groups of a
kind that it had never seen, it took small hands for hands at rest, too, though it read their shapes right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gestures.drawing import encode
from gestures.hands.finder import Box
from gestures.pasting import LARGEST_SCALE, covering, put, sides, with_noise
from gestures.photo import Pixels, open_photo

MEGAPIXELS = (0.8, 1.5, 3.0)
# Least and most of a hand, in pixels; the most in a picture of one megapixel.
LEAST, MOST = 20.0, 200.0
QUALITIES = (55, 93)
ALONE = 0.25  # such a share of the pictures shows one to three people, the others four and more
AT_REST = 0.15
# People in a group mostly show the same pose: in so many groups, so many of them.
ALIKE, OF_THEM = 0.5, 0.6


@dataclass(frozen=True, slots=True)
class Person:
    """A photo of one person of whom one hand is seen. pose: what it shows, "" at rest. box: x, y, width, height of the hand, in pixels."""

    path: Path
    pose: str
    box: Box


@dataclass(frozen=True, slots=True)
class Group:
    """A JPEG of people in front of a photo. boxes: of each one's hand, in pixels. covered: of each one's whole picture."""

    data: bytes
    people: tuple[Person, ...]
    boxes: tuple[Box, ...]
    covered: tuple[Box, ...]


def compose(people: Sequence[Person], ground: Pixels, rng: np.random.Generator) -> Group:
    """Put people side by side in front of a photo, each so large that the hand is 20 to some 350 pixels."""
    megapixels = float(rng.choice(MEGAPIXELS))
    picture = with_noise(covering(ground, *sides(megapixels), rng), rng)
    count = int(rng.integers(1, 4) if rng.random() < ALONE else rng.integers(4, 20))
    usual = _usual(people, rng)
    shown: list[Person] = []
    boxes: list[Box] = []
    covered: list[Box] = []
    for size in sorted(np.exp(rng.uniform(np.log(LEAST), np.log(MOST * megapixels**0.5), count)), reverse=True):
        person = _draw(people, usual, float(size), rng)
        scale = float(size) / max(person.box[2:])
        if there := put(picture, open_photo(person.path.read_bytes()).pixels, (person.box,), scale, covered, rng):
            shown.append(person)
            boxes += there
    return Group(encode(picture, quality=int(rng.integers(*QUALITIES))), tuple(shown), tuple(boxes), tuple(covered))


def _usual(people: Sequence[Person], rng: np.random.Generator) -> str:
    """The pose that most of a group shows; none, where each shows another."""
    poses = sorted({person.pose for person in people if person.pose})
    return str(rng.choice(poses)) if poses and rng.random() < ALIKE else ""


def _draw(people: Sequence[Person], usual: str, size: float, rng: np.random.Generator) -> Person:
    """Choose somebody whose picture need not be enlarged much; if that never succeeds, anybody."""
    person = people[0]
    at_rest = rng.random() < AT_REST
    alike = bool(usual) and not at_rest and rng.random() < OF_THEM
    for _ in range(200):
        person = people[int(rng.integers(len(people)))]
        wanted = person.pose == usual if alike else (person.pose == "") == at_rest
        if wanted and max(person.box[2:]) * LARGEST_SCALE >= size:
            break
    return person
