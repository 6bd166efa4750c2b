import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gestures import Checker, FinderError, ModelError, Photo, Thresholds, open_photo


@pytest.fixture(scope="module")
def checker():
    with Checker() as one:
        yield one


@pytest.mark.parametrize("name", ["MediaPipe", "Search", "", "searching"])
def test_no_finder_but_the_one_that_was_asked_for(name):
    with pytest.raises(ValueError, match=f"'search' or 'mediapipe', or a HandFinder, not '{name}'"):
        Checker(finder=name)


def test_a_path_as_text():
    with pytest.raises(ModelError, match=r"/x/hand_landmarker\.task"):
        Checker(model="/x/hand_landmarker.task")


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.1, 1.1, 35])
@pytest.mark.parametrize("threshold", ["review", "unclear"])
def test_a_threshold_that_no_hand_would_come_up_to_is_refused(threshold, score):
    with pytest.raises(ValueError, match="scores from 0 to 1"):
        Thresholds(**{threshold: score})


@pytest.mark.parametrize("wrong", [str, lambda path: path, lambda path: open_photo(path.read_bytes()).pixels, lambda path: None])
def test_what_is_no_photo_is_told_what_is_wanted(checker, samples, wrong):
    with pytest.raises(TypeError, match=r"a photo's bytes, as of Path\(…\)\.read_bytes\(\)"):
        checker.check(wrong(samples / "peace.jpg"))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_every_kind(checker, samples, kind):
    assert checker.check(kind((samples / "peace.jpg").read_bytes())).codes[0].number == 2


def test_an_advice_is_shown_without_arrays(checker, samples):
    # As a notebook shows it: those of a group's hands would fill some hundred screens.
    assert "array(" not in repr(checker.check((samples / "peace.jpg").read_bytes()))


def test_a_finder_of_ones_own_may_say_nothing_of_its_failure():
    class Broken:
        name = "broken"

        def find(self, photo):
            raise FinderError

        def close(self):
            pass

    with pytest.raises(FinderError) as caught, Checker(finder=Broken()) as checker:
        checker.check_photo(Photo(np.zeros((64, 64, 3), np.uint8)))
    assert str(caught.value) == "finder-error {}"


def test_threads_that_share_one_wait_for_each_other():
    class Alone:
        """Fails where it is not left alone: a network that is given another picture meanwhile would tell of that one."""

        name = "alone"
        busy = threading.Lock()

        def find(self, photo):
            self._be_busy()
            return []

        def close(self):
            self._be_busy()

        def _be_busy(self):
            assert self.busy.acquire(blocking=False)
            threading.Event().wait(0.05)
            self.busy.release()

    checker = Checker(finder=Alone())
    photo = Photo(np.zeros((64, 64, 3), np.uint8))
    with ThreadPoolExecutor(3) as threads:
        looks = [threads.submit(checker.check_photo, photo) for _ in range(2)]
        threads.submit(checker.close).result()
    assert [look.result().hands for look in looks] == [(), ()]
