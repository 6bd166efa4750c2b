"""Reads forms as they come: many files straight into a folder, since they are too many for the memory, or one photo into the memory.

The parser runs in a thread: a body full of almost-boundaries takes it many times as long as another.
"""

import re
from contextlib import suppress
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Generic, TypeVar

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from app.batch.sources import unique
from app.errors import BatchRefused, RequestError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

# Whether or not a part gives the name of a file: some clients give every part one, and RFC 7578 asks it of none.
FIELDS = ("contest", "lang", "crops")
FILES = ("photo", "photos")

MOST_FIELDS = 16
MOST_FIELD_BYTES = 4096
BESIDE = f"at most {MOST_FIELDS} other fields of at most {MOST_FIELD_BYTES} bytes each, none of those named here twice"

# What browsers write in a file's name for what would end it there (WHATWG HTML, "multipart/form-data encoding algorithm").
ESCAPES = {"%22": '"', "%0D": "\r", "%0A": "\n"}
# How .NET writes what is not ASCII: as mail does (RFC 2047).
ENCODED = re.compile(r"(=\?utf-8\?[bq]\?[^?]*\?=\s*)+", re.IGNORECASE)

File = TypeVar("File", bound=IO[bytes])


class _Form(Generic[File]):
    """A form as it comes. fields: all that are not files. Subclasses say where files go, in `_new_file` and `_end_file`."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.is_whole = False
        self._beside = 0
        self._header = bytearray(), bytearray()
        self._disposition = b""
        self._name = self._file_name = ""
        self._value = bytearray()
        self._file: File | None = None

    @property
    def callbacks(self) -> "MultipartCallbacks":
        """What a parser tells."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": self._write,
            "on_part_end": self._end,
            "on_end": self._end_form,
        }

    def close(self) -> None:
        """Close the file that is being written."""
        if self._file:
            self._file.close()

    def _new_file(self) -> File:
        raise NotImplementedError

    def _end_file(self, file: File, is_chosen: bool) -> None:
        raise NotImplementedError

    def _begin(self) -> None:
        self._disposition = b""
        self._value.clear()

    def _end_header(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = bytes(value)
        name.clear()
        value.clear()

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise FormParserError("part without a name")
        self._name = _decoded(options[b"name"])
        if self._name in FILES or (b"filename" in options and self._name not in FIELDS):
            self._file_name = _file_name(options.get(b"filename", b""))
            self._file = self._new_file()

    def _write(self, data: bytes, start: int, end: int) -> None:
        if self._file:
            self._file.write(data[start:end])
        else:
            self._value += data[start:end]
            if len(self._value) > MOST_FIELD_BYTES:
                raise RequestError("form-unsuitable")

    def _end(self) -> None:
        if self._file:
            # Without either it is how browsers send a choice of files that nobody made.
            self._end_file(self._file, bool(self._file_name or self._file.tell()))
            self._file = None
        else:
            self._beside += 1
            if self._beside > MOST_FIELDS or (self._name in FIELDS and self._name in self.fields):
                raise RequestError("form-unsuitable")
            self.fields[self._name] = _decoded(bytes(self._value))

    def _end_form(self) -> None:
        self.is_whole = True


class Form(_Form[IO[bytes]]):
    """A form of many files, which go into `folder`. files: names and paths, in order; at the end each has a name, if only by its place."""

    def __init__(self, folder: Path, most_files: int) -> None:
        super().__init__()
        self.folder = folder
        self.most_files = most_files
        self.files: list[tuple[str, Path]] = []

    def _new_file(self) -> IO[bytes]:
        if len(self.files) >= self.most_files:
            raise BatchRefused("batch-too-many", most=self.most_files)
        return (self.folder / f"part-{len(self.files)}").open("wb")

    def _end_file(self, file: IO[bytes], is_chosen: bool) -> None:
        file.close()
        path = Path(file.name)
        if is_chosen:
            self.files.append((self._file_name, path))
        else:
            path.unlink()

    def _end_form(self) -> None:
        super()._end_form()
        names = {name: 1 for name, _ in self.files}  # all that were given, which stay what they are
        self.files = [(name or unique(f"foto-{place}", names), path) for place, (name, path) in enumerate(self.files, 1)]


class PhotoForm(_Form[BytesIO]):
    """A form of one file, which stays in the memory. photo: its bytes, or None where it is not there under that name."""

    photo: bytes | None = None
    _files = 0

    def _new_file(self) -> BytesIO:
        return BytesIO()

    def _end_file(self, file: BytesIO, is_chosen: bool) -> None:
        self._files += is_chosen
        if self._files > 1:
            raise RequestError("form-unsuitable")
        if is_chosen and self._name == "photo":
            self.photo = file.getvalue()  # which is no copy, as reading it would be


Read = TypeVar("Read", bound=_Form[Any])


async def read(request: Request, form: Read) -> Read:
    """Read a form into `form`, and return it. Raises a `ServiceError`, what receiving raises, or, of many files, `OSError`."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise RequestError("media-type-unsupported")
    try:
        parser = MultipartParser(options.get(b"boundary", b""), form.callbacks)
        async for chunk in request.stream():
            await run_in_threadpool(parser.write, chunk)  # not asyncio's own few threads, in which batches are unpacked
    except FormParserError:
        raise RequestError("request-malformed") from None
    except ClientDisconnect:
        raise HTTPException(499) from None  # nobody is there to read it
    finally:
        form.close()
    if not form.is_whole:
        raise RequestError("request-malformed")
    return form


def _file_name(data: bytes) -> str:
    name = _decoded(data)
    if ENCODED.fullmatch(name):
        with suppress(HeaderParseError, UnicodeDecodeError):
            return str(make_header(decode_header(name)))
    for escape, letter in ESCAPES.items():
        name = name.replace(escape, letter)
    return name


def _decoded(data: bytes) -> str:
    """Text as nearly all write it; never by a charset that the sender names."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
