import json
from datetime import datetime

import numpy as np
import pytest

from gestures import Checker, Findings, Photo, advise, contests, open_photo
from gestures.errors import PhotoTooSmall


@pytest.fixture(scope="module")
def findings(samples):
    photo = open_photo((samples / "two_thumbs.jpg").read_bytes())
    with Checker() as checker:
        return checker.look(Photo(photo.pixels, datetime(2023, 11, 25, 9, 12)))


@pytest.mark.parametrize("contest", contests().values(), ids=list(contests()))
def test_kept_as_json_they_are_advised_on_as_before(findings, contest):
    kept = Findings.from_dict(json.loads(json.dumps(findings.to_dict())))
    assert advise(kept, contest, "rapat.jpg").to_dict() == advise(findings, contest, "rapat.jpg").to_dict()
    assert advise(kept, contest).elapsed_ms == findings.elapsed_ms > 0
    assert len(kept.hands) >= 2


def test_not_a_bit_of_a_landmark_is_lost(findings):
    kept = Findings.from_dict(findings.to_dict())
    for one, other in zip(findings.hands, kept.hands, strict=True):
        assert np.array_equal(one.hand.landmarks, other.hand.landmarks)
        assert (one.confidence, one.score, one.fingers) == (other.confidence, other.score, other.fingers)


def test_keeping_what_was_kept_changes_nothing(findings):
    assert Findings.from_dict(findings.to_dict()).to_dict() == findings.to_dict()


def test_a_photo_too_small_to_be_looked_at_is_refused():
    with Checker() as checker, pytest.raises(PhotoTooSmall):
        checker.look(Photo(np.zeros((5, 64, 3), np.uint8)))
