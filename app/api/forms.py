"""Reads a form whose files are too many for the memory: straight into a folder, as they come."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from app.errors import BatchRefused, RequestError, ServiceError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELDS = ("contest", "lang", "crops")
MOST_FIELDS = 16
MOST_FIELD_BYTES = 4096

# What browsers write in a file's name for what would end it there (WHATWG HTML, "multipart/form-data encoding algorithm").
ESCAPES = {"%22": '"', "%0D": "\r", "%0A": "\n"}


@dataclass(slots=True)
class Form:
    """A form as it comes. files: names and paths, in their order. fields: all else."""

    folder: Path
    most_files: int
    files: list[tuple[str, Path]] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    is_whole: bool = False
    _header: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    _disposition: bytes = b""
    _name: str = ""
    _value: bytearray = field(default_factory=bytearray)
    _file: IO[bytes] | None = None

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
            self._file = None

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
        self._name = _decoded(options.get(b"name", b""))
        if b"filename" in options and self._name not in FIELDS:  # some clients give every part one
            if len(self.files) >= self.most_files:
                raise BatchRefused("batch-too-many", most=self.most_files)
            path = self.folder / f"part-{len(self.files)}"
            self._file = path.open("wb")
            self.files.append((_file_name(options[b"filename"]), path))

    def _write(self, data: bytes, start: int, end: int) -> None:
        if self._file:
            self._file.write(data[start:end])
        else:
            self._value += data[start:end]
            if len(self._value) > MOST_FIELD_BYTES:
                raise FormParserError("field too long")

    def _end(self) -> None:
        if self._file:
            self.close()
            name, path = self.files[-1]
            if not name and not path.stat().st_size:  # how browsers send a choice of files that nobody made
                self.files.pop()
                path.unlink()
        else:
            self.fields[self._name] = _decoded(bytes(self._value))
            if len(self.fields) > MOST_FIELDS:
                raise FormParserError("too many fields")

    def _end_form(self) -> None:
        self.is_whole = True


async def read_form(request: Request, folder: Path, most_files: int) -> Form:
    """Read a multipart form, its files into `folder`. Raises an `HTTPException` caused by a `ServiceError`, or `OSError`."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise RequestError("media-type-unsupported")
    form = Form(folder, most_files)
    try:
        parser = MultipartParser(options[b"boundary"], form.callbacks)
        async for chunk in request.stream():
            await asyncio.to_thread(parser.write, chunk)
        if not form.is_whole:
            raise RequestError("request-malformed")
    except FormParserError:
        raise HTTPException(400) from RequestError("request-malformed")
    except ServiceError as error:
        raise HTTPException(400) from error
    except ClientDisconnect:
        raise HTTPException(499) from None  # nobody is there to read it
    finally:
        form.close()
    return form


def _file_name(data: bytes) -> str:
    name = _decoded(data)
    for escape, letter in ESCAPES.items():
        name = name.replace(escape, letter)
    return name


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
