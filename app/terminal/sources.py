"""Which photos are meant by the paths of a command line."""

import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from app.photo_names import SUFFIXES, is_note, is_other, shown
from app.terminal.words import TerminalError


@dataclass(frozen=True, slots=True)
class Source:
    """A photo to check, or what stands in the way of it.

    name: the path as given or, within a folder, relative to that folder; bytes that are not UTF-8 shown as U+FFFD.
    path: the file; None is standard input. copy: where under a folder of copies this photo's copy belongs, less the ending.
    trouble: why it cannot even be tried.
    """

    name: str
    path: Path | None
    copy: PurePath
    trouble: TerminalError | None = None

    def read(self, most: int) -> bytes:
        """Return the photo's bytes, but no more than one above `most`. Raises `TerminalError`."""
        if self.trouble:
            raise self.trouble
        try:
            if self.path is None:
                if sys.stdin is None:  # closed by whoever started us
                    raise OSError(errno.EBADF, os.strerror(errno.EBADF))
                return sys.stdin.buffer.read(most + 1)
            with self.path.open("rb") as file:
                return file.read(most + 1)
        except FileNotFoundError:
            raise TerminalError("file-missing") from None
        except OSError as error:
            raise TerminalError("file-unreadable", reason=error.strerror or type(error).__name__) from None


def sources(
    paths: Iterable[str], *, but: Callable[[Path], bool] = lambda path: False, passed: Callable[[Path], None] = lambda path: None
) -> Iterator[Source]:
    """Yield the photos behind paths, in the order of the paths; those within a folder, at any depth, sorted by path.

    "-" is standard input. A file that is named outright is always tried. Links to folders are not followed. A folder in which
    there is nothing to check gives one source in trouble, so that every path has a result. but: which files of folders are
    none of the photos. passed: is told files of folders that are no photos by their names, where `is_other`.
    """
    for given in paths:
        if given == "-":
            yield Source("-", None, PurePath("stdin"))
        elif os.path.isdir(given):  # noqa: PTH112 - unlike Path.is_dir, it never raises
            yield from _in_folder(Path(given), but, passed)
        else:
            yield Source(shown(given), Path(given), PurePath(PurePath(given).name))


def _in_folder(folder: Path, but: Callable[[Path], bool], passed: Callable[[Path], None]) -> Iterator[Source]:
    unreadable: list[OSError] = []
    photos = []
    for parent, _, names in os.walk(folder, onerror=unreadable.append):
        for name in names:
            path = Path(parent, name)
            if path.suffix.lower() not in SUFFIXES:
                if is_other(f"/{path.relative_to(folder)}"):
                    passed(path)
            elif not is_note(name) and not but(path):
                photos.append(path)
    for error in unreadable:
        path = Path(os.fsdecode(error.filename))
        where = path.relative_to(folder) if path != folder else folder
        yield Source(shown(str(where)), path, PurePath(), TerminalError("folder-unreadable", reason=error.strerror))
    if not photos and not unreadable:
        yield Source(shown(str(folder)), folder, PurePath(), TerminalError("folder-empty"))
    for relative, path in sorted((path.relative_to(folder), path) for path in photos):
        odd = not os.path.isfile(path) and os.path.exists(path)  # noqa: PTH113, PTH110 - unlike Path's, they never raise
        yield Source(shown(relative.as_posix()), path, relative, TerminalError("file-odd") if odd else None)
