"""A finder, checkers for many photos, and a photo of hands near and far."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import cv2
import numpy as np
import pytest

from gestures import Checker, Photo, open_photo
from gestures.hands.search import SearchFinder


@pytest.fixture(scope="module")
def search():
    with SearchFinder() as finder:
        yield finder


@pytest.fixture(scope="module")
def check_each():
    """Checks many on two cores, by a checker on each: `check_each(lambda checker, one: …, many)` gives what comes of them in order."""
    own = threading.local()

    def begin():
        own.checker = checkers.enter_context(Checker(threads=1))

    with ExitStack() as checkers, ThreadPoolExecutor(2, initializer=begin) as cores:
        yield lambda check, many: list(cores.map(lambda one: check(own.checker, one), many))


@pytest.fixture(scope="module")
def near_and_far(samples):
    """A photo of a hand near the camera, and beside it our group."""
    near, far = (open_photo((samples / name).read_bytes()).pixels for name in ("peace.jpg", "group.jpg"))
    return Photo(np.hstack([cv2.resize(near, (far.shape[0], far.shape[0])).astype(np.uint8), far]))
