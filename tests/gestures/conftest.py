"""A finder, and a photo of hands near and far."""

import cv2
import numpy as np
import pytest

from gestures import Photo, open_photo
from gestures.hands.search import SearchFinder


@pytest.fixture(scope="module")
def search():
    with SearchFinder() as finder:
        yield finder


@pytest.fixture(scope="module")
def near_and_far(samples):
    """A photo of a hand near the camera, and beside it our group."""
    near, far = (open_photo((samples / name).read_bytes()).pixels for name in ("peace.jpg", "group.jpg"))
    return Photo(np.hstack([cv2.resize(near, (far.shape[0], far.shape[0])).astype(np.uint8), far]))
