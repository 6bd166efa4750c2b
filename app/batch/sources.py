"""Which photos a batch is of: folders, files, patterns, ZIP archives and remote places, one after another and never all at once."""

import glob
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any, Literal, NamedTuple, Protocol

from app.errors import ArchiveRefused, ServiceError
from app.photo_names import SUFFIXES, is_note, is_other
from app.terminal.words import TerminalError

# Files and folders in an archive at most; and bytes that each takes in its table of contents, at most and by far for usual names.
MOST_ENTRIES = 20_000
ENTRY = 256

# What an archive's photos may come to, as a multiple of its own bytes: photos hardly shrink, and what grows a hundredfold is there to fill
# a machine. Archives whose photos come to no more than FREE bytes are spared that.
MOST_GROWTH = 100
FREE = 100 * 2**20

# Endings of archives that are told, not opened; and of what is one where the ending before says so: foto.tar.gz, foto.jpg.gz.
ARCHIVES = frozenset({".7z", ".rar", ".tar", ".tgz"})
PACKED = frozenset({".gz", ".bz2", ".xz", ".zst"})

# How what is in a ZIP may be packed. The others take memory as the archive says, up to gigabytes, before they give a byte.
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})

# How the path of a link in the page of a folder goes on where it leads to that page, sorted otherwise, say, or out of the folder: to follow
# such links would have no end.
ASTRAY = re.compile(r"/(\?|\.$|\.\.(/|$))")


@dataclass(frozen=True, slots=True)
class Source:
    """A photo of a batch, or something in its place that cannot be read.

    name: that of the file in the file system's own bytes, decoded with surrogates; two photos never share one.
    read: gives the bytes, but no more than the number given. Raises `TerminalError` or `ArchiveRefused`.
    """

    name: str
    read: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class _Passed:
    """A file of a folder that is no photo by its name."""

    name: str


@dataclass(slots=True)
class Sources:
    """The photos behind folders, files, patterns with * and ?, ZIP archives, and URLs that fsspec knows.

    In a folder or an archive, at any depth, the files with a picture's ending are taken; what is named outright is always tried. ZIP
    archives in a folder are looked into; other archives, and those in archives, are told. Links to folders are not
    followed. Photos of a single folder or archive are named relative to it, those of several begin with its name as given, without what a
    URL lets somebody in with. Where there is no photo, or something cannot be read, stands a source that says so. Every iteration looks
    anew, and the order is that of the file system.

    passed: how many files of folders the last iteration passed over, as they are no photos by their names; hidden ones, and what a batch
    has written, do not count.
    """

    given: Sequence[str]
    passed: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[Source]:
        given = list(dict.fromkeys(self.given))
        alone = len(given) == 1
        keeps = not alone or glob.has_magic(given[0])  # otherwise nothing comes twice, and there may be any number
        seen: set[str] = set()
        passed: set[str] = set()
        names: dict[str, int] = {}
        for place in given:
            for source in _at(place, alone):
                file = source.name if "://" in place else os.path.abspath(source.name)  # noqa: PTH100 - pathlib leaves ".." in
                if isinstance(source, _Passed):
                    passed.add(file)
                    continue
                name = _public(source.name, place)
                if keeps:
                    if file in seen:  # a folder may be named twice, in whatever way, and a file beside its folder
                        continue
                    seen.add(file)
                    name = unique(name, names)
                yield Source(name, source.read)
        self.passed = len(passed - seen)  # a pattern may have named one outright

    def check(self) -> None:
        """Raise `TerminalError` where none of all the places is there and can be reached, with what is wrong with the first."""
        first = None
        for place in self.given:
            error = _wrong(place)
            if error is None:
                return
            first = first or error
        if first:
            raise first


def _public(name: str, place: str) -> str:
    """A name without what lets somebody in with a place's URL, user and password or a web address's query: reports are passed on."""
    for secret in re.findall("://[^/]*@", place):
        name = name.replace(secret, "://")
    query = re.search(r"https?://.*?(\?.*=.*)", place)
    return name.replace(query[1], "") if query else name


def _is_pattern(path: str) -> bool:
    return glob.has_magic(_public(path, path))


def unique(name: str, names: dict[str, int]) -> str:
    """Return a name, or "name (2)" where it is taken, and note it. names: those taken, with the number that each was last given."""
    given = name
    while given in names:
        names[name] += 1
        given = f"{name} ({names[name]})"
    names[given] = 1
    return given


def archive(file: IO[bytes], prefix: str = "", unreadable: str = "file-unreadable") -> Iterator[Source]:
    """Yield the photos of a ZIP archive, each to be read before the next is asked for.

    Nothing is unpacked to a disk. An entry that is itself an archive, is encrypted or packed oddly gives a source that says so.
    unreadable: the `TerminalError` where the file fails. Raises that, or `ArchiveRefused`, before the first photo where the archive as a
    whole cannot be read or trusted; and what the file raises where one cannot go to its end.
    """
    own = file.seek(0, os.SEEK_END)  # what cannot go anywhere fails here: later it is the archive that leads to where there is nothing
    guarded = _Guarded(file, own, unreadable)
    guarded.most = MOST_ENTRIES * ENTRY  # zipfile reads the whole table of contents before it can be counted
    try:
        contents = zipfile.ZipFile(guarded)
    except (ArchiveRefused, TerminalError, MemoryError):
        raise
    except Exception:  # zipfile raises every kind for what is damaged
        raise ArchiveRefused("archive-damaged") from None
    guarded.most = None
    with contents:
        entries = contents.infolist()
        _check_archive(entries, own)
        names: dict[str, int] = {}
        found = False
        for entry in entries:
            path = _path(entry)
            kind = None if entry.is_dir() else _kind(path.replace("\\", "/"))  # as some write it
            if kind is None:
                continue
            found = True
            name = unique(prefix + path, names)
            if kind != "photo":
                yield _trouble(name, ArchiveRefused("archive-nested"))
            elif entry.flag_bits & 1:
                yield _trouble(name, ArchiveRefused("archive-encrypted"))
            elif entry.compress_type not in METHODS:
                yield _trouble(name, ArchiveRefused("archive-unsupported"))
            else:
                yield Source(name, partial(_read_entry, contents, entry))
        if not found:
            raise ArchiveRefused("archive-empty")


class _Guarded:
    """A file that gives no more than `most` bytes at once, if there is a most, and tells its own failing from damage in what it holds."""

    def __init__(self, file: IO[bytes], end: int, unreadable: str) -> None:
        self._file = file
        self._end = end
        self._unreadable = unreadable
        self.most: int | None = None

    def read(self, size: int = -1, /) -> bytes:
        if self.most is None:
            return self._read(size)
        data = self._read(self.most + 1 if size < 0 else min(size, self.most + 1))
        if len(data) > self.most:
            raise ArchiveRefused("archive-too-many")
        return data

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except MemoryError:
            raise
        except Exception as error:  # a disk or a connection that fails
            raise _out_of_reach(error, self._unreadable) from None

    def seek(self, offset: int, whence: int = 0, /) -> int:
        # Past their end some files cannot be read, and it is the archive that leads there.
        return self._file.seek(offset if whence else min(offset, self._end), whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def _check_archive(entries: Sequence[zipfile.ZipInfo], own: int) -> None:
    if len(entries) > MOST_ENTRIES:
        raise ArchiveRefused("archive-too-many")
    for entry in entries:
        name = entry.orig_filename.replace("\\", "/")
        # A drive alone ("a:n Bupati") is how macOS writes the slash in a folder's name.
        if name.startswith("/") or ".." in name.split("/") or re.match("[A-Za-z]:/", name):
            raise ArchiveRefused("archive-climbs")
    if sum(entry.file_size for entry in entries) > max(FREE, MOST_GROWTH * own):
        raise ArchiveRefused("archive-bomb")


def _read_entry(contents: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    try:
        with contents.open(entry) as file:
            return file.read(most)
    except (TerminalError, MemoryError):
        raise
    except Exception:  # a broken header or sum, a way of packing that Python lacks
        raise ArchiveRefused("archive-damaged") from None


def _path(entry: zipfile.ZipInfo) -> str:
    """An entry's path. Where the archive does not say that it is UTF-8 it may be all the same, and zipfile takes it for IBM's code page."""
    if not entry.flag_bits & 0x800:
        try:
            return entry.filename.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return entry.filename


class _Entry(NamedTuple):
    """What is at a path: a folder, a file, or what cannot be looked into, with the reason."""

    path: str
    is_folder: bool = False
    trouble: TerminalError | None = None


class _Files(Protocol):
    """Files of this machine or of another. What cannot be read or listed is told by a `TerminalError`.

    unreadable: its type where a file fails.
    """

    unreadable: str

    def find(self, path: str) -> _Entry | None:
        """What is at a path; None where there is nothing."""
        ...

    def matching(self, pattern: str) -> Iterator[_Entry]:
        """What matches a pattern, and folders that cannot be looked into for it."""
        ...

    def walk(self, folder: str) -> Iterator[_Entry]:
        """The files below a folder at any depth, and folders that cannot be looked into. Their paths begin with the folder's."""
        ...

    def open(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file."""
        ...

    def name(self, path: str) -> str:
        """How a path is written by those who give it."""
        ...


class _Here:
    """Files of this machine. Unlike those of pathlib, what is called here takes names in any bytes, and never raises for what is there."""

    unreadable = "file-unreadable"

    def find(self, path: str) -> _Entry | None:
        return _Entry(path, os.path.isdir(path)) if os.path.lexists(path) else None  # noqa: PTH112

    def matching(self, pattern: str) -> Iterator[_Entry]:
        parts = pattern.split("/")
        whole = f"{pattern}/*" if parts[-1] == "**" else pattern
        paths = _past_no_link(whole) if "**" in parts else glob.iglob(pattern)  # noqa: PTH207
        return (_Entry(path, os.path.isdir(path)) for path in paths)  # noqa: PTH112

    def walk(self, folder: str) -> Iterator[_Entry]:
        unreadable: list[OSError] = []
        for parent, _, names in os.walk(folder, onerror=unreadable.append):
            for name in names:
                yield _Entry(os.path.join(parent, name))  # noqa: PTH118
        for error in unreadable:
            yield _Entry(error.filename, trouble=TerminalError("folder-unreadable", reason=error.strerror))

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        try:
            with open(path, "rb", opener=_open_at_once) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise TerminalError("file-odd")
                yield file
        except OSError as error:
            raise _out_of_reach(error, self.unreadable) from None

    def name(self, path: str) -> str:
        return path


def _past_no_link(pattern: str) -> Iterator[str]:
    """What matches a pattern with **, but for links to folders and what is behind them: they may go round, and glob's own follows all."""
    parent, last = os.path.split(pattern)
    for folder in _past_no_link(parent) if glob.has_magic(parent) else [parent]:
        if last != "**":
            yield from _unlinked(folder, last)
            continue
        folders = [folder]
        for one in folders:
            yield one
            folders += _unlinked(one, "*/")


def _unlinked(folder: str, pattern: str) -> Iterator[str]:
    for path in glob.iglob(os.path.join(glob.escape(folder), pattern)):  # noqa: PTH118, PTH207
        if not (os.path.islink(path.rstrip("/")) and os.path.isdir(path)):  # noqa: PTH112, PTH114
            yield path


def _open_at_once(path: str, flags: int) -> int:
    # A pipe that nobody writes to would be waited for, without end.
    return os.open(path, flags | os.O_NONBLOCK)


class _Elsewhere:
    """Files of a place that fsspec knows. Every kind of place raises errors of its own."""

    unreadable = "remote-unreadable"

    def __init__(self, url: str) -> None:
        try:
            from fsspec.core import url_to_fs

            self._system: Any
            self._system, self.path = url_to_fs(url)
        except ImportError as error:  # fsspec itself, or the library for this kind of place
            raise TerminalError("remote-missing", library=error.name or error) from None
        except Exception as error:
            raise _out_of_reach(error) from None
        whole = url.rstrip("/")
        self._head = whole.removesuffix(self.path) if whole.endswith(self.path) else None
        self._tail = "".join(url.partition("::")[1:])  # the archive, say, that it is in: others have files of the same names

    def find(self, path: str) -> _Entry | None:
        try:
            info = self._system.info(path)  # as `isdir` and `exists` call nothing there what could not be asked for
            return _Entry(path, info["type"] == "directory" or self._system.isdir(path))
        except Exception as error:
            trouble = _out_of_reach(error)
            return None if trouble.type == "file-missing" or _is_pattern(path) else _Entry(path, trouble=trouble)

    def matching(self, pattern: str) -> Iterator[_Entry]:
        from fsspec.utils import glob_translate

        try:
            matches = re.compile(glob_translate(pattern)).match
        except ValueError as error:
            yield _Entry(pattern, trouble=_out_of_reach(error))
            return
        root = re.split(r"[*?[]", pattern)[0].rpartition("/")[0]
        depth = None if "**" in pattern else pattern.removeprefix(root).strip("/").count("/") + 1
        for entry in self._below(root, depth):
            if entry.trouble or matches(entry.path):
                yield entry

    def walk(self, folder: str) -> Iterator[_Entry]:
        return (entry for entry in self._below(folder) if not entry.is_folder)

    def _below(self, root: str, depth: int | None = None) -> Iterator[_Entry]:
        """All that is below a folder, so many levels deep. fsspec's own `walk` and `glob` pass over folders that cannot be listed."""
        folders = [(root, 1)]
        for folder, level in folders:
            try:
                listed = self._system.ls(folder, detail=True)
            except Exception as error:
                yield _Entry(folder, trouble=_out_of_reach(error))
                continue
            for one in listed:
                path, is_link = one["name"].rstrip("/"), one.get("islink") or one["type"] == "link"
                if path == folder.rstrip("/"):  # some list a folder among what it holds
                    if one.get("StorageClass") == "DIRECTORY" and level != depth:  # so s3fs gives a folder without a name
                        yield _Entry(path, trouble=TerminalError("remote-nameless"))
                    continue
                if path.startswith(("http://", "https://")) and ASTRAY.search(path, len(folder.rstrip("/"))):
                    continue
                behind = self.find(path) if is_link else None
                is_folder = behind.is_folder if behind else one["type"] == "directory"
                if is_folder and is_link and depth is None:  # which may go round
                    continue
                if is_folder and level != depth:
                    folders.append((path, level + 1))
                yield _Entry(path, is_folder)

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        try:
            with self._system.open(path, "rb") as file:
                yield file
        except (TerminalError, ServiceError, MemoryError):
            raise
        except Exception as error:
            raise _out_of_reach(error) from None

    def name(self, path: str) -> str:
        return f"{self._system.unstrip_protocol(path)}{self._tail}" if self._head is None else self._head + path


def _out_of_reach(error: BaseException, unreadable: str = _Elsewhere.unreadable) -> TerminalError:
    cause = error.__cause__
    if isinstance(error, FileNotFoundError) and cause and (isinstance(cause, OSError) or hasattr(cause, "status")):
        error = cause  # fsspec takes for not there whatever a web server refuses, and one that does not answer
    status = getattr(error, "status", None)
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return TerminalError("file-missing")
    reason = getattr(error, "strerror", None) or (f"HTTP {status}" if status else type(error).__name__)
    return TerminalError(unreadable, reason=reason)


def _reached(place: str) -> tuple[_Files, str]:
    """Return where a place's files are, and its path there. Raises `TerminalError`."""
    if "://" not in place:
        return _Here(), place
    files = _Elsewhere(place)
    return files, files.path


def _entries(files: _Files, path: str) -> Iterator[_Entry]:
    """What a path stands for that was given: what has this very name or, where nothing has, what matches it."""
    if entry := files.find(path):
        yield entry
    elif _is_pattern(path):
        yield from (entry for entry in files.matching(path) if not is_note(entry.path))


def _wrong(place: str) -> TerminalError | None:
    """Why nothing can be got from a place; None where something can."""
    error = TerminalError("file-missing")
    try:
        for entry in _entries(*_reached(place)):
            if not entry.trouble:
                return None
            error = entry.trouble
    except TerminalError as trouble:
        error = trouble
    if error.type == "file-missing":
        return TerminalError("sources-missing", path=_public(place, place))
    if error.type == "remote-unreadable":
        return TerminalError("sources-unreachable", path=_public(place, place), **error.params)
    return error


def _at(place: str, alone: bool) -> Iterator[Source | _Passed]:
    """Yield the photos of a place. alone: they are named relative to it, unless it is a pattern."""
    try:
        files, path = _reached(place)
    except TerminalError as error:
        yield _trouble(place, error)
        return
    found = False
    for entry in _entries(files, path):
        found = True
        name = files.name(entry.path)
        prefix = "" if alone and entry.path == path else f"{name.rstrip('/')}/"
        if entry.trouble:
            yield _trouble(name, entry.trouble)
        elif entry.is_folder:
            yield from _folder(files, entry.path, name, prefix)
        elif _public(entry.path, place).lower().endswith(".zip"):
            yield from _zip(files, entry.path, name, prefix)
        else:
            yield Source(name, partial(_read, files, entry.path))
    if not found:
        yield _trouble(place, TerminalError("file-missing"))


def _folder(files: _Files, folder: str, name: str, prefix: str) -> Iterator[Source | _Passed]:
    found = False
    folder = folder.rstrip("/") or folder
    for entry in files.walk(folder):
        within = entry.path.removeprefix(folder.rstrip("/"))
        named = name if entry.path == folder else prefix + within.removeprefix("/")
        for source in _found(files, entry, named, within):
            found = found or isinstance(source, Source)
            yield source
    if not found:
        yield _trouble(name, TerminalError("folder-empty"))


def _found(files: _Files, entry: _Entry, name: str, within: str) -> Iterator[Source | _Passed]:
    """Yield what is to be told of something in a folder. within: its path from there, with a slash before it."""
    kind = _kind(entry.path)
    if entry.trouble:
        yield _trouble(name, entry.trouble)
    elif kind == "photo":
        yield Source(name, partial(_read, files, entry.path))
    elif kind == "zip":
        yield from _zip(files, entry.path, name, f"{name}/", photos_due=False)
    elif kind == "archive":
        yield _trouble(name, ArchiveRefused("archive-unsupported"))
    elif kind is None and is_other(within):
        yield _Passed(name)


def _kind(path: str) -> Literal["photo", "zip", "archive"] | None:
    """What a file is by its name, where it was found in a folder or an archive; None is passed over."""
    name = PurePosixPath(path)
    suffix = name.suffix.lower()
    if is_note(path):
        return None
    if suffix in SUFFIXES:
        return "photo"
    if suffix == ".zip":
        return "zip"
    packed = suffix in PACKED and PurePosixPath(name.stem).suffix.lower() in SUFFIXES | {".tar"}
    return "archive" if packed or suffix in ARCHIVES else None


def _zip(files: _Files, path: str, name: str, prefix: str, *, photos_due: bool = True) -> Iterator[Source]:
    """Yield a ZIP archive's photos. photos_due: one without any is told."""
    try:
        with files.open(path) as file:
            yield from archive(file, prefix, files.unreadable)
    except (ArchiveRefused, TerminalError) as refused:
        if photos_due or refused.type != "archive-empty":
            yield _trouble(name, refused)


def _read(files: _Files, path: str, most: int) -> bytes:
    with files.open(path) as file:
        return file.read(most)


def _trouble(name: str, error: TerminalError | ServiceError) -> Source:
    def read(most: int) -> bytes:
        raise error

    return Source(name, read)
