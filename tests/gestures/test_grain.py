"""Photos with the grain of noise and of coarse JPEGs."""

import csv
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gestures import Photo, open_photo
from gestures.hands.grain import levels_to_smooth, noise
from gestures.hands.pyramid import Pyramid, Region
from gestures.hands.search import SearchFinder

Pixels = NDArray[np.uint8]


def noisy(pixels: Pixels, levels: float) -> Pixels:
    grain = np.random.default_rng(1).normal(0, levels, pixels.shape)
    return np.clip(pixels + grain, 0, 255).astype(np.uint8)


def as_jpeg(pixels: Pixels, quality: int) -> Photo:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return open_photo(file.getvalue())


@pytest.mark.parametrize("levels", [3, 7, 14])
def test_noise_is_measured_in_photos(levels: float, samples: Path) -> None:
    pixels = noisy(open_photo((samples / "group.jpg").read_bytes()).pixels, levels)
    assert noise(pixels) == pytest.approx(levels, rel=0.15)


@pytest.mark.parametrize("shade", [0, 128, 255])
@pytest.mark.parametrize("size", [(32, 32), (18, 300)])
def test_a_blank_picture_has_none(shade: int, size: tuple[int, int]) -> None:
    assert noise(np.full((*size, 3), shade, np.uint8)) == 0


def test_common_photos_are_left_alone(shared: Path) -> None:
    """What the networks see of them stays as sharp as it is."""
    with (shared / "photos" / "labels.csv").open(encoding="utf-8") as file:
        paths = sorted({row["path"] for row in csv.DictReader(file)})[::15]
    photos = [open_photo((shared / "photos" / path).read_bytes()) for path in paths]
    assert len(photos) > 50
    assert not any(levels_to_smooth(photo.pixels, coarse=False) for photo in photos)
    assert all(levels_to_smooth(photo.pixels, coarse=True) for photo in photos)


@pytest.mark.parametrize("grain", ["noise", "coarse JPEG"])
def test_edges_stay_and_grain_goes(grain: str) -> None:
    """A bright slope on grey; most of the grain beside its edge is gone, and the edge is as sharp as it was."""
    rows, columns = np.mgrid[:160, :160]
    beyond = columns - 0.6 * rows - 30
    slope = np.repeat(np.where(beyond > 0, 180, 120)[..., None], 3, axis=2).astype(np.uint8)
    photo = as_jpeg(slope, 60) if grain == "coarse JPEG" else Photo(noisy(slope, 8))
    assert photo.coarse == (grain == "coarse JPEG")
    whole = Region(80, 80, 160, 0).to_photo()
    levels = levels_to_smooth(photo.pixels, coarse=photo.coarse)
    stored, shown = (Pyramid(photo.pixels, smooth=smooth).crop(whole, 160).astype(float) for smooth in (0, levels))
    beside = (beyond < -3) & (beyond > -12)
    assert shown[beside].std() < 0.5 * stored[beside].std()
    step = [picture[(beyond > 1) & (beyond < 3)].mean() - picture[(beyond < -1) & (beyond > -3)].mean() for picture in (stored, shown)]
    assert step[1] > 0.9 * step[0]
    if photo.coarse:  # noise has steeper places than the edge
        steepest = [np.abs(np.diff(picture, axis=1)).max(axis=1).mean() for picture in (stored, shown)]
        assert steepest[1] > 0.95 * steepest[0]


def test_small_hands_are_found_in_noise(samples: Path, search: SearchFinder) -> None:
    """Of a group whose hands are some 30 pixels; without smoothing, less than half of them are found."""
    pixels = open_photo((samples / "group.jpg").read_bytes()).pixels
    small = cv2.resize(pixels, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA).astype(np.uint8)
    found = len(search.find(Photo(small)))
    assert found > 15
    assert len(search.find(Photo(noisy(small, 14)))) >= 0.75 * found
