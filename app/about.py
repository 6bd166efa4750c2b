"""What is running: versions, and the hashes of what finds and reads the hands."""

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import gestures
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
def library_sha256() -> str:
    """Return one hash of all that finds hands, reads them and advises on them: the library's code, tables, networks and words."""
    folder = Path(gestures.__file__).parent
    contents = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc"):
        contents.update(hashlib.sha256(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes()).digest())
    return contents.hexdigest()


@cache
def own_sha256() -> dict[str, str]:
    """Return the hashes of the networks that we made: the one that reads hands, and the one that says where to look for them."""
    own = {"head_sha256": "reading/head.npz", "proposals_sha256": "hands/proposals.tflite"}
    return {name: hashlib.sha256((files("gestures") / file).read_bytes()).hexdigest() for name, file in own.items()}
