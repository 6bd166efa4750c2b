"""Which photos a batch is of: folders, files, patterns, ZIP archives and remote places, one after another and never all at once."""

import glob
import os
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from app.errors import ArchiveRefused, ServiceError
from app.terminal.sources import SUFFIXES
from app.terminal.words import TerminalError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# Bytes that one entry takes in an archive's table of contents, at most and by far for usual names.
ENTRY = 256

# Endings of archives, which are not looked into where they lie in another.
ARCHIVES = frozenset({".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"})
PACKED = frozenset({".gz", ".bz2", ".xz", ".zst"})  # of a single file, where no ".tar" stands before it


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may be at most.

    entries: files and folders in it. ratio: bytes that its photos come to, as a multiple of the archive's own; photos hardly shrink, and
    what grows a hundredfold is there to fill a machine. Archives whose photos come to less than `free` bytes are spared that.
    """

    entries: int = 20_000
    ratio: int = 100
    free: int = 100 * 2**20

    @property
    def directory(self) -> int:
        """Bytes that an archive's table of contents may have."""
        return self.entries * ENTRY


@dataclass(frozen=True, slots=True)
class Source:
    """A photo of a batch, or something in its place that cannot be read.

    name: that of the file in the file system's own bytes, decoded with surrogates; two photos never share one.
    read: gives the bytes, but no more than the number given. Raises `TerminalError` or `ArchiveRefused`.
    """

    name: str
    read: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Sources:
    """The photos behind folders, files, patterns with * and ?, ZIP archives, and URLs that fsspec knows.

    In a folder or an archive, at any depth, the files with a picture's ending are taken; what is named outright is always tried. ZIP
    archives in a folder of this machine are looked into; other archives, and those in archives, are told. Links to folders are not
    followed. Photos of a single folder or archive are named relative to it, those of several begin with its name as given. Where there
    is no photo, or something cannot be read, stands a source that says so. Every iteration looks anew, and the order
    is that of the file system.
    """

    given: Sequence[str]
    limits: ArchiveLimits = ArchiveLimits()

    def __iter__(self) -> Iterator[Source]:
        if len(self.given) == 1 and not glob.has_magic(self.given[0]):
            yield from self._given()  # of names that are not kept, there may be any number
            return
        seen: set[str] = set()
        for source in self._given():
            if source.name not in seen:  # a folder may be named twice, and a file beside its folder
                seen.add(source.name)
                yield source

    def missing(self) -> str | None:
        """Return the first place that was given, where none of all exists on this machine."""
        return None if any(map(_is_there, self.given)) else next(iter(self.given), None)

    def _given(self) -> Iterator[Source]:
        given = list(dict.fromkeys(self.given))
        for place in given:
            relative = len(given) == 1
            if "://" in place:
                yield from _remote(place, relative, self.limits)
            elif not os.path.lexists(place) and glob.has_magic(place):
                yield from self._matching(place)
            else:
                yield from _local(place, relative, self.limits)

    def _matching(self, pattern: str) -> Iterator[Source]:
        found = False
        for place in glob.iglob(pattern, recursive=True):  # noqa: PTH207 - unlike Path.glob, it takes a whole pattern as given
            found = True
            yield from _local(place, False, self.limits)
        if not found:
            yield _trouble(pattern, TerminalError("file-missing"))


def _is_there(place: str) -> bool:
    """Whether there is a file, a folder or a match; of places elsewhere it is not known."""
    return "://" in place or os.path.lexists(place) or any(glob.iglob(place, recursive=True))  # noqa: PTH207 - as `Sources._matching`


def shown(name: str) -> str:
    """Return a source's name as it is shown: bytes that are not UTF-8 as U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def unique(name: str, names: dict[str, int]) -> str:
    """Return a name, or "name (2)" where it is taken, and note it. names: those taken, with the number that each was last given."""
    given = name
    while given in names:
        names[name] += 1
        given = f"{name} ({names[name]})"
    names[given] = 1
    return given


def archive(file: IO[bytes], prefix: str = "", limits: ArchiveLimits = ArchiveLimits()) -> Iterator[Source]:
    """Yield the photos of a ZIP archive, each to be read before the next is asked for.

    Nothing is unpacked to a disk. An entry that is itself an archive or is encrypted gives a source that says so. Raises
    `ArchiveRefused` before the first photo where the archive as a whole cannot be trusted or read.
    """
    guarded = _Guarded(file, limits.directory)  # zipfile reads the whole table of contents before it can be counted
    try:
        contents = zipfile.ZipFile(guarded)
    except ArchiveRefused:
        raise
    except Exception:  # zipfile raises every kind for what is damaged
        raise ArchiveRefused("archive-damaged") from None
    guarded.most = None
    with contents:
        entries = contents.infolist()
        _check_archive(entries, file, limits)
        names: dict[str, int] = {}
        found = False
        for entry in entries:
            path = PurePosixPath(entry.filename)
            if entry.is_dir() or "__MACOSX" in path.parts:  # where macOS keeps its own notes on each file, named like the file
                continue
            suffix = path.suffix.lower()
            if suffix not in SUFFIXES | ARCHIVES:
                continue
            found = True
            name = unique(prefix + entry.filename, names)
            if suffix in ARCHIVES:
                yield _trouble(name, ArchiveRefused("archive-nested"))
            elif entry.flag_bits & 1:
                yield _trouble(name, ArchiveRefused("archive-encrypted"))
            else:
                yield Source(name, partial(_read_entry, contents, entry))
        if not found:
            raise ArchiveRefused("archive-empty")


class _Guarded:
    """A file that gives no more than `most` bytes at once, if there is a most."""

    def __init__(self, file: IO[bytes], most: int | None) -> None:
        self._file = file
        self.most = most

    def read(self, size: int = -1, /) -> bytes:
        if self.most is None:
            return self._file.read(size)
        data = self._file.read(self.most + 1 if size < 0 else min(size, self.most + 1))
        if len(data) > self.most:
            raise ArchiveRefused("archive-too-many", most=self.most // ENTRY)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def _check_archive(entries: Sequence[zipfile.ZipInfo], file: IO[bytes], limits: ArchiveLimits) -> None:
    if len(entries) > limits.entries:
        raise ArchiveRefused("archive-too-many", most=limits.entries)
    for entry in entries:
        name = entry.orig_filename.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/") or name[1:2] == ":":
            raise ArchiveRefused("archive-climbs")
    own = file.seek(0, os.SEEK_END)
    if sum(entry.file_size for entry in entries) > max(limits.free, limits.ratio * own):
        raise ArchiveRefused("archive-bomb", times=limits.ratio)


def _read_entry(contents: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    try:
        with contents.open(entry) as file:
            return file.read(most)
    except MemoryError:
        raise
    except Exception:  # a broken header or sum, a way of packing that Python lacks, a disk that fails
        raise ArchiveRefused("archive-damaged") from None


def _local(place: str, relative: bool, limits: ArchiveLimits) -> Iterator[Source]:
    if os.path.isdir(place):  # noqa: PTH112 - unlike Path.is_dir, it never raises
        yield from _folder(place, "" if relative else f"{place.rstrip('/')}/", limits)
    elif place.lower().endswith(".zip"):
        yield from _zip(place, place, "" if relative else f"{place}/", limits)
    else:
        yield Source(place, partial(_read_file, place))


def _zip(path: str, name: str, prefix: str, limits: ArchiveLimits, *, photos_due: bool = True) -> Iterator[Source]:
    """Yield a ZIP archive's photos. photos_due: one without any is told."""
    try:
        with _opened(path) as file:
            yield from archive(file, prefix, limits)
    except OSError as error:
        yield _trouble(name, _unreadable(error))
    except (ArchiveRefused, TerminalError) as refused:
        if photos_due or refused.type != "archive-empty":
            yield _trouble(name, refused)


def _folder(folder: str, prefix: str, limits: ArchiveLimits) -> Iterator[Source]:
    unreadable: list[OSError] = []
    found = False
    for parent, _, names in os.walk(folder, onerror=unreadable.append):
        within = "" if parent == folder else f"{os.path.relpath(parent, folder)}/"
        for name in names:
            path, named = os.path.join(parent, name), f"{prefix}{within}{name}"  # noqa: PTH118 - it keeps odd bytes
            suffix = PurePosixPath(name).suffix.lower()
            if name.startswith("._"):  # where macOS keeps its own notes on a file, named like the file
                continue
            if suffix in SUFFIXES:
                some: Iterable[Source] = [Source(named, partial(_read_file, path))]
            elif suffix == ".zip":
                some = _zip(path, named, f"{named}/", limits, photos_due=False)
            elif suffix in ARCHIVES and (suffix not in PACKED or PurePosixPath(name).stem.lower().endswith(".tar")):
                some = [_trouble(named, ArchiveRefused("archive-unsupported"))]
            else:
                continue
            for source in some:
                found = True
                yield source
    for error in unreadable:
        name = prefix + os.path.relpath(error.filename, folder)
        yield _trouble(name, TerminalError("folder-unreadable", reason=error.strerror))
    if not found and not unreadable:
        yield _trouble(folder, TerminalError("folder-empty"))


def _read_file(path: str, most: int) -> bytes:
    try:
        with _opened(path) as file:
            return file.read(most)
    except OSError as error:
        raise _unreadable(error) from None


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    with open(path, "rb", opener=_open_at_once) as file:  # a Path takes no opener
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise TerminalError("file-odd")
        yield file


def _open_at_once(path: str, flags: int) -> int:
    # A pipe that nobody writes to would be waited for, without end.
    return os.open(path, flags | os.O_NONBLOCK)


def _remote(url: str, relative: bool, limits: ArchiveLimits) -> Iterator[Source]:
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise TerminalError("remote-missing", library="fsspec") from None
    try:
        system, root = url_to_fs(url)
    except ImportError as error:  # the library for this kind of place
        raise TerminalError("remote-missing", library=error) from None
    except Exception as error:
        yield _trouble(url, _unreadable(error))
        return
    try:
        if glob.has_magic(root):
            paths: Iterable[str] = system.glob(root)
        elif system.isdir(root):
            paths = _walked(system, root)
        elif root.lower().endswith(".zip"):
            with system.open(root, "rb") as file:
                yield from archive(file, "" if relative else f"{url}/", limits)
            return
        else:
            yield Source(url, partial(_read_remote, system, root))
            return
        found = False
        above, prefix = f"{root.rstrip('/')}/", "" if relative else f"{url.rstrip('/')}/"
        for path in paths:
            found = True
            # Of a pattern, everything stands as it was found.
            name = prefix + path.removeprefix(above) if path.startswith(above) else system.unstrip_protocol(path)
            yield Source(name, partial(_read_remote, system, path))
        if not found:
            yield _trouble(url, TerminalError("folder-empty"))
    except ServiceError as refused:
        yield _trouble(url, refused)
    except Exception as error:  # every kind of place raises its own
        yield _trouble(url, _unreadable(error))


def _walked(system: "AbstractFileSystem", root: str) -> Iterator[str]:
    for parent, _, names in system.walk(root, on_error="raise"):
        for name in names:
            if PurePosixPath(name).suffix.lower() in SUFFIXES:
                yield f"{parent.rstrip('/')}/{name}"


def _read_remote(system: Any, path: str, most: int) -> bytes:  # noqa: ANN401 - fsspec ships no types
    try:
        with system.open(path, "rb") as file:
            return bytes(file.read(most))
    except Exception as error:
        raise _unreadable(error) from None


def _trouble(name: str, error: TerminalError | ServiceError) -> Source:
    def read(most: int) -> bytes:
        raise error

    return Source(name, read)


def _unreadable(error: Exception) -> TerminalError:
    if isinstance(error, FileNotFoundError):
        return TerminalError("file-missing")
    return TerminalError("file-unreadable", reason=getattr(error, "strerror", None) or type(error).__name__)
