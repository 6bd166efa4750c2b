"""Hands for tests of what comes after finding and reading: their poses are given, not read."""

import cv2
import numpy as np
import pytest

from gestures import Photo, open_photo
from gestures.hands.finder import Hand
from gestures.hands.search import SearchFinder
from gestures.reading.fingers import Fingers, PosedHand, State


def _hand(x=100.0, y=100.0, size=60.0, side="right"):
    """A hand with an upright palm around (x, y), as wide as high; `size` is its box in pixels, and twice the palm's length."""
    landmarks = np.zeros((21, 3), np.float32)
    landmarks[:, 0] = x + size * np.linspace(-0.5, 0.5, 21)
    landmarks[:, 1] = y + size * np.tile([-0.5, -0.25, 0.25], 7)
    landmarks[0, :2] = x, y + size / 2
    landmarks[1, 0] = x - size / 2
    landmarks[9, :2] = x, y
    return Hand(landmarks, landmarks / 1000, side, presence=0.97654)


@pytest.fixture(scope="module")
def search():
    with SearchFinder() as finder:
        yield finder


@pytest.fixture(scope="module")
def near_and_far(samples):
    """A photo of a hand near the camera, and beside it our group."""
    near, far = (open_photo((samples / name).read_bytes()).pixels for name in ("peace.jpg", "group.jpg"))
    return Photo(np.hstack([cv2.resize(near, (far.shape[0], far.shape[0])).astype(np.uint8), far]))


@pytest.fixture
def make_hand():
    return _hand


@pytest.fixture
def make_posed():
    def make(pose, state=State.POSING, confidence=0.9, **place):
        if pose is None and state is State.POSING:
            state = State.REST
        fingers = Fingers((0.04, 0.99, 0.98, 0.03, 0.02), 0.9, 0.0, 0.0, 0.9, 0.5)
        return PosedHand(_hand(**place), fingers, state, pose, confidence, pose or "fist", confidence)

    return make
