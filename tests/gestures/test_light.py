"""Photos in light that the networks were not taught on."""

import csv
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from gestures import Checker, Photo, open_photo
from gestures.drawing import encode
from gestures.hands.light import daylight
from gestures.hands.pyramid import Pyramid
from gestures.hands.search import SearchFinder

Pixels = NDArray[np.uint8]


def in_light(red: float, green: float, blue: float) -> Callable[[Pixels], Pixels]:
    return lambda pixels: np.clip(pixels * np.array([red, green, blue]), 0, 255).astype(np.uint8)


def without_colour(pixels: Pixels) -> Pixels:
    return np.repeat((pixels @ np.array([0.3, 0.59, 0.11]))[..., None], 3, axis=2).astype(np.uint8)


def in_sepia(pixels: Pixels) -> Pixels:
    """As photo programs do it; what is bright is clipped, in red first."""
    return np.clip(pixels @ np.array([[0.393, 0.349, 0.272], [0.769, 0.686, 0.534], [0.189, 0.168, 0.131]]), 0, 255).astype(np.uint8)


def in_two_tones(pixels: Pixels) -> Pixels:
    """From dark blue to the tone of old paper."""
    dark, bright = np.array([20, 30, 90]), np.array([255, 220, 180])
    return (dark + (bright - dark) * without_colour(pixels) / 255).astype(np.uint8)


def in_the_dark(pixels: Pixels) -> Pixels:
    return ((pixels / 255) ** 1.6 * 0.2 * 255).astype(np.uint8)


def before_a_wall(*colour: int) -> Callable[[Pixels], Pixels]:
    """As portraits for official use are taken; a third as wide again on every side."""

    def walled(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[0] // 3, pixels.shape[1] // 3
        return cv2.copyMakeBorder(pixels, height, height, width, width, cv2.BORDER_CONSTANT, value=colour).astype(np.uint8)

    return walled


def in_haze(pixels: Pixels) -> Pixels:
    return (pixels * 0.3 + 110).astype(np.uint8)


def before_a_window(pixels: Pixels) -> Pixels:
    """In the dark, with bright light all around."""
    return before_a_wall(255, 255, 255)(in_the_dark(pixels))


def at_night(*surroundings: int) -> Callable[[Pixels], Pixels]:
    """Well lit, but small in the dark: less than a thirtieth of the photo."""

    def lit(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        night = np.empty((6 * height, 6 * width, 3), np.uint8)
        night[:] = surroundings
        night[2 * height : 3 * height, 3 * width : 4 * width] = pixels
        return night

    return lit


def framed(*colour: int) -> Callable[[Pixels], Pixels]:
    """As photos are posted: a strip for words below, a frame around, a logo in a corner."""

    def painted(pixels: Pixels) -> Pixels:
        side = max(4, max(pixels.shape) // 30)
        sheet = cv2.copyMakeBorder(pixels, side, 3 * side, side, side, cv2.BORDER_CONSTANT, value=colour).astype(np.uint8)
        sheet[2 * side : 6 * side, 2 * side : 8 * side] = colour
        return open_photo(encode(sheet)).pixels

    return painted


NIGHT = {"black night": at_night(0, 0, 0), "dark night": at_night(8, 8, 8)}
WALLS = {"red wall": before_a_wall(200, 20, 30), "blue wall": before_a_wall(20, 60, 200), "green wall": before_a_wall(30, 180, 60)}
AGAINST = {"window": before_a_window}
ODD = {
    "green": in_light(0.6, 1.1, 0.6),
    "red": in_light(1.2, 0.4, 0.4),
    "blue": in_light(0.5, 0.7, 1.3),
    "purple": in_light(1.0, 0.5, 1.2),
    "only blue": in_light(0.0, 0.05, 1.3),
    "colourless": without_colour,
    "sepia": in_sepia,
    "two tones": in_two_tones,
    "dark": in_the_dark,
    "hazy": in_haze,
}


FRAMED = {"green, framed": lambda pixels: framed(255, 255, 255)(ODD["green"](pixels))}


@pytest.fixture(scope="module")
def people(shared: Path) -> list[tuple[Photo, set[int]]]:
    """Close-ups of people who pose, and the numbers that each may be read as."""
    folder = shared / "photos"
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == "hagrid" and row["kind"] == "posed"][::7]
    return [(open_photo((folder / row["path"]).read_bytes()), set(map(int, row["numbers"].split(";")))) for row in rows if row["numbers"]]


LIGHTS = {light: made for light, made in (ODD | WALLS | NIGHT | AGAINST | FRAMED).items() if light != "only blue"}


@pytest.mark.parametrize("light", LIGHTS)
def test_poses_are_read_in_odd_light(light: str, people: list[tuple[Photo, set[int]]], check_each) -> None:
    def is_read(checker: Checker, person: tuple[Photo, set[int]]) -> bool:
        photo, numbers = person
        advice = checker.check_photo(Photo(LIGHTS[light](photo.pixels)))
        return bool(numbers & {code.number for code in advice.codes})

    read = check_each(is_read, people[list(LIGHTS).index(light) % 2 :: 2])  # every other of them in one light, the rest in the next
    assert len(read) > 15
    assert np.mean(read) >= 0.88


def test_common_photos_are_left_alone(people: list[tuple[Photo, set[int]]]) -> None:
    """The networks see them as they are, so nothing that is measured on them changes."""
    changed = [daylight(photo.pixels[::4, ::4]) is not None for photo, _ in people]
    assert np.mean(changed) <= 0.05


@pytest.mark.parametrize("light", ODD)
def test_daylight_is_daylight(light: str, samples: Path) -> None:
    """What was seen in daylight once needs no more of it; and the light is told from a small copy as from one of half a megapixel."""
    pixels = ODD[light](open_photo((samples / "group.jpg").read_bytes()).pixels[::2, ::2])
    matrix = daylight(pixels)
    assert matrix is not None
    lit = cv2.transform(pixels, matrix).astype(np.uint8)
    assert daylight(lit) is None or light in ("colourless", "sepia", "two tones", "only blue")
    small = daylight(np.ascontiguousarray(pixels[::5, ::5]))
    assert small is not None
    np.testing.assert_allclose(small, matrix, rtol=0.1, atol=0.02)


@pytest.mark.parametrize("colour", [(255, 255, 255), (240, 240, 240), (20, 60, 200), (0, 0, 0)])
@pytest.mark.parametrize("light", ODD)
def test_what_is_painted_into_a_photo_is_no_light(light: str, colour: tuple[int, int, int], samples: Path) -> None:
    pixels = ODD[light](open_photo((samples / "group.jpg").read_bytes()).pixels)
    plain, painted = (daylight(Pyramid(some)._few_pixels()) for some in (pixels, framed(*colour)(pixels)))
    assert plain is not None
    assert painted is not None
    np.testing.assert_allclose(painted, plain, rtol=0.1, atol=0.05)


@pytest.mark.parametrize("tone", [(1, 0.8, 0.6), (1.1, 0.9, 0.7)])
@pytest.mark.parametrize("name", ["group.jpg", "two_up.jpg"])
def test_the_few_colours_of_a_toned_photo_are_not_painted(name: str, tone: tuple[float, ...], samples: Path) -> None:
    grey = without_colour(open_photo((samples / name).read_bytes()).pixels)
    toned = open_photo(encode(np.clip(grey * np.array(tone), 0, 255).astype(np.uint8))).pixels
    matrix = daylight(Pyramid(toned)._few_pixels())
    assert matrix is not None
    assert np.linalg.matrix_rank(matrix[:, :3], tol=1e-6) == 1  # no colour is left but the tint of skin


@pytest.mark.parametrize("name", ["dislike.jpg", "finger_heart.jpg"])
def test_what_sepia_clips_is_no_colour(name: str, samples: Path) -> None:
    matrix = daylight(Pyramid(in_sepia(open_photo((samples / name).read_bytes()).pixels))._few_pixels())
    assert matrix is not None
    assert np.linalg.matrix_rank(matrix[:, :3], tol=1e-6) == 1


def test_dark_places_are_lit_up_only_where_few_hands_are_proposed(search: SearchFinder, samples: Path) -> None:
    """Far away no palm is certain in any light. What the photo would be, lit up, is put in its place here, so that it tells."""
    hand, far = (open_photo((samples / name).read_bytes()).pixels for name in ("peace.jpg", "group.jpg"))
    hall = np.full((2 * far.shape[0], 2 * far.shape[1], 3), 40, np.uint8)
    people = cv2.copyMakeBorder(far, *2 * [far.shape[0] // 2], *2 * [far.shape[1] // 2], cv2.BORDER_CONSTANT, value=(40, 40, 40))
    with patch.object(Pyramid, "lit_up", return_value=Pyramid(hand)):
        assert len(search.find(Photo(hall))) == 1
    with patch.object(Pyramid, "lit_up", return_value=Pyramid(hall)):
        assert len(search.find(Photo(people.astype(np.uint8)))) >= 15


@pytest.mark.parametrize("shade", [0, 1, 128, 255])
def test_a_blank_picture_is_no_trouble(shade: int) -> None:
    matrix = daylight(np.full((60, 80, 3), shade, np.uint8))
    assert matrix is None or np.isfinite(matrix).all()


def test_a_light_in_the_dark_is_no_trouble() -> None:
    dark = np.zeros((100, 100, 3), np.uint8)
    dark[:3] = 200
    matrix = daylight(dark)
    assert matrix is None or np.isfinite(matrix).all()
