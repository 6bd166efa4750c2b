"""The first step to head.npz: the finder itself meets the hands of labelled photos, of groups put together of single people (groups.py)
and of rendered pictures, so that the head learns from hands as it will get them; each is looked at again, moved, turned, blurred, tinted
and mirrored.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import simplejpeg  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from gestures.hands.finder import Box, Hand, Look, overlap
from gestures.hands.light import tint
from gestures.hands.networks import LandmarkNetwork
from gestures.hands.pyramid import LANDMARK_INPUT, Floats, Pyramid, Region, landmark_region
from gestures.hands.search import SearchFinder, SearchSettings, tiles_at
from gestures.pasting import FEATHER, LEAST_OVERLAP
from gestures.photo import Photo, open_photo
from gestures.reading.features import looks_geometry, surroundings
from gestures.reading.groups import Group, Person, compose

# Names that mean a hand at rest: HaGRID's, and ours.
AT_REST = ("", "rest", "no_gesture")
# The sources of rendered hands, alone and of groups of people: folders of RENDERED.
RENDERED, RENDERED_GROUPS = "hands", "groups"
RENDERS = (RENDERED, RENDERED_GROUPS)
# Sources whose pictures show one hand, large, and nothing of what is around it.
CLOSE_UPS = ("hagrid_crops", RENDERED)
# The source of hands in groups put together by groups.py; how many groups; how many hands at rest of the photo behind them are taken.
PASTED = "pasted"
GROUPS = 300
BEHIND = 8


@dataclass(frozen=True, eq=False)
class TrainingHand:
    """A hand that the finder met, looked at several times.

    source: the folder it comes from, or `PASTED`. photo: path within PHOTOS or RENDERED. picture: the same; of a pasted hand, the number of
        its group. box: x, y, width, height in pixels of the picture. surroundings: (8,) float32, not a number where the picture shows no
        surroundings.
    joints: (looks, 206) float32, embeddings: (looks, 1152) float16; the first two looks are those that the finder gives.
    """

    source: str
    photo: str
    picture: str
    box: Box
    surroundings: Floats
    joints: Floats
    embeddings: NDArray[np.float16]

    @property
    def origin(self) -> str:
        """The folder of the photo that it is from, of a hand in a group put together, too."""
        return self.photo.split("/")[0] if self.source == PASTED else self.source

    @property
    def share(self) -> float:
        """The hand's size as a share of the photo's longer side."""
        return float(np.exp(self.surroundings[5]))


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
    around = surroundings(hand)
    if source in CLOSE_UPS:
        around = np.full_like(around, np.nan)  # cut out of theirs, or in none
    embeddings = np.stack([look.embedding for look in looks]).astype(np.float16)
    return TrainingHand(source, photo, picture, hand.box, around, looks_geometry(looks), embeddings)


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
        (rendered, RENDERED_GROUPS, 10_000, 2),
    ]
    hands: list[TrainingHand] = []
    for root, source, most, looks in plan:
        file = cache / f"{source}.npz"
        if not file.exists():
            settings = tiles_at(0.6, 1) if source in CLOSE_UPS else SearchSettings()
            _save(file, list(collect(root, source, _pictures(root / source, most), settings, looks)))
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
        context=np.stack([hand.surroundings for hand in hands]),
        looks=[len(hand.joints) for hand in hands],
        shapes=np.concatenate([hand.joints for hand in hands]),
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
