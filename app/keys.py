"""API keys: named, hashed and revocable, each with a limit on its rate.

A key is 32 random bytes, so its SHA-256 is kept as it is: the slow, salted hashes are for what people think up.
A key is named after the integration that uses it, never after a person, because logs and metrics carry the name.

What is wrong with entries is told as pydantic tells it of settings: a `ValueError` of a kind that words.toml has words for.
"""

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import PydanticCustomError

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
PREFIX = "jari_"  # lets scanners for leaked secrets, and people, tell what it is


@dataclass(frozen=True, slots=True)
class Key:
    """An entry: NAME:SHA256, or NAME:SHA256:PER_MINUTE. per_minute: requests a minute, or None for the general limit."""

    name: str
    sha256: str
    per_minute: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.name, self.sha256, self.per_minute) if part is not None)


def new_key(name: str) -> tuple[str, Key]:
    """Make a key: the secret, to be shown once, and its entry. Raises `ValueError` for a name that is not one."""
    secret = PREFIX + secrets.token_urlsafe(32)
    return secret, _parse(f"{name}:{_digest(secret)}")


def parse_keys(text: str) -> tuple[Key, ...]:
    """Read entries, separated by commas or line ends; what follows a # is a comment. Raises `ValueError`, which quotes no hash."""
    lines = (line.partition("#")[0] for line in text.splitlines())
    return _distinct(tuple(_parse(entry.strip()) for line in lines for entry in line.split(",") if entry.strip()))


def read_keys(entries: tuple[Key, ...], file: Path | None) -> tuple[Key, ...]:
    """Put the keys of the setting and those of the file together.

    Raises `OSError` where the file can't be read, and `ValueError` where it can't be understood or is empty: whoever names a file of
    keys never wants the service open to all.
    """
    if file is None:
        return entries
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise PydanticCustomError("not-text", "this is no UTF-8 text") from None
    if not (more := parse_keys(text)):
        raise PydanticCustomError("key-none", "there is no key in it")
    return _distinct(entries + more)


def _distinct(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    """Return the keys. Raises `ValueError` where two have the same name."""
    if len({key.name for key in keys}) < len(keys):
        raise PydanticCustomError("key-twice", "two keys have the same name")
    return keys


def _parse(entry: str) -> Key:
    name, colon, rest = entry.partition(":")
    digest, _, rate = rest.partition(":")
    if not colon:
        raise PydanticCustomError("key-bare", "an entry without a colon is not NAME:SHA256; perhaps it is the key itself")
    if not NAME.fullmatch(name):
        raise PydanticCustomError("key-name", "a key's name has small letters, digits and hyphens, at most 32")
    if not re.fullmatch("[0-9a-f]{64}", digest) or not re.fullmatch("[1-9][0-9]{0,6}|", rate):
        raise PydanticCustomError("key-entry", "the entry of the key {name} is not NAME:SHA256 or NAME:SHA256:PER_MINUTE", {"name": name})
    return Key(name, digest, int(rate) if rate else None)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class KeyRing:
    """The keys that are valid now, and how much each has been used. `keys` may be replaced at any time; without any, everybody may call.

    per_minute: requests a minute of keys that have no limit of their own; 0 is no limit.
    """

    def __init__(self, keys: tuple[Key, ...] = (), per_minute: int = 0) -> None:
        self.keys = keys
        self._per_minute = per_minute
        self._due: dict[str, float] = {}

    def find(self, secret: str) -> Key | None:
        """Return the key that a caller showed. Takes as long for a wrong one as for a right one."""
        digest, found = _digest(secret), None
        for key in self.keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found

    def wait_s(self, key: Key) -> float:
        """Count a request, and return 0; or don't, and return the seconds after which the key's rate allows another.

        The generic cell rate algorithm (ITU-T I.371): a minute's worth may come at once, after that one at a time.
        """
        per_minute = key.per_minute or self._per_minute
        if not per_minute:
            return 0
        interval, now = 60 / per_minute, time.monotonic()
        due = max(now, self._due.get(key.name, now))
        wait = due - now - (60 - interval)
        if wait > 1e-6:
            return wait
        self._due[key.name] = due + interval
        return 0
