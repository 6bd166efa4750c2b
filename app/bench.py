"""Both finders timed side by side on this machine, on scenes made of our own samples.

A scene is a plain wall with so many raised hands on it, all of one height. Times are ratios within one run: the whole check with `search`
against opening the photo and one `HandLandmarker.detect`, taking turns, since machines are noisy.
"""

import io
import time
from dataclasses import asdict, dataclass
from importlib.resources import files
from statistics import median

import numpy as np
from PIL import Image

from gestures import Checker, open_photo
from gestures.hands.landmarker import LandmarkerFinder

# Megapixels and hands of each scene, and how high a hand's picture is, as a share of the scene's height; the hand fills about half of it.
SCENES = ((0.3, 1, 0.9), (2.0, 6, 0.35), (12.0, 20, 0.12), (24.0, 40, 0.08))
SAMPLES = ("peace", "ok", "like", "rock")


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians in milliseconds; ratio of the whole check to opening and one detection; hands found that pose, of those there are."""

    megapixels: float
    hands: int
    search_ms: float
    mediapipe_ms: float
    ratio: float
    search_found: int
    mediapipe_found: int


def scene(megapixels: float, hands: int, height: float) -> bytes:
    """Return a JPEG of 4:3 with so many of the samples in rows on a wall of their own mean colour."""
    size = (round((megapixels * 1e6 * 4 / 3) ** 0.5), round((megapixels * 1e6 * 3 / 4) ** 0.5))
    picture = Image.new("RGB", size, (196, 188, 180))
    side = round(size[1] * height)
    columns = max(1, min(hands, size[0] // side))
    rows = -(-hands // columns)
    folder = files("app") / "web" / "static" / "samples"
    for i in range(hands):
        with (folder / f"{SAMPLES[i % len(SAMPLES)]}.jpg").open("rb") as file:
            sample = Image.open(file).convert("RGB").resize((side, side))
        x = round((i % columns + 0.5) * size[0] / columns - side / 2)
        y = round((i // columns + 0.5) * size[1] / rows - side / 2)
        picture.paste(sample, (x, y))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


def run(rounds: int, most_megapixels: float) -> list[Timing]:
    """Time every scene up to so many megapixels, each so many rounds after one to warm up."""
    timings = []
    with Checker() as checker, LandmarkerFinder() as landmarker:
        for megapixels, hands, height in SCENES:
            if megapixels > most_megapixels:
                continue
            data = scene(megapixels, hands, height)
            ours, theirs = [], []
            for _ in range(rounds + 1):
                started = time.perf_counter()
                advice = checker.check(data)
                between = time.perf_counter()
                found = landmarker.find(open_photo(data))
                theirs.append(time.perf_counter() - between)
                ours.append(between - started)
            search_ms, mediapipe_ms = (round(median(times[1:]) * 1000, 1) for times in (ours, theirs))
            posing = sum(hand.posed.pose is not None for hand in advice.hands)
            ratio = float(np.round(search_ms / mediapipe_ms, 1))
            timings.append(Timing(megapixels, hands, search_ms, mediapipe_ms, ratio, posing, len(found)))
    return timings


def as_json(timings: list[Timing]) -> list[dict[str, float]]:
    """The timings as plain JSON."""
    return [asdict(timing) for timing in timings]
