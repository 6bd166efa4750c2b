"""Recall against hand size: which of a scene's hands a finder finds.

    python -m app.bench.recall --scenes 6 --megapixels 12

A hand counts as found where the box of a hand that the finder gave, each used once, overlaps the true one by an intersection over union of
0.4 or more. Beside each finder's recall stands its share of the hands that exhaustive tiling finds.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import click

from app.bench.scenes import Scene, compose
from app.terminal.tables import print_table
from gestures.hands import search
from gestures.hands.finder import Box, HandFinder, overlap
from gestures.hands.landmarker import LandmarkerFinder
from gestures.hands.search import SearchFinder
from gestures.pasting import LEAST_OVERLAP
from gestures.photo import open_photo

EDGES = (25, 35, 45, 60, 90, 150, 300)  # pixels, of the bins of hand size
SIZES = (25.0, 300.0)

# Five levels, half overlap, beside the tiles around the whole photo.
EXHAUSTIVE = replace(search.EXHAUSTIVE, overlap=0.5, least_tile=60)

FINDERS: dict[str, Callable[[], HandFinder]] = {
    "search": SearchFinder,
    "exhaustive": partial(SearchFinder, settings=EXHAUSTIVE),
    "mediapipe": LandmarkerFinder,
}


@dataclass(frozen=True, slots=True)
class Bin:
    """Hands of `least` to `most` pixels. hands: how many there are. found, of_exhaustive: for each finder, how many of them it finds, and
    how many of those that exhaustive tiling finds; exhaustive: how many that is.
    """

    least: int
    most: int
    hands: int
    exhaustive: int
    found: dict[str, int]
    of_exhaustive: dict[str, int]


def which_found(truth: Sequence[Box], found: Iterable[Box]) -> list[bool]:
    """Whether each true hand is found; the best overlaps are matched first, each found hand once."""
    boxes = list(found)
    pairs = sorted(((overlap(one, other), i, j) for i, one in enumerate(truth) for j, other in enumerate(boxes)), key=lambda pair: -pair[0])
    matched, used = [False] * len(truth), set()
    for share, i, j in pairs:
        if share >= LEAST_OVERLAP and not matched[i] and j not in used:
            matched[i] = True
            used.add(j)
    return matched


def measure(scenes: Iterable[Scene], finders: Mapping[str, HandFinder]) -> list[Bin]:
    """Return recall by hand size over all scenes. Where no finder is called "exhaustive", nothing is compared with it."""
    rows: list[tuple[float, dict[str, bool]]] = []
    for scene in scenes:
        photo = open_photo(scene.data)
        truth = [hand.box for hand in scene.hands]
        matched = {name: which_found(truth, [hand.box for hand in finder.find(photo)]) for name, finder in finders.items()}
        rows += [(hand.size, {name: hits[i] for name, hits in matched.items()}) for i, hand in enumerate(scene.hands)]
    return bins(rows, list(finders))


def bins(rows: Sequence[tuple[float, dict[str, bool]]], finders: Sequence[str]) -> list[Bin]:
    """Sort hands, each its size and who found it, into the bins."""
    result = []
    for least, most in pairwise(EDGES):
        some = [hits for size, hits in rows if least <= size < most or size == most == EDGES[-1]]
        known = [hits for hits in some if hits.get("exhaustive")]
        result.append(
            Bin(
                least,
                most,
                len(some),
                len(known),
                {name: sum(hits[name] for hits in some) for name in finders},
                {name: sum(hits[name] for hits in known) for name in finders},
            )
        )
    return result


def table(rows: Sequence[Bin]) -> list[list[str]]:
    """The figures as a table of strings, heads first: recall of every finder, and in brackets its share of what exhaustive tiling finds."""
    finders = list(rows[0].found)
    total = Bin(
        rows[0].least,
        rows[-1].most,
        sum(row.hands for row in rows),
        sum(row.exhaustive for row in rows),
        {name: sum(row.found[name] for row in rows) for name in finders},
        {name: sum(row.of_exhaustive[name] for row in rows) for name in finders},
    )

    def cell(row: Bin, name: str) -> str:
        if not row.hands:
            return "–"
        share = f"{row.found[name] / row.hands:.3f}"
        if name == "exhaustive" or not row.exhaustive:
            return share
        return f"{share} ({row.of_exhaustive[name] / row.exhaustive:.3f})"

    heads = ["hand, px", "hands", *finders]
    return [heads, *([f"{row.least}–{row.most}", str(row.hands), *(cell(row, name) for name in finders)] for row in [*rows, total])]


def finders(names: Iterable[str]) -> dict[str, HandFinder]:
    """The finders of these names, of `FINDERS`."""
    return {name: FINDERS[name]() for name in names}


def compose_some(scenes: int, megapixels: float, seed: int = 0, *, photos: bool = True) -> list[Scene]:
    """So many scenes of one size, with hands of 25 to 300 pixels."""
    hands = round(2.5 * megapixels) if megapixels <= 12 else round(30 + (megapixels - 12) * 1.4)
    return [compose(megapixels, hands, SIZES, seed + i, photos=photos) for i in range(scenes)]


@click.command()
@click.option("--scenes", default=6, show_default=True, help="Number of scenes.")
@click.option("--megapixels", default=12.0, show_default=True, help="Of each scene.")
@click.option("--seed", default=0, show_default=True, help="Of the first scene; the others follow.")
@click.option(
    "--finder", "names", type=click.Choice(list(FINDERS)), multiple=True, default=list(FINDERS), help="To compare; may be repeated."
)
@click.option("--photos/--no-photos", default=True, show_default=True, help="Use ../shared where it is there.")
def main(scenes: int, megapixels: float, seed: int, names: tuple[str, ...], photos: bool) -> None:
    """Print recall by hand size."""
    heads, *rows = table(measure(compose_some(scenes, megapixels, seed, photos=photos), finders(names)))
    print_table(heads, rows, words=1)


if __name__ == "__main__":
    main()
