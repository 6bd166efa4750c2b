"""How head.npz is made: `python -m gestures.reading.train PHOTOS RENDERED --cache DIR` (needs the extra `train`).

Three steps. *Collect* (collect.py): the finder itself meets the hands of labelled photos. *Label* (label.py): which hand of a photo shows
what its label says. *Train*: small networks by AdamW, seeded; folds of whole photos, sites and renders tell what to expect of unseen ones,
and calibrate the score by that.

PHOTOS is laid out like ../shared/photos. RENDERED has the folders hands and groups, each with pictures and labels.jsonl
as samples/render makes them.
"""

import argparse
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gestures.reading.collect import PASTED, RENDERED, RENDERED_GROUPS, RENDERS, TrainingHand, collect_all
from gestures.reading.features import finger_features
from gestures.reading.fingers import FINGERS, LETTERS
from gestures.reading.head import NETWORKS, PARTS, WHOLE, Floats, evidence, probability
from gestures.reading.label import UNKNOWN, label, parts_of, shape_of, table_shapes
from gestures.reading.poses import UNKNOWN_SHAPE, WHOLE_COUNTS, pose_table

FOLDS = 4
# A hand's first looks, so many, are the finder's own: those that the head reads.
LOOKS = 2
# A hand labelled as at rest is doubtful where a head that never saw it gives it a higher score than this. A photo of "nobody poses" with so
# many of them is mislabelled.
DOUBTFUL = 0.7
MISLABELLED = 3
# What a hand of a group that was put together, or rendered, weighs in the calibration.
PASTED_WEIGHT = 0.1


def fold_of(hand: TrainingHand) -> int:
    """The fold of a hand: photos of one site, and of one person where that is known, stay together."""
    name, source = hand.photo, hand.origin
    if source == "rest_events" and not Path(name).name[0].isdigit():
        name = Path(name).name.split("_")[0]
    if source == "scenes":
        name = Path(name).name.split("_")[0]
    return zlib.crc32(f"{source}/{name}".encode()) % FOLDS


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

    def __init__(self, joints: Floats, embeddings: Floats, surroundings: Floats, photographed: NDArray[np.bool_]) -> None:
        """photographed: (shapes,), those of the table that photos teach, not rendered hands alone."""
        super().__init__()
        self.photographed = photographed
        self.columns = finger_features()
        self.fingers = nn.ModuleList([TorchLayers(joints[:, columns], 24, 1, 0.1) for columns in self.columns])
        self.whole = TorchLayers(joints, 64, len(WHOLE), 0.2)
        self.appearance = TorchLayers(embeddings, 64, len(WHOLE), 0.5)
        self.surroundings = TorchLayers(surroundings[~np.isnan(surroundings).any(axis=1)], 16, 1, 0.0)
        self.shape_geometry = TorchLayers(joints, 96, 1 + len(table_shapes()), 0.2)
        self.shape_appearance = TorchLayers(embeddings, 96, 1 + len(table_shapes()), 0.5)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What `head.load_head` reads, but for the calibration."""
        arrays: dict[str, NDArray[np.generic]] = {"shapes": np.array(table_shapes()), "photographed": self.photographed}
        named = [(finger, self.fingers[number]) for number, finger in enumerate(FINGERS)]
        named += [(name, getattr(self, name)) for name in NETWORKS]
        for name, layers in named:
            arrays |= layers.arrays(name)
        return arrays

    def forward(self, joints: Tensor, embeddings: Tensor, surroundings: Tensor, drop: float = 0.0) -> tuple[Tensor, Tensor]:
        """(n, 9) log-odds of `PARTS`, (n, 1 + shapes) log-odds of rest and shapes; appearance and surroundings are each left out of a
        share `drop` of the hands.
        """
        known = ~surroundings.isnan().any(dim=1, keepdim=True) & (torch.rand(len(joints), 1) >= drop)
        seen = torch.rand(len(joints), 1) >= drop
        whole = self.whole(joints) + self.appearance(embeddings) * seen
        around = self.surroundings(surroundings.nan_to_num()) * known
        fingers = [layers(joints[:, columns]) for layers, columns in zip(self.fingers, self.columns, strict=True)]
        looks_like = self.shape_geometry(joints) + self.shape_appearance(embeddings)
        return torch.cat([whole[:, :1] + around, *fingers, whole[:, 1:]], dim=1), looks_like


def train(hands: list[TrainingHand], labels: list[Floats | None], epochs: int) -> TorchHead:
    """Train a head on the hands that have a label."""
    torch.manual_seed(0)
    known = [(hand, parts) for hand, parts in zip(hands, labels, strict=True) if parts is not None]
    joints = torch.from_numpy(np.concatenate([hand.joints for hand, _ in known]))
    embeddings = torch.from_numpy(np.concatenate([hand.embeddings for hand, _ in known]).astype(np.float32))
    looks = [len(hand.joints) for hand, _ in known]
    surroundings = torch.from_numpy(np.repeat([hand.surroundings for hand, _ in known], looks, axis=0))
    targets = torch.from_numpy(np.repeat([parts for _, parts in known], looks, axis=0))
    weights = torch.from_numpy(np.repeat([_weight(hand, parts) / len(hand.joints) for hand, parts in known], looks)).float()
    weights = weights / weights.mean()
    of_hands = np.array([shape_of(parts) for _, parts in known])
    alike = torch.from_numpy(np.repeat(of_hands, looks))
    in_photos = of_hands[[hand.source not in RENDERS for hand, _ in known]]
    photographed = np.isin(np.arange(len(table_shapes())) + 1, in_photos)
    asked = ~targets.isnan()
    targets = targets.nan_to_num() * 0.98 + 0.01  # no label is beyond doubt
    head = TorchHead(joints.numpy(), embeddings.numpy(), surroundings.numpy(), photographed)
    batch = 256
    steps = epochs * -(-len(joints) // batch)
    optimizer = torch.optim.AdamW(head.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(epochs):
        for chosen in torch.split(torch.randperm(len(joints)), batch):
            noisy = joints[chosen] + 0.02 * torch.randn_like(joints[chosen])
            logits, looks_like = head(noisy, embeddings[chosen], surroundings[chosen], drop=0.25)
            loss = nn.functional.binary_cross_entropy_with_logits(logits, targets[chosen], reduction="none") * asked[chosen]
            other = nn.functional.cross_entropy(looks_like, alike[chosen], ignore_index=-1, label_smoothing=0.05, reduction="none")
            optimizer.zero_grad()
            ((loss.sum(dim=1) + other) * weights[chosen]).mean().backward()
            optimizer.step()
            schedule.step()
    head.eval()
    return head


def _weight(hand: TrainingHand, parts: Floats) -> float:
    """Rendered hands help photos, and must not outvote them. Finger hearts and circles, which no photo shows, count more; so do hands at
    rest and fists, since hands that hold cards or pieces, and fists that are not quite closed, look like finger hearts and circles. Posing
    hands of real groups count more because they are few.
    """
    if hand.source in RENDERS:
        posing, middle, thumb_meets_index, crossed = parts[[0, 3, 6, 7]]
        if crossed == 1 or (thumb_meets_index == 1 and middle == 0):
            return 5.0
        at_rest, otherwise = (3.5, 0.7) if hand.source == RENDERED else (2.5, 1.0)
        return otherwise if posing == 1 else at_rest  # nobody knows whether a fist poses
    return {"hagrid_crops": 0.6, "groups_events": 2.0}.get(hand.source, 1.0)


def predict(hands: list[TrainingHand], head: TorchHead) -> Floats:
    """Return (n, 9 + shapes) probabilities of `PARTS` and of the table's shapes, as `Head.read` gives them: the mean over the finder's
    looks. Not a number for shapes that no photo taught.
    """
    with torch.no_grad():
        looks = [
            head(
                torch.from_numpy(np.stack([hand.joints[look] for hand in hands])),
                torch.from_numpy(np.stack([hand.embeddings[look] for hand in hands]).astype(np.float32)),
                torch.from_numpy(np.stack([hand.surroundings for hand in hands])),
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
        parts is not None and hand.source not in RENDERS and np.array_equal(parts[:8], shape, equal_nan=True)
        for hand, parts in zip(hands, labels, strict=True)
    ]
    asked = [i for i, left_out in enumerate(same) if left_out]
    if not asked:
        return 0, float("nan")
    head = train(hands, [None if left_out else parts for parts, left_out in zip(labels, same, strict=True)], epochs)
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
        if not np.isnan(hand.surroundings).any():
            by_picture.setdefault(hand.picture, []).append(i)
    for members in by_picture.values():
        columns[members] = evidence(raw[members], np.array([hands[i].share for i in members], np.float32))
    return columns


def main(arguments: list[str] | None = None) -> None:
    """Collect, label, train, and write head.npz."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("rendered", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="folder for the collected hands; outside the project")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("head.npz"))
    parser.add_argument("--epochs", type=int, default=14)
    left_out = parser.add_mutually_exclusive_group()
    left_out.add_argument(
        "--without",
        metavar="POSE",
        choices=[key for key, row in pose_table().items() if row.shape],
        help="only print how often POSE, of the pose table, is read right by a head that no photo taught it",
    )
    left_out.add_argument(
        "--without-source",
        nargs="+",
        choices=("hagrid", "rest", "rest_events", "groups_events", "scenes"),
        help="only print how the hands of such photos are read by a head that none of them taught",
    )
    options = parser.parse_args(arguments)

    hands = collect_all(options.photos, options.rendered, options.cache)
    first = train(hands, label(hands, options.photos, options.rendered, None), options.epochs)
    labels = label(hands, options.photos, options.rendered, _fits(hands, first))
    if options.without:
        count, share = unseen(hands, labels, options.without, options.epochs)
        if not count:
            parser.error(f"no photo shows {options.without}")
        print(f"{options.without}: {count} hands, {share:.3f} right")
        return
    _, scores, _ = expect(hands, labels, options.epochs)
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
    # is not taught. HaGRID's hands at rest are labelled one by one, and of rendered ones we know.
    doubtful = [
        score > DOUBTFUL and parts is not None and parts[0] == 0 and hand.origin not in ("hagrid", *RENDERS)
        for hand, score, parts in zip(hands, scores, labels, strict=True)
    ]
    print(sum(doubtful), "hands at rest are left out as doubtful")
    head = train(hands, [None if doubt else parts for doubt, parts in zip(doubtful, labels, strict=True)], options.epochs)
    np.savez_compressed(options.out, calibration=line, **head.arrays())  # type: ignore[arg-type]


def expect(hands: list[TrainingHand], labels: list[Floats | None], epochs: int) -> tuple[Floats, Floats, Floats]:
    """Return what is to be expected of unseen photos: the calibration (4,), and of each hand, held out, its score and whether it is right
    as in `judged`, both (n,).

    Real groups with labels are few, and in them nearly everybody poses, so the groups put together count a little, too. With them, 19 of
    505 hands at rest beside people who pose are flagged instead of 23. If they counted thrice as much, it would be 16, but 11 photos of
    events would be flagged instead of 9.
    """
    raw, right = judged(held_out(hands, labels, epochs), labels)
    columns = scored(hands, raw)
    known = {"groups_events": 3.0, PASTED: PASTED_WEIGHT, RENDERED_GROUPS: PASTED_WEIGHT}
    weights = np.array([known.get(hand.source, 1.0) for hand in hands], np.float32)
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
