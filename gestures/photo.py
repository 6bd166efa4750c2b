"""A photo's bytes → an upright RGB `Photo` within limits, or a `PhotoError` that says why not."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Limits:
    """What a photo may be at most and at least. Pixels are checked before anything is decoded."""

    bytes: int = 25 * 2**20
    pixels: int = 50_000_000
    side: int = 20_000
    least_side: int = 32


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """An upright photo.

    pixels: (height, width, 3) uint8, RGB, EXIF orientation applied.
    taken_at: the camera's local time from EXIF, without a zone, or None.
    """

    pixels: NDArray[np.uint8]
    taken_at: datetime | None = None

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


def open_photo(data: bytes, limits: Limits = Limits()) -> Photo:  # noqa: B008
    """Decode a photo."""
    raise NotImplementedError
