"""What is running: versions, and the hashes of what reads the hands."""

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from gestures import GesturesError
from gestures.hands.bundle import SHA256, load_bundle

PACKAGES = ("jari-netral", "ai-edge-litert", "mediapipe", "numpy", "opencv-python", "pillow", "pi-heif")


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide what is found in a photo."""
    return {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}


def model_sha256(path: Path | None) -> str | None:
    """Return the hand model's hash, or None where the file is missing or is not the official one. path: as the setting JARI_MODEL."""
    try:
        load_bundle(path)
    except GesturesError:
        return None
    return SHA256


@cache
def head_sha256() -> str:
    """Return the reading head's hash."""
    return hashlib.sha256((files("gestures") / "reading" / "head.npz").read_bytes()).hexdigest()
