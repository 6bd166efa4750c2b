"""The straight line from a photo's bytes to advice, in order, and nothing else."""

from gestures.advice import Advice
from gestures.contest import Contest
from gestures.hands.finder import Hand, HandFinder
from gestures.photo import Limits, Photo
from gestures.reading.fingers import PosedHand


class Checker:
    """Checks photos, one after another. Not for two threads at once: give each its own."""

    def __init__(
        self,
        finder: HandFinder | str = "search",
        contest: Contest | str = "default",
        limits: Limits = Limits(),  # noqa: B008
    ) -> None: ...

    def check(self, data: bytes, *, name: str = "", contest: Contest | str | None = None) -> Advice:
        """Check a photo's bytes. Raises a `GesturesError` rather than call a photo clear that was not looked at."""
        raise NotImplementedError

    def check_photo(self, photo: Photo, *, name: str = "", contest: Contest | str | None = None) -> Advice:
        """The same for a photo that is already open."""
        raise NotImplementedError

    def find(self, photo: Photo) -> list[Hand]:
        raise NotImplementedError

    def read(self, hands: list[Hand], photo: Photo) -> list[PosedHand]:
        raise NotImplementedError

    def close(self) -> None: ...
