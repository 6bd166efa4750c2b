"""Labels of rendered hands (samples/render/make_training.py): to measure how hands are read by the skin they have, by the side that they
show, and by what those at rest do, of which no photo tells.

    python -m app.evaluate.renders OUT --by tone
    jari evaluate OUT/labels.csv

OUT gets labels.csv beside its labels.jsonl, with a set for each value. Let the pictures be new ones: those that taught the head flatter it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from app.cli import in_language
from app.evaluate.labels import Kind, Label, LabelledPhoto, require, write_labels
from app.terminal.words import TerminalError
from gestures.reading.label import box_around
from gestures.reading.poses import pose_table
from gestures.words import Lang

# What pictures can be parted by: fields of labels.jsonl.
BY = ("kind", "pose", "tone", "view")


def labelled(entries: Iterable[Mapping[str, Any]], by: str) -> Iterator[LabelledPhoto]:
    """Yield the pictures of one hand each, but for combinations of fingers that the pose table does not name.

    entries: lines of labels.jsonl. by: the one of `BY` that tells a picture's set. Raises ValueError for a picture of several hands.
    """
    files = set()
    for entry in entries:
        if entry["file"] in files:
            raise ValueError(f"{entry['file']} shows several hands")
        files.add(entry["file"])
        kind: Kind = "posed" if entry["posing"] else "rest"
        row = pose_table().get(entry["pose"])
        if kind == "rest":
            yield LabelledPhoto(entry["file"], f"{by} {entry[by]}", kind)
        elif row:
            label = Label(entry["pose"], frozenset(reading.number for reading in row.readings), box_around(entry["landmarks"]))
            yield LabelledPhoto(entry["file"], f"{by} {entry[by]}", kind, (label,))


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--by", type=click.Choice(BY), default="tone", show_default=True, help="What parts the pictures into sets.")
@in_language
def main(folder: Path, by: str, lang: Lang) -> None:
    """Write labels.csv for the rendered hands in FOLDER."""
    file = folder / "labels.jsonl"
    try:
        photos = list(labelled(map(json.loads, file.read_text(encoding="utf-8").splitlines()), by))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TerminalError("labels-unreadable", path=file, reason=getattr(error, "strerror", None) or error) from None
    if not photos:
        raise TerminalError("labels-empty", path=file)
    require(photos, folder)
    write_labels(photos, folder / "labels.csv")


if __name__ == "__main__":
    main()
