"""What a whole batch shows, in counts."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["flagged", "unclear", "fine", "rest"]


def kind(hand: dict[str, Any]) -> Kind:
    """Return how a hand of a result is shown: to review, unclear, posing without need for a look, or at rest."""
    if hand["needs_look"]:
        return "flagged" if hand["flagged"] else "unclear"
    return "rest" if hand["state"] == "rest" else "fine"


def ballot_readings(hand: dict[str, Any], result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the numbers on the ballot that a hand of a result may be read as, then those that it shows together with another."""
    own = [reading for reading in hand["readings"] if reading["number"] in result["ballot"]]
    return [*own, *hand["together"]]


@dataclass(slots=True)
class Summary:
    """photos: by level, and "failed". hands: by kind. numbers, poses, lists: hands that show them, by number and key.

    Only hands to review count for numbers, poses and lists, and only lists that advise against the pose.
    """

    photos: Counter[str] = field(default_factory=Counter)
    hands: Counter[str] = field(default_factory=Counter)
    numbers: Counter[int] = field(default_factory=Counter)
    poses: Counter[str] = field(default_factory=Counter)
    lists: Counter[str] = field(default_factory=Counter)

    def add(self, result: dict[str, Any]) -> None:
        """Count one photo."""
        if "error" in result:
            self.photos["failed"] += 1
            return
        self.photos[result["level"]] += 1
        for hand in result["hands"]:
            self.hands[kind(hand)] += 1
            if hand["flagged"]:
                self.poses[hand["pose"]] += 1
                self.numbers.update(reading["number"] for reading in ballot_readings(hand, result))
                self.lists.update(stance["list"] for stance in hand["lists"] if stance["stance"] == "avoid")

    def to_dict(self) -> dict[str, Any]:
        """The counts, for JSON."""
        return {key: dict(getattr(self, key)) for key in ("photos", "hands", "numbers", "poses", "lists")}
