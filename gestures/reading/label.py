"""The second step to head.npz: what each collected hand shows. A photo's label says what is shown, not by which hand; a first head,
trained on close-up crops, picks the hand.
"""

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gestures.hands.finder import Box, overlap
from gestures.reading.collect import AT_REST, PASTED, RENDERED_GROUPS, RENDERS, TrainingHand
from gestures.reading.features import in_picture
from gestures.reading.fingers import LETTERS
from gestures.reading.head import PARTS, Floats
from gestures.reading.poses import pose_key, pose_table

UNKNOWN = np.nan

# A hand that the finder meets in a rendered group is the drawn one whose box overlaps its own most, if by at least this (`overlap`).
LEAST_SHARED = 0.35

# What is taught as another pose of the table, of the same shape.
VARIANTS = {
    "mute": "one",
    "point": "one",
    "dislike": "like",
}


def parts_of(pose: str) -> Floats:
    """Return (9,) float32, what each of `PARTS` should be in a hand that shows a pose of the table, or none; unknown: not a number."""
    parts = np.full(len(PARTS), UNKNOWN, np.float32)
    if pose in AT_REST:
        parts[[0, 6, 7]] = 0
        return parts
    row = pose_table()[VARIANTS.get(pose, pose_key(pose))]
    extended = row.extended or ""
    parts[0] = 1
    parts[1:6] = [UNKNOWN if letter in row.either else float(letter in extended) for letter in LETTERS]
    parts[6:9] = row.ring, row.crossed, UNKNOWN if row.apart is None else row.apart
    if pose == "fist":
        parts[0] = UNKNOWN  # a safe pose and many a hand at rest look alike, and neither is read as a number
    return parts


@cache
def table_shapes() -> tuple[str, ...]:
    """The shapes of one hand that the table knows, each once."""
    return tuple(dict.fromkeys(row.shape for row in pose_table().values() if row.shape))


@cache
def _shape_numbers() -> dict[bytes, int]:
    return {parts_of(key)[1:8].tobytes(): 1 + table_shapes().index(row.shape) for key, row in pose_table().items() if row.shape}


def shape_of(parts: Floats) -> int:
    """The number of a label's shape: 0 at rest, from 1 those of the table, -1 none of them."""
    return 0 if parts[0] == 0 else _shape_numbers().get(parts[1:8].tobytes(), -1)


def rendered_parts(hand: TrainingHand, drawn: list[dict[str, Any]]) -> Floats | None:
    """Return what `parts_of` does, (9,) float32, for a rendered hand, from the truth that it was made of: drawn, what labels.jsonl says of
    each hand in the picture. None where the finder met something else, or the landmark network does not see what was drawn.

    It does not where its landmarks are, on average, more than a fifth of the palm away from the true ones: what such a hand would teach
    does not hold for photos. Finger hearts are kept, since no photo shows them and they are seldom seen better. So are hands at rest and
    fists, but without the state of their fingers: they are at rest, or no ring, however their fingers are seen.
    """
    truth = drawn[0]
    if hand.source == RENDERED_GROUPS:
        shared = [overlap(box_around(one["landmarks"]), hand.box) for one in drawn]
        if max(shared) < LEAST_SHARED:
            return None
        truth = drawn[int(np.argmax(shared))]
    true = np.array(truth["landmarks"], np.float32)
    upright = in_picture(np.concatenate([true, np.zeros((21, 1), np.float32)], axis=1)[None])[0, :, :2]
    seen = hand.joints[0][:63].reshape(21, 3)[:, :2]
    known = [truth["posing"], *truth["extended"], truth["ring"], truth["crossed"], truth["apart"]]
    parts = np.array([UNKNOWN if value is None else value for value in known], np.float32)
    if not truth["crossed"] and np.linalg.norm(upright - seen, axis=1).mean() > 0.2:
        if truth["posing"] and truth["pose"] != "fist":
            return None
        parts[1:6] = UNKNOWN
    if truth["pose"] == "fist":
        parts[0] = UNKNOWN
    return parts


def box_around(landmarks: list[list[float]]) -> Box:
    """The bounds of a rendered hand's landmarks, as labels.jsonl has them."""
    (left, top), (right, bottom) = np.min(landmarks, axis=0), np.max(landmarks, axis=0)
    return float(left), float(top), float(right - left), float(bottom - top)


def label(hands: list[TrainingHand], photos: Path, rendered: Path, fits: dict[str, Floats] | None) -> list[Floats | None]:
    """Return what each hand should be read as, or None where nobody knows.

    fits: pose → (n,) how well it fits each hand, as a first head finds; without fits, a hand gets a label only where no other can be meant.
    """
    drawn: dict[str, list[dict[str, Any]]] = {}
    for source in RENDERS:
        for line in (rendered / source / "labels.jsonl").read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            drawn.setdefault(f"{source}/{entry['file']}", []).append(entry)
    rows: dict[str, list[dict[str, str]]] = {}
    for row in csv.DictReader((photos / "labels.csv").read_text(encoding="utf-8").splitlines()):
        rows.setdefault(row["path"], []).append(row)
    labels: list[Floats | None] = [None] * len(hands)
    by_photo: dict[str, list[int]] = {}
    for i, hand in enumerate(hands):
        if hand.source in RENDERS:
            labels[i] = rendered_parts(hand, drawn[hand.photo])
        elif hand.source == "hagrid_crops" or (hand.source == PASTED and hand.origin == "hagrid"):
            labels[i] = parts_of(Path(hand.photo).parent.name)
        elif hand.photo in rows and rows[hand.photo][0]["kind"] == "rest":
            labels[i] = parts_of("rest")
        else:
            by_photo.setdefault(hand.photo, []).append(i)
    if fits is not None:
        for photo, members in by_photo.items():
            for row in rows.get(photo, ()):
                _label_row(row, members, hands, fits, labels)
    return labels


def _label_row(
    row: dict[str, str], members: list[int], hands: list[TrainingHand], fits: dict[str, Floats], labels: list[Floats | None]
) -> None:
    """Give a labelled row to the hand that it fits best; in photos of one posing hand, the others that fit far worse are at rest."""
    poses = _poses_meant(row["pose"])
    near = [i for i in members if not row["box"] or _inside(row["box"], hands[i].box)]
    if not near or not poses:
        return
    fit = np.stack([fits[VARIANTS.get(pose, pose)][near] for pose in poses])
    which, best = np.unravel_index(int(fit.argmax()), fit.shape)
    labels[near[best]] = parts_of(poses[which])
    if row["kind"] == "posed":
        for i, other in zip(near, fit.max(axis=0), strict=True):
            if other < 0.3 * fit.max():
                labels[i] = parts_of("rest")


def _poses_meant(pose: str) -> list[str]:
    """A label's poses; `count_3` can be any of the threes."""
    if pose == "count_0":
        return ["fist"]
    if pose.startswith("count_"):
        count = int(pose.removeprefix("count_"))
        return [key for key, row in pose_table().items() if row.extended is not None and not row.either and len(row.extended) == count]
    return [pose_key(pose)] if pose not in AT_REST else []


def _inside(wanted: str, box: Box) -> bool:
    """Whether the middle of a hand's box lies in a labelled one, or beside it by less than a quarter of its sides."""
    x, y, width, height = (float(value) for value in wanted.split())
    centre_x, centre_y = box[0] + box[2] / 2, box[1] + box[3] / 2
    return abs(centre_x - x - width / 2) <= 0.75 * width and abs(centre_y - y - height / 2) <= 0.75 * height
