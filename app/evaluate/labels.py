"""Labelled photos: what each one shows, read from a CSV file."""

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from app.terminal.words import TerminalError
from gestures.hands.finder import Box

Kind = Literal["posed", "group", "partial", "rest"]

COLUMNS = ("path", "set", "kind", "pose", "numbers", "box")


@dataclass(frozen=True, slots=True)
class Label:
    """A labelled hand.

    pose: its name, of poses.toml where the table has it. numbers: those that may be read; none for a fist or a hand at rest.
    box: x, y, width, height in pixels of the upright photo, where it is known; it may be roomy.
    """

    pose: str
    numbers: frozenset[int]
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photo and the hands that are labelled in it.

    path: relative to the labels' file.
    kind: "posed", one labelled hand; "group", every hand that is not labelled is at rest; "partial", hands that are not labelled are
    unknown and not judged; "rest", nobody poses.
    """

    path: str
    set: str
    kind: Kind
    labels: tuple[Label, ...] = ()


def read_labels(file: Path) -> list[LabelledPhoto]:
    """Read labelled photos, in the order of the file. A photo with several rows has the set and kind of its first.

    Raises `TerminalError` for a file that can't be read, lacks a column, says what can't be understood, or has no rows.
    """
    photos: dict[str, LabelledPhoto] = {}
    hands: dict[str, list[Label]] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if lacking := [column for column in COLUMNS if column not in (rows.fieldnames or ())]:
                raise TerminalError("labels-columns", path=file, columns=", ".join(lacking))
            for row in rows:
                photo, label = _parse(row, f"{file}, {rows.line_num}")
                photos.setdefault(photo.path, photo)
                hands.setdefault(photo.path, []).append(label)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TerminalError("labels-unreadable", path=file, reason=getattr(error, "strerror", None) or error) from None
    if not photos:
        raise TerminalError("labels-empty", path=file)
    return [
        LabelledPhoto(path, photo.set, photo.kind, () if photo.kind == "rest" else tuple(hands[path])) for path, photo in photos.items()
    ]


def _parse(row: Mapping[str, str | None], where: str) -> tuple[LabelledPhoto, Label]:
    def cell(column: str) -> str:
        return (row[column] or "").strip()

    def wrong(column: str) -> TerminalError:
        return TerminalError("labels-row", where=where, column=column, value=cell(column))

    if not cell("path"):
        raise wrong("path")
    if cell("kind") not in get_args(Kind):
        raise wrong("kind")
    try:
        numbers = frozenset(int(number) for number in cell("numbers").split(";") if number)
    except ValueError:
        raise wrong("numbers") from None
    try:
        box = tuple(float(value) for value in cell("box").split()) or None
    except ValueError:
        raise wrong("box") from None
    if box and (len(box) != 4 or not all(map(math.isfinite, box)) or min(box[2:]) <= 0):
        raise wrong("box")
    return LabelledPhoto(cell("path"), cell("set"), cast(Kind, cell("kind"))), Label(cell("pose"), numbers, box)


def write_labels(photos: Iterable[LabelledPhoto], file: Path) -> None:
    """Write labelled photos as `read_labels` reads them."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for photo in photos:
            rows = [
                (label.pose, ";".join(map(str, sorted(label.numbers))), " ".join(f"{v:.1f}" for v in label.box or ()))
                for label in photo.labels
            ]
            writer.writerows((photo.path, photo.set, photo.kind, *row) for row in rows or [("", "", "")])


def require(photos: Iterable[LabelledPhoto], folder: Path) -> None:
    """Raise `TerminalError` where one of the photos is not in the folder of the labels."""
    if missing := [photo.path for photo in photos if not (folder / photo.path).is_file()]:
        raise TerminalError("labels-photos", count=len(missing), folder=folder, first=missing[0])


def choose(photos: Iterable[LabelledPhoto], sets: Iterable[str], limit: int | None) -> list[LabelledPhoto]:
    """Keep the photos of some sets (none named: all), and at most `limit` of each, spread evenly over it.

    Raises `TerminalError` for a set that there is not.
    """
    by_set: dict[str, list[LabelledPhoto]] = {}
    for photo in photos:
        by_set.setdefault(photo.set, []).append(photo)
    wanted = list(sets) or list(by_set)
    if unknown := [name for name in wanted if name not in by_set]:
        raise TerminalError("labels-sets", sets=", ".join(unknown), known=", ".join(by_set))
    kept = []
    for name, all_of_it in by_set.items():
        if name in wanted:
            count = len(all_of_it) if limit is None else min(limit, len(all_of_it))
            kept += [all_of_it[index * len(all_of_it) // count] for index in range(count)]
    return kept
