"""Opens the port of the service, to others than this machine only where keys are asked for."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

from app.keys import Key, read_keys
from app.settings import Settings
from app.terminal.words import TerminalError


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """Open the socket to serve on. Raises `TerminalError`."""
    keys = _keys(settings)
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        code = error.errno or 0  # below 0 where a host's name was not found
        reason = os.strerror(code) if code > 0 else str(error.strerror or error)
        raise TerminalError("port-taken", host=settings.host, port=str(settings.port), reason=reason) from None
    with listener:
        if not (keys or settings.allow_open or ip_address(listener.getsockname()[0]).is_loopback):
            raise TerminalError("open-refused", host=settings.host)
        yield listener


def _keys(settings: Settings) -> tuple[Key, ...]:
    try:
        return read_keys(settings.api_keys, settings.api_keys_file)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TerminalError("keys-unreadable", path=settings.api_keys_file, reason=reason) from None
