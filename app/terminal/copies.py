"""Annotated copies of checked photos, written to a folder."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from app.terminal.checking import Outcome
from app.terminal.sources import Source
from app.terminal.words import TerminalError

# Stands as a comment in every copy, so that the next run may replace it.
MARK = b"Jari Netral"


def copies_in(folder: Path) -> Callable[[Path], bool]:
    """Return the question whether a file is an earlier copy in that folder, which may lie among the photos."""
    place = os.path.realpath(folder)

    def is_copy(path: Path) -> bool:
        try:
            return Path(os.path.realpath(path)).is_relative_to(place) and _is_copy(path)
        except OSError:
            return False  # which is told when it is read

    return is_copy


class Copies:
    """Where the copies of a run belong: under `folder`, named as the photos are, ending in .jpg; a name that is taken gets -2, -3, …"""

    def __init__(self, folder: Path, sources: Iterable[Source]) -> None:
        """Raises `TerminalError` where a copy would replace anything but an earlier copy, before anything is checked."""
        self._paths: dict[Source, Path] = {}
        photos = [source for source in sources if source.trouble is None]
        originals = {real for source in photos if source.path for real in (_place(source.path), Path(os.path.realpath(source.path)))}
        taken: set[Path] = set()
        for source in dict.fromkeys(photos):  # one that is named twice has one copy
            number, path = 1, folder / source.copy.parent / f"{source.copy.stem}.jpg"
            while path in taken:
                number += 1
                path = path.with_name(f"{source.copy.stem}-{number}.jpg")
            if _place(path) in originals:
                raise TerminalError("copy-over-original", path=path)
            if not _is_free(path):
                raise TerminalError("copy-over-other", path=path)
            taken.add(path)
            self._paths[source] = path

    def write(self, outcome: Outcome) -> None:
        """Write a photo's copy, whole or not at all. Raises `TerminalError`."""
        if outcome.copy is None:
            return
        path = self._paths[outcome.source]
        part = path.with_name(f".{os.getpid()}.part")  # no longer than any name that the copy may have
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                part.write_bytes(_marked(outcome.copy))
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)  # where it was not written whole
        except OSError as error:
            raise TerminalError("copy-not-written", path=path, reason=error.strerror) from None


def _is_free(path: Path) -> bool:
    """Whether nothing lies there, or a copy of ours."""
    try:
        return _is_copy(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise TerminalError("copy-not-written", path=path, reason=error.strerror) from None


def _is_copy(path: Path) -> bool:
    if not path.is_file() and path.exists():  # a pipe that nobody writes to would be waited for, without end
        return False
    with path.open("rb") as file:
        return MARK in file.read(256)


def _marked(jpeg: bytes) -> bytes:
    """A JPEG with MARK in a comment, behind its first segment, which says that it is a JPEG file."""
    end = 4 + int.from_bytes(jpeg[4:6])
    return jpeg[:end] + b"\xff\xfe" + (len(MARK) + 2).to_bytes(2) + MARK + jpeg[end:]


def _place(path: Path) -> Path:
    """The path with links resolved on the way to it, but not the last: replacing a link leaves what it points to."""
    return Path(os.path.realpath(path.parent), path.name)
