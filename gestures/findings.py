"""What was found in a photo, apart from any contest and without a pixel: kept, it can be advised on again."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

import numpy as np

from gestures.hands.finder import Hand
from gestures.reading.fingers import Fingers, PosedHand, State


@dataclass(frozen=True, slots=True)
class Findings:
    """The hands of one photo with what was read off them. width, height: pixels of the upright photo. taken_at: see `Photo`. finder: its
    name. elapsed_ms: what it took to find and read them.
    """

    width: int
    height: int
    taken_at: datetime | None
    hands: tuple[PosedHand, ...]
    finder: str
    elapsed_ms: float

    def to_dict(self) -> dict[str, Any]:
        """All that advice needs, exactly, as plain JSON; `from_dict` reads it."""
        return {
            "width": self.width,
            "height": self.height,
            "taken_at": self.taken_at.isoformat() if self.taken_at else None,
            "hands": [_kept(hand) for hand in self.hands],
            "finder": self.finder,
            "elapsed_ms": self.elapsed_ms,
        }

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Self:
        """Read what `to_dict` gave. World landmarks and looks were not kept: they had their part in the reading, which is done."""
        taken_at = datetime.fromisoformat(kept["taken_at"]) if kept["taken_at"] else None
        return cls(**kept | {"taken_at": taken_at, "hands": tuple(_restored(hand) for hand in kept["hands"])})


def _kept(posed: PosedHand) -> dict[str, Any]:
    return {
        # The shortest decimals that give the same float32 again.
        "landmarks": [[float(str(value)) for value in point] for point in posed.hand.landmarks.astype(np.float32)],
        "side": posed.hand.side,
        "presence": float(posed.hand.presence),
        "fingers": asdict(posed.fingers),
        "state": posed.state.value,
        "pose": posed.pose,
        "confidence": float(posed.confidence),
        "best_pose": posed.best_pose,
        "score": float(posed.score),
    }


def _restored(kept: dict[str, Any]) -> PosedHand:
    landmarks = np.array(kept["landmarks"], np.float32)
    hand = Hand(landmarks, np.full_like(landmarks, np.nan), kept["side"], kept["presence"])
    fingers = Fingers(**kept["fingers"] | {"extended": tuple(kept["fingers"]["extended"])})
    return PosedHand(hand, fingers, State(kept["state"]), kept["pose"], kept["confidence"], kept["best_pose"], kept["score"])
