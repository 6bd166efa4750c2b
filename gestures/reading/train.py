"""How head.npz is made: `python -m gestures.reading.train PHOTOS RENDERED --cache DIR` (needs the extra `train`).

Three steps. *Collect*: the finder itself meets the hands of labelled photos, and of groups put together of single people (groups.py), so
that the head learns from hands as it will get them; each is looked at again, moved, turned, blurred, tinted and mirrored. *Label*: a
photo's label says what is shown, not by which hand; a first head, trained on close-up crops, picks it. *Train*: small networks by AdamW,
seeded; folds of whole photos, sites and renders tell what to expect of unseen ones, and calibrate the score by that.

PHOTOS is laid out like ../shared/photos. RENDERED holds pictures and labels.jsonl, as samples/render makes them.
"""

import argparse
import csv
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg  # type: ignore[import-untyped]  # ships no types
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gestures.hands.finder import Box, Hand, Look, overlap
from gestures.hands.light import tint
from gestures.hands.networks import LANDMARK_INPUT, LandmarkNetwork, Pyramid, Region, landmark_region
from gestures.hands.search import SearchFinder, SearchSettings, tiles_at
from gestures.pasting import FEATHER, LEAST_OVERLAP
from gestures.photo import Photo, open_photo
from gestures.reading.features import context, finger_features, in_picture, looks_geometry
from gestures.reading.fingers import FINGERS, LETTERS
from gestures.reading.groups import Group, Person, compose
from gestures.reading.head import NETWORKS, PARTS, WHOLE, evidence
from gestures.reading.poses import UNKNOWN_SHAPE, WHOLE_COUNTS, pose_table

Floats = NDArray[np.float32]
UNKNOWN = np.nan

# HaGRID's names for variants that the table knows under one key.
VARIANTS = {
    "peace_inverted": "peace",
    "two_up_inverted": "two_up",
    "stop_inverted": "stop",
    "mute": "one",
    "point": "one",
    "dislike": "like",
}
AT_REST = ("", "rest", "no_gesture")
FOLDS = 4
# So many of a hand's looks are the finder's own, which the head reads.
LOOKS = 2
# Hands labelled as at rest that a head which never saw them is so sure of; and so many of them in a photo of "nobody poses".
DOUBTFUL = 0.7
MISLABELLED = 3
RENDERED = "rendered"
# Sources whose pictures show one hand, large, and nothing of what is around it.
CLOSE_UPS = ("hagrid_crops", RENDERED)
# The source of hands in groups put together by groups.py; how many groups; how many hands at rest of the photo behind them are taken; what
# a hand in them weighs in the calibration.
PASTED = "pasted"
GROUPS = 300
BEHIND = 8
PASTED_WEIGHT = 0.1


@dataclass(frozen=True, eq=False)
class TrainingHand:
    """A hand that the finder met, looked at several times.

    source: the folder it comes from, or `PASTED`. photo: path within PHOTOS or RENDERED. picture: the same, or of a pasted hand the number
        of the group. box: x, y, width, height in pixels of the picture. context: (8,) float32, not a number where the picture shows no
        surroundings.
    shapes: (looks, 206) float32, embeddings: (looks, 1152) float16; the first two looks are those that the finder gives.
    """

    source: str
    photo: str
    picture: str
    box: Box
    context: Floats
    shapes: Floats
    embeddings: NDArray[np.float16]

    @property
    def origin(self) -> str:
        """The folder of the photo that shows it, also where a group was put together of that."""
        return self.photo.split("/")[0] if self.source == PASTED else self.source

    @property
    def share(self) -> float:
        """The hand's size as a share of the photo's longer side."""
        return float(np.exp(self.context[5]))


# --- collect ---------------------------------------------------------------------------------------------------------------------------


def _augmented(network: LandmarkNetwork, pyramid: Pyramid, region: Region, rng: np.random.Generator) -> Look:
    """Look at a hand as another camera might have: moved, turned, farther away or blurred, in other light, mirrored."""
    moved = Region(
        region.x + region.side * rng.normal(0, 0.04),
        region.y + region.side * rng.normal(0, 0.04),
        region.side * float(np.exp(rng.normal(0, 0.1))),
        region.angle + rng.normal(0, 0.2),
    )
    picture = pyramid.square(moved)
    far = round(float(np.exp(rng.uniform(np.log(28), np.log(LANDMARK_INPUT)))))
    if rng.random() < 0.6 and far < region.side:
        small = cv2.resize(picture, (far, far), interpolation=cv2.INTER_AREA)
        if rng.random() < 0.5:
            small = simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(small, int(rng.integers(40, 92))))
        picture = cv2.resize(small, (LANDMARK_INPUT, LANDMARK_INPUT), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    if rng.random() < 0.7:
        gamma, gain, lift = np.exp(rng.normal(0, 0.15, 3)), rng.uniform(0.6, 1.3), rng.uniform(-20, 20)
        picture = np.clip((picture / 255.0) ** gamma * 255 * gain + lift, 0, 255).astype(np.uint8)
    if rng.random() < 0.1:  # as the finder shows photos without colour
        picture = cv2.transform(picture, tint(np.ones(3))).astype(np.uint8)
    mirrored = bool(rng.random() < 0.5)
    return network.look(picture[:, ::-1] if mirrored else picture, moved, mirrored=mirrored)


def _padded(photo: Photo, rng: np.random.Generator) -> Photo:
    """A tight crop of a hand with room around it, as the palm detector wants it."""
    margin = int(max(photo.width, photo.height) * 0.6)
    border = cv2.BORDER_REFLECT_101 if rng.random() < 0.5 else cv2.BORDER_REPLICATE
    return Photo(cv2.copyMakeBorder(photo.pixels, margin, margin, margin, margin, border).astype(np.uint8))


def collect(root: Path, source: str, paths: Iterable[Path], settings: SearchSettings, looks: int) -> Iterator[TrainingHand]:
    """Yield every hand that the finder meets in the photos, with `looks` augmented looks beside its own."""
    with SearchFinder(settings=settings) as finder:
        for path in paths:
            name = path.relative_to(root).as_posix()
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            photo = open_photo(path.read_bytes())
            if source == "hagrid_crops":
                photo = _padded(photo, rng)
            pyramid = Pyramid.for_networks(photo)
            hands = finder.find(photo)
            if source in CLOSE_UPS:
                hands = [hand for hand in hands if _is_subject(hand, photo)][:1]
            for hand in hands:
                region = landmark_region(hand.looks[0].landmarks)
                more = [_augmented(finder.landmark_network, pyramid, region, rng) for _ in range(looks)]
                yield _training_hand(source, name, name, hand, [*hand.looks[1:], *more])


def _is_subject(hand: Hand, photo: Photo) -> bool:
    """Whether the hand is what a close-up picture is about: in its middle, and large."""
    x, y, width, height = hand.box
    off_centre = np.hypot(x + width / 2 - photo.width / 2, y + height / 2 - photo.height / 2)
    return hand.share > 0.12 and bool(off_centre < 0.3 * max(photo.width, photo.height))


def _training_hand(source: str, photo: str, picture: str, hand: Hand, looks: list[Look]) -> TrainingHand:
    surroundings = context(hand)
    if source in CLOSE_UPS:
        surroundings = np.full_like(surroundings, UNKNOWN)  # cut out of theirs, or in none
    embeddings = np.stack([look.embedding for look in looks]).astype(np.float16)
    return TrainingHand(source, photo, picture, hand.box, surroundings, looks_geometry(looks), embeddings)


def collect_all(photos: Path, rendered: Path, cache: Path) -> list[TrainingHand]:
    """Collect all hands that the head learns from; what lies in the cache is not collected again."""
    # Source, files of it to use at most (a folder of its own for each class of crops), augmented looks.
    plan: list[tuple[Path, str, int, int]] = [
        (photos, "hagrid", 10_000, 6),
        (photos, "hagrid_crops", 300, 3),
        (photos, "rest", 10_000, 2),
        (photos, "rest_events", 10_000, 1),
        (photos, "groups_events", 10_000, 4),
        (photos, "scenes", 10_000, 4),
        (rendered, RENDERED, 10_000, 4),
    ]
    hands: list[TrainingHand] = []
    for root, source, most, looks in plan:
        file = cache / f"{source}.npz"
        if not file.exists():
            folder = root if source == RENDERED else root / source
            settings = tiles_at(0.6, 1) if source in CLOSE_UPS else SearchSettings()
            _save(file, list(collect(root, source, _pictures(folder, most), settings, looks)))
        hands += _load(file)
    file = cache / f"{PASTED}.npz"
    if not file.exists():
        _save(file, list(collect_groups(photos, hands, GROUPS)))
    return hands + _load(file)


def collect_groups(photos: Path, hands: list[TrainingHand], count: int) -> Iterator[TrainingHand]:
    """Yield the hands that the finder meets in groups put together of single people, theirs and those of the photo behind them."""
    people = _people(photos, hands)
    grounds = sorted({hand.photo for hand in hands if hand.source in ("rest", "rest_events")})
    with SearchFinder() as finder:
        for number in range(count):
            rng = np.random.default_rng((number, 2))
            ground = grounds[rng.integers(len(grounds))]
            group = compose(people, open_photo((photos / ground).read_bytes()).pixels, rng)
            photo = open_photo(group.data)
            pyramid, behind = Pyramid.for_networks(photo), 0
            for hand in finder.find(photo):
                name = _shown_in(group, hand.box, photos)
                if name is None:
                    behind += 1
                    name = ground if behind <= BEHIND else ""
                if name:
                    more = _augmented(finder.landmark_network, pyramid, landmark_region(hand.looks[0].landmarks), rng)
                    yield _training_hand(PASTED, name, f"{PASTED} {number}", hand, [*hand.looks[1:], more])


def _people(photos: Path, hands: list[TrainingHand]) -> list[Person]:
    """HaGRID's photos in which one hand is seen, and wholly inside what stays when the picture's edge is softened."""
    by_photo: dict[str, list[TrainingHand]] = {}
    for hand in hands:
        if hand.source == "hagrid":
            by_photo.setdefault(hand.photo, []).append(hand)
    people = []
    for name, (hand, *others) in by_photo.items():
        height, width = open_photo((photos / name).read_bytes()).pixels.shape[:2]
        x, y, wide, high = hand.box
        if not others and min(x, y, width - x - wide, height - y - high) >= FEATHER / 2 * min(width, height):
            pose = Path(name).parent.name
            people.append(Person(photos / name, "" if pose in AT_REST else pose, hand.box))
    return people


def _shown_in(group: Group, box: Box, photos: Path) -> str | None:
    """The photo of the pasted person whose known hand this is; "" for another hand on a pasted picture, None for one outside them all."""
    for person, known in zip(group.people, group.boxes, strict=True):
        if overlap(known, box) >= LEAST_OVERLAP:
            return person.path.relative_to(photos).as_posix()
    return "" if any(overlap(covered, box) > 0 for covered in group.covered) else None


def _pictures(folder: Path, most: int) -> list[Path]:
    """The pictures below a folder, at most so many of each folder in it, in a fixed but shuffled order."""
    folders = sorted({path.parent for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png")})
    chosen = []
    for one in folders:
        files = sorted(path for path in one.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        chosen += [files[i] for i in np.random.default_rng(0).permutation(len(files))[:most]]
    return chosen


def _save(file: Path, hands: list[TrainingHand]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        file,
        source=[hand.source for hand in hands],
        photo=[hand.photo for hand in hands],
        picture=[hand.picture for hand in hands],
        box=[hand.box for hand in hands],
        context=np.stack([hand.context for hand in hands]),
        looks=[len(hand.shapes) for hand in hands],
        shapes=np.concatenate([hand.shapes for hand in hands]),
        embeddings=np.concatenate([hand.embeddings for hand in hands]),
    )


def _load(file: Path) -> list[TrainingHand]:
    with np.load(file) as data:
        ends = np.cumsum(data["looks"])[:-1]
        columns = zip(
            data["source"],
            data["photo"],
            data["picture"],
            data["box"],
            data["context"],
            np.split(data["shapes"], ends),
            np.split(data["embeddings"], ends),
            strict=True,
        )
        return [TrainingHand(str(s), str(p), str(q), tuple(b.tolist()), c, g, e) for s, p, q, b, c, g, e in columns]


# --- label -----------------------------------------------------------------------------------------------------------------------------


def parts_of(pose: str) -> Floats:
    """Return (9,) float32, what each of `PARTS` should be in a hand that shows a pose of the table, or none; unknown: not a number."""
    parts = np.full(len(PARTS), UNKNOWN, np.float32)
    if pose in AT_REST:
        parts[[0, 6, 7]] = 0
        return parts
    row = pose_table()[VARIANTS.get(pose, pose)]
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
def _shape_of(parts: tuple[float, ...]) -> int:
    """The number of a label's shape: 0 at rest, from 1 those of the table, -1 none of them."""
    if parts[0] == 0:
        return 0
    for key, row in pose_table().items():
        if row.shape and np.array_equal(parts_of(key)[1:8], parts[1:8], equal_nan=True):
            return 1 + table_shapes().index(row.shape)
    return -1


def rendered_parts(hand: TrainingHand, label: dict[str, Any]) -> Floats | None:
    """The same for a rendered hand, from the truth that it was made of; None where the network does not see that truth.

    A posing hand whose landmarks lie, on average, farther off than a fifth of its palm teaches nothing that holds for photos; but finger
    hearts, which no photo shows, are seldom seen better. One at rest is at rest, however its fingers are seen.
    """
    true = np.array(label["landmarks"], np.float32)
    upright = in_picture(np.concatenate([true, np.zeros((21, 1), np.float32)], axis=1)[None])[0, :, :2]
    seen = hand.shapes[0][:63].reshape(21, 3)[:, :2]
    known = [label["posing"], *label["extended"], label["ring"], label["crossed"], label["apart"]]
    parts = np.array([UNKNOWN if value is None else value for value in known], np.float32)
    if not label["crossed"] and np.linalg.norm(upright - seen, axis=1).mean() > 0.2:
        if label["posing"]:
            return None
        parts[1:6] = UNKNOWN
    if label["pose"] == "fist":
        parts[0] = UNKNOWN
    return parts


def fold_of(hand: TrainingHand) -> int:
    """The fold of a hand: photos of one site, and of one person where that is known, stay together."""
    name, source = hand.photo, hand.origin
    if source == "rest_events" and not Path(name).name[0].isdigit():
        name = Path(name).name.split("_")[0]
    if source == "scenes":
        name = Path(name).name.split("_")[0]
    return zlib.crc32(f"{source}/{name}".encode()) % FOLDS


def label(hands: list[TrainingHand], photos: Path, rendered: Path, head: "TorchHead | None") -> list[Floats | None]:
    """Return what each hand should be read as, or None where nobody knows. Without a head, only where the photo has one hand to mean."""
    truth = {entry["file"]: entry for entry in map(json.loads, (rendered / "labels.jsonl").read_text().splitlines())}
    rows: dict[str, list[dict[str, str]]] = {}
    for row in csv.DictReader((photos / "labels.csv").open(encoding="utf-8")):
        rows.setdefault(row["path"], []).append(row)
    fits = _fits(hands, head) if head else None
    labels: list[Floats | None] = [None] * len(hands)
    by_photo: dict[str, list[int]] = {}
    for i, hand in enumerate(hands):
        if hand.source == RENDERED:
            labels[i] = rendered_parts(hand, truth[hand.photo])
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
    return [pose] if pose not in AT_REST else []


def _inside(wanted: str, box: Box, margin: float = 0.25) -> bool:
    x, y, width, height = (float(value) for value in wanted.split())
    centre_x, centre_y = box[0] + box[2] / 2, box[1] + box[3] / 2
    return abs(centre_x - x - width / 2) <= (0.5 + margin) * width and abs(centre_y - y - height / 2) <= (0.5 + margin) * height


# --- train -----------------------------------------------------------------------------------------------------------------------------


class TorchLayers(nn.Module):
    """The twin of `head.Layers`, for training."""

    def __init__(self, values: Floats, hidden: int, out: int, dropout: float) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.from_numpy(values.mean(axis=0)), requires_grad=False)
        self.deviation = nn.Parameter(torch.from_numpy(values.std(axis=0) + 0.02), requires_grad=False)
        self.w1, self.w2 = nn.Linear(values.shape[1], hidden), nn.Linear(hidden, out)
        self.before, self.after = nn.Dropout(dropout), nn.Dropout(dropout / 2)

    def forward(self, values: Tensor) -> Tensor:
        """(n, in) → (n, out)."""
        hidden = torch.relu(self.w1(self.before((values - self.mean) / self.deviation)))
        result: Tensor = self.w2(self.after(hidden))
        return result

    def arrays(self, name: str) -> dict[str, NDArray[np.float16]]:
        """What `head.load_head` reads, at half precision: no figure changes by it."""
        parts = {
            "mean": self.mean,
            "deviation": self.deviation,
            "w1": self.w1.weight.T,
            "b1": self.w1.bias,
            "w2": self.w2.weight.T,
            "b2": self.w2.bias,
        }
        return {f"{name}.{part}": value.detach().numpy().astype(np.float16) for part, value in parts.items()}


class TorchHead(nn.Module):
    """The twin of `head.Head`, for training."""

    def __init__(self, shapes: Floats, embeddings: Floats, surroundings: Floats, photographed: NDArray[np.bool_]) -> None:
        """photographed: (shapes,), those of the table that photos teach, not rendered hands alone."""
        super().__init__()
        self.photographed = photographed
        self.columns = finger_features()
        self.fingers = nn.ModuleList([TorchLayers(shapes[:, columns], 24, 1, 0.1) for columns in self.columns])
        self.whole = TorchLayers(shapes, 64, len(WHOLE), 0.2)
        self.appearance = TorchLayers(embeddings, 64, len(WHOLE), 0.5)
        self.surroundings = TorchLayers(surroundings[~np.isnan(surroundings).any(axis=1)], 16, 1, 0.0)
        self.shape_geometry = TorchLayers(shapes, 96, 1 + len(table_shapes()), 0.2)
        self.shape_appearance = TorchLayers(embeddings, 96, 1 + len(table_shapes()), 0.5)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What `head.load_head` reads, but for the calibration."""
        arrays: dict[str, NDArray[np.generic]] = {"shapes": np.array(table_shapes()), "photographed": self.photographed}
        named = [(finger, self.fingers[number]) for number, finger in enumerate(FINGERS)]
        named += [(name, getattr(self, name)) for name in NETWORKS]
        for name, layers in named:
            arrays |= layers.arrays(name)
        return arrays

    def forward(self, shapes: Tensor, embeddings: Tensor, surroundings: Tensor, drop: float = 0.0) -> tuple[Tensor, Tensor]:
        """(n, 9) log-odds of `PARTS`, (n, 1 + shapes) log-odds of rest and shapes; appearance and surroundings are each left out of a
        share `drop` of the hands.
        """
        known = ~surroundings.isnan().any(dim=1, keepdim=True) & (torch.rand(len(shapes), 1) >= drop)
        seen = torch.rand(len(shapes), 1) >= drop
        whole = self.whole(shapes) + self.appearance(embeddings) * seen
        around = self.surroundings(surroundings.nan_to_num()) * known
        fingers = [layers(shapes[:, columns]) for layers, columns in zip(self.fingers, self.columns, strict=True)]
        looks_like = self.shape_geometry(shapes) + self.shape_appearance(embeddings)
        return torch.cat([whole[:, :1] + around, *fingers, whole[:, 1:]], dim=1), looks_like


def train(hands: list[TrainingHand], labels: list[Floats | None], epochs: int, seed: int = 0) -> TorchHead:
    """Train a head on the hands that have a label."""
    torch.manual_seed(seed)
    known = [(hand, parts) for hand, parts in zip(hands, labels, strict=True) if parts is not None]
    shapes = torch.from_numpy(np.concatenate([hand.shapes for hand, _ in known]))
    embeddings = torch.from_numpy(np.concatenate([hand.embeddings for hand, _ in known]).astype(np.float32))
    surroundings = torch.from_numpy(np.concatenate([np.repeat(hand.context[None], len(hand.shapes), axis=0) for hand, _ in known]))
    targets = torch.from_numpy(np.concatenate([np.repeat(parts[None], len(hand.shapes), axis=0) for hand, parts in known]))
    weights = torch.from_numpy(
        np.concatenate([np.full(len(hand.shapes), _weight(hand, parts) / len(hand.shapes)) for hand, parts in known])
    ).float()
    weights = (weights / weights.mean())[:, None]
    of_hands = np.array([_shape_of(tuple(parts.tolist())) for _, parts in known])
    alike = torch.from_numpy(np.repeat(of_hands, [len(hand.shapes) for hand, _ in known]))
    in_photos = of_hands[[hand.source != RENDERED for hand, _ in known]]
    photographed = np.isin(np.arange(len(table_shapes())) + 1, in_photos)
    asked = ~targets.isnan()
    targets = targets.nan_to_num() * 0.98 + 0.01  # no label is beyond doubt
    head = TorchHead(shapes.numpy(), embeddings.numpy(), surroundings.numpy(), photographed)
    batch = 256
    steps = epochs * -(-len(shapes) // batch)
    optimizer = torch.optim.AdamW(head.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(shapes)), batch):
            noisy = shapes[chosen] + 0.02 * torch.randn_like(shapes[chosen])
            logits, looks_like = head(noisy, embeddings[chosen], surroundings[chosen], drop=0.25)
            loss = nn.functional.binary_cross_entropy_with_logits(logits, targets[chosen], reduction="none") * asked[chosen]
            other = nn.functional.cross_entropy(looks_like, alike[chosen], ignore_index=-1, label_smoothing=0.05, reduction="none")
            optimizer.zero_grad()
            ((loss.sum(dim=1) + other) * weights[chosen, 0]).mean().backward()
            optimizer.step()
            schedule.step()
    head.eval()
    return head


def _weight(hand: TrainingHand, parts: Floats) -> float:
    """Rendered hands help photos, and must not outvote them. Finger hearts and circles, which no photo shows, count more; so do hands at
    rest, since those that hold cards or pieces look like both. Posing hands of real groups are few.
    """
    if hand.source == RENDERED:
        posing, middle, thumb_meets_index, crossed = parts[[0, 3, 6, 7]]
        if crossed == 1 or (thumb_meets_index == 1 and middle == 0):
            return 5.0
        return 3.5 if posing == 0 else 0.7
    return {"hagrid_crops": 0.6, "groups_events": 2.0}.get(hand.source, 1.0)


def predict(hands: list[TrainingHand], head: TorchHead) -> Floats:
    """Return (n, 9 + shapes) probabilities of `PARTS` and of the table's shapes, as `Head.read` gives them: the mean over the finder's
    looks. Not a number for shapes that no photo taught.
    """
    with torch.no_grad():
        looks = [
            head(
                torch.from_numpy(np.stack([hand.shapes[look] for hand in hands])),
                torch.from_numpy(np.stack([hand.embeddings[look] for hand in hands]).astype(np.float32)),
                torch.from_numpy(np.stack([hand.context for hand in hands])),
            )
            for look in range(LOOKS)
        ]
        parts, looks_like = (sum(each) / LOOKS for each in zip(*looks, strict=True))
        said: Floats = torch.sigmoid(parts).numpy()
        at_rest, *_ = alike = torch.softmax(looks_like, dim=1).numpy().T
    said[:, 0] = np.sqrt(said[:, 0] * (1 - at_rest))
    whole = np.where(head.photographed, (alike[1:] / (1 - at_rest + 1e-6)).T, UNKNOWN)
    return np.concatenate([said, whole.astype(np.float32)], axis=1)


def _shape_fits(said: Floats) -> dict[str, Floats]:
    """How well each pose's shape fits, (n,) 0..1, from what `predict` gives: the vectorised twin of poses.best_pose."""
    fits = {}
    for key, row in pose_table().items():
        if not row.shape:
            continue
        wanted = np.array([1, *(letter in (row.extended or "") for letter in LETTERS), row.ring, row.crossed])
        factors = np.where(wanted, said[:, :8], 1 - said[:, :8])
        free = [1 + LETTERS.index(letter) for letter in row.either]
        factors[:, [0, *free]] = 1
        parts = factors.prod(axis=1)
        whole = (said[:, len(PARTS) + table_shapes().index(row.shape)] + UNKNOWN_SHAPE) / (1 + UNKNOWN_SHAPE)
        fits[key] = np.where(np.isnan(whole), parts, parts ** (1 - WHOLE_COUNTS) * whole**WHOLE_COUNTS)
    return fits


def _fits(hands: list[TrainingHand], head: TorchHead) -> dict[str, Floats]:
    """How well each pose fits, posing on purpose included: (n,) 0..1."""
    said = predict(hands, head)
    return {key: fit * (0.05 + said[:, 0]) for key, fit in _shape_fits(said).items()}


def calibrate(evidence: Floats, right: NDArray[np.bool_], weights: Floats) -> Floats:
    """Fit the logistic weights (4,) that turn `evidence` (n, 4) into the probability of being right, with a light ridge."""
    x, y = torch.from_numpy(evidence).double(), torch.from_numpy(right).double()
    line = torch.zeros(x.shape[1], dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        losses = nn.functional.binary_cross_entropy_with_logits(x @ line, y, reduction="none")
        loss: Tensor = (losses * torch.from_numpy(weights)).sum() + 0.5 * (line[:-1] ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    fitted: Floats = line.detach().numpy().astype(np.float32)
    return fitted


def held_out(hands: list[TrainingHand], labels: list[Floats | None], epochs: int) -> Floats:
    """Return what `predict` says of every hand with a head that was trained without its fold."""
    folds = np.array([fold_of(hand) for hand in hands])
    said = np.zeros((len(hands), len(PARTS) + len(table_shapes())), np.float32)
    for fold in range(FOLDS):
        inside = np.flatnonzero(folds == fold)
        head = train(hands, [None if folds[i] == fold else parts for i, parts in enumerate(labels)], epochs)
        said[inside] = predict([hands[i] for i in inside], head)
    return said


def unseen(hands: list[TrainingHand], labels: list[Floats | None], pose: str, epochs: int) -> tuple[int, float]:
    """Leave every photographed hand of a pose's shape out of training; return how many there are and the share read right."""
    shape = parts_of(pose)[:8]
    same = [
        parts is not None and hand.source != RENDERED and np.array_equal(parts[:8], shape, equal_nan=True)
        for hand, parts in zip(hands, labels, strict=True)
    ]
    head = train(hands, [None if left_out else parts for parts, left_out in zip(labels, same, strict=True)], epochs)
    asked = [i for i, left_out in enumerate(same) if left_out]
    _, right = judged(predict([hands[i] for i in asked], head), [labels[i] for i in asked])
    return len(asked), float(right.mean())


def unseen_sources(hands: list[TrainingHand], labels: list[Floats | None], sources: list[str], epochs: int) -> None:
    """Leave whole folders of photos out of training and calibration, and print how their hands are read: what to expect of a kind of photo
    that taught nothing. Folds do not tell, since photos of each kind are in every one of them.
    """
    left_out = [hand.origin in sources for hand in hands]
    taught = [None if out else parts for parts, out in zip(labels, left_out, strict=True)]
    line, _, _ = expect(hands, taught, epochs)
    asked = [i for i, hand in enumerate(hands) if left_out[i] and hand.source != PASTED]
    those, meant = [hands[i] for i in asked], [labels[i] for i in asked]
    raw, right = judged(predict(those, train(hands, taught, epochs)), meant)
    _report(those, meant, probability(scored(those, raw), line), right)


def judged(said: Floats, labels: list[Floats | None]) -> tuple[Floats, Floats]:
    """Judge each hand's best pose. said: what `predict` gives.

    Returns (n,) raw scores, and (n,) 1 where the hand poses and that is its shape, 0 where not, not a number where nobody knows.
    """
    fits = _shape_fits(said)
    keys = list(fits)
    table = np.stack([fits[key] for key in keys])
    read = [pose_table()[key].readings != () for key in keys]
    best = table.argmax(axis=0)
    raw: Floats = np.where(np.array(read)[best], table.max(axis=0) * said[:, 0], 0).astype(np.float32)
    right = np.full(len(said), UNKNOWN, np.float32)
    for i, wanted in enumerate(labels):
        if wanted is not None and not np.isnan(wanted[0]):
            shape = parts_of(keys[best[i]])[:8]
            agree = (shape == wanted[:8]) | np.isnan(shape) | np.isnan(wanted[:8])
            right[i] = wanted[0] == 1 and bool(agree.all())
    return raw, right


def scored(hands: list[TrainingHand], raw: Floats) -> Floats:
    """(n, 4) `evidence` of each hand, among the others of its picture; not a number for hands cut out of theirs."""
    columns = np.full((len(hands), 4), UNKNOWN, np.float32)
    by_picture: dict[str, list[int]] = {}
    for i, hand in enumerate(hands):
        if not np.isnan(hand.context).any():
            by_picture.setdefault(hand.picture, []).append(i)
    for members in by_picture.values():
        columns[members] = evidence(raw[members], np.array([hands[i].share for i in members], np.float32))
    return columns


def probability(columns: Floats, line: Floats) -> Floats:
    """(n,) calibrated scores of (n, 4) `evidence`."""
    scores: Floats = 1 / (1 + np.exp(-columns @ line))
    return scores


def main(arguments: list[str] | None = None) -> None:
    """Collect, label, train, and write head.npz."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("rendered", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="folder for the collected hands; outside the project")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("head.npz"))
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--without", metavar="POSE", help="only print how often POSE is read right by a head that no photo taught it")
    parser.add_argument(
        "--without-source",
        nargs="+",
        choices=("hagrid", "rest", "rest_events", "groups_events", "scenes"),
        help="only print how the hands of such photos are read by a head that none of them taught",
    )
    options = parser.parse_args(arguments)

    hands = collect_all(options.photos, options.rendered, options.cache)
    first = train(hands, label(hands, options.photos, options.rendered, None), options.epochs)
    labels = label(hands, options.photos, options.rendered, first)
    if options.without:
        count, share = unseen(hands, labels, options.without, options.epochs)
        print(f"{options.without}: {count} hands, {share:.3f} right")
        return
    line, scores, _ = expect(hands, labels, options.epochs)
    # Whole groups with their thumbs up stand among the photos in which nobody is said to pose. Taught as hands at rest, they cost one
    # posing hand in fifteen of the event groups, and made the calibration doubt what people pose in groups.
    wrong = mislabelled(hands, labels, scores)
    print(len(wrong), "photos are left out as mislabelled")
    labels = [None if hand.photo in wrong else parts for hand, parts in zip(hands, labels, strict=True)]
    if options.without_source:
        unseen_sources(hands, labels, options.without_source, options.epochs)
        return
    line, scores, right = expect(hands, labels, options.epochs)
    print("weights of the evidence:", line.round(3))
    _report(hands, labels, scores, right)
    # What a head that never saw a hand is nearly sure of is likelier true than a label by photo, too: it counts as a false alarm above, but
    # is not taught. HaGRID's hands at rest are labelled one by one.
    doubtful = [
        score > DOUBTFUL and parts is not None and parts[0] == 0 and hand.origin != "hagrid"
        for hand, score, parts in zip(hands, scores, labels, strict=True)
    ]
    print(sum(doubtful), "hands at rest are left out as doubtful")
    head = train(hands, [None if doubt else parts for doubt, parts in zip(doubtful, labels, strict=True)], options.epochs)
    np.savez_compressed(options.out, calibration=line, **head.arrays())  # type: ignore[arg-type]


def expect(hands: list[TrainingHand], labels: list[Floats | None], epochs: int) -> tuple[Floats, Floats, Floats]:
    """Return what is to be expected of unseen photos: the calibration (4,), and of each hand, held out, its score and whether it is right
    as in `judged`, both (n,).

    Real groups with labels are few, and in them nearly everybody poses. With the groups put together counting a little, 19 of 505 hands at
    rest beside people who pose are flagged instead of 23; counting thrice as much, 16, but 11 photos of events instead of 9.
    """
    raw, right = judged(held_out(hands, labels, epochs), labels)
    columns = scored(hands, raw)
    weights = np.array([{"groups_events": 3.0, PASTED: PASTED_WEIGHT}.get(hand.source, 1.0) for hand in hands], np.float32)
    used = ~np.isnan(right) & ~np.isnan(columns).any(axis=1)
    line = calibrate(columns[used], right[used] == 1, weights[used])
    return line, probability(columns, line), right


def mislabelled(hands: list[TrainingHand], labels: list[Floats | None], scores: Floats) -> set[str]:
    """Return the photos in which nobody is said to pose, though a head that never saw them finds that several people do."""
    posing: Counter[str] = Counter()
    for hand, parts, score in zip(hands, labels, scores, strict=True):
        posing[hand.photo] += hand.source in ("rest", "rest_events") and parts is not None and bool(score > DOUBTFUL)
    return {photo for photo, count in posing.items() if count >= MISLABELLED}


def _report(hands: list[TrainingHand], labels: list[Floats | None], scores: Floats, right: Floats) -> None:
    """Print, per source and held out, how many posing hands are read right, and in how many photos a hand at rest is flagged."""
    print(f"{'source':16} {'threshold':>9} {'posing':>7} {'right':>7} {'photos at rest':>15} {'flagged':>8}")
    judged_hands = [i for i in range(len(hands)) if not np.isnan(scores[i]) and not np.isnan(right[i])]
    for source in sorted({hands[i].source for i in judged_hands}):
        here = [i for i in judged_hands if hands[i].source == source]
        posing = [i for i in here if labels[i] is not None and labels[i][0] == 1]  # type: ignore[index]
        resting = {hands[i].picture for i in here} - {hands[i].picture for i in posing}
        for threshold in (0.25, 0.3, 0.35, 0.4, 0.5, 0.6):
            told = _mean([scores[i] >= threshold and right[i] == 1 for i in posing])
            alarms = {hands[i].picture for i in here if scores[i] >= threshold} & resting
            print(f"{source:16} {threshold:9} {len(posing):7} {told:7.3f} {len(resting):15} {len(alarms):8}")


def _mean(values: list[bool]) -> float:
    return float(np.mean(values)) if values else float("nan")


if __name__ == "__main__":
    main()
