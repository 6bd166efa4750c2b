"""The small pictures of a photo that a batch keeps."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from app.batch.pictures import MARGIN, around, with_pictures
from gestures import Findings, Photo
from gestures.reading.fingers import State


@pytest.fixture
def photo() -> Photo:
    return Photo(np.full((900, 1200, 3), 128, np.uint8))


def found(photo, *posed):
    return with_pictures(photo, Findings(photo.width, photo.height, None, posed, "search", 1.0))


def size(picture):
    return Image.open(BytesIO(picture)).size


def test_the_whole_photo_is_kept_small_and_only_where_a_hand_may_need_a_look(photo, make_posed):
    assert size(found(photo, make_posed("peace")).preview) == (640, 480)
    assert size(found(photo, make_posed(None, State.UNCLEAR)).preview) == (640, 480)
    resting = found(photo, make_posed(None))
    assert resting.preview is None
    assert len(resting.crops) == 1
    assert found(photo).preview is None


@pytest.mark.parametrize(
    ("box", "shape"),
    [
        ((500, 400, 100, 50), (170, 170)),  # a square, with a third of the hand's size round it
        ((0, 0, 100, 100), (135, 135)),
        ((1150, 850, 100, 100), (85, 85)),
        ((-80, -80, 40, 40), (1, 1)),
        ((1300, 1000, 40, 40), (1, 1)),
    ],
)
def test_what_is_round_a_hand_is_shown_as_far_as_it_lies_in_the_photo(photo, box, shape):
    assert around(photo, box, MARGIN).shape[:2] == shape
