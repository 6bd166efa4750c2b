"""How proposals.tflite is made: `python -m gestures.hands.train_proposals PHOTOS RENDERED --cache DIR` (needs the extra `train`).

The network is distilled from a dense search: *collect* lets that find the hands of many photos, once; *train* shows the network pieces
of those photos at every scale, some with people and rendered hands pasted in, and asks where the hands are and how large; *write*
folds its normalisation into the weights and writes a LiteRT model. Photos of one site stay together in what is kept to measure by.

PHOTOS is laid out like ../shared/photos. RENDERED holds pictures and labels.jsonl, as samples/render makes them.
"""

import argparse
import json
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gestures.hands.litert import ModelWriter
from gestures.hands.proposals import MAPS, SIZES, STRIDES
from gestures.hands.pyramid import Floats
from gestures.hands.search import SearchFinder, SearchSettings
from gestures.photo import Pixels, open_photo

# How often each folder's photos are shown; a group photo is worth many portraits.
FOLDERS = {"hagrid": 1.0, "scenes": 0.7, "rest_events": 1.5, "rest": 1.5, "groups_events": 6.0}
LONGEST = 1280  # pixels; larger photos are reduced to this for training
SIDE = 320  # of the pieces shown, in pixels
LARGEST = 1000.0
# Large tiles all over the photo, and small ones where the network so far proposes hands: what it has missed is found, too.
DENSE = SearchSettings(zooms=(0.5, 0.7, 1, 2, 4, 8), zooms_in_doubt=(), close_ups=False, palm_threshold=0.15, presence_threshold=0.3)
# The landmark network's presence from which a hand is taught as one. Below lie ears, collars and many a true hand: neither is asked for.
SURE = 0.8
# A cell that should say "a hand" weighs so much more than one that should not: missing one costs more than one tile in vain.
HAND_WEIGHT = 5.0
BATCH = 16


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A picture and the hands in it.

    boxes: (n, 4) float32 x y width height, pixels. sure: (n,) bool, which boxes surely hold a hand; of the others nobody can tell.
    """

    name: str
    pixels: Pixels
    boxes: Floats
    sure: NDArray[np.bool_]


# --- collect ---------------------------------------------------------------------------------------------------------------------------


def collect(photos: Path, cache: Path) -> list[Example]:
    """Return every photo with the hands that the dense search finds in it; what lies in the cache is not searched again."""
    file = cache / "proposals.jsonl"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = cache / "proposals.part"  # what a search that was interrupted leaves is not taken for the whole
        with SearchFinder(settings=DENSE) as finder, part.open("w") as out:
            for path in sorted(path for folder in FOLDERS for path in (photos / folder).rglob("*.jpg")):
                hands = [(*hand.box, hand.presence) for hand in finder.find(open_photo(path.read_bytes()))]
                out.write(json.dumps([path.relative_to(photos).as_posix(), hands]) + "\n")
        part.replace(file)
    return [_example(photos, *json.loads(line)) for line in file.read_text().splitlines()]


def _example(photos: Path, name: str, hands: list[list[float]]) -> Example:
    pixels = open_photo((photos / name).read_bytes()).pixels
    shrink = min(1.0, LONGEST / max(pixels.shape[:2]))
    if shrink < 1:
        pixels = cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    rows = np.array(hands, np.float32).reshape(-1, 5)
    return Example(name, pixels, rows[:, :4] * np.float32(shrink), rows[:, 4] >= SURE)


def rendered(folder: Path) -> list[Example]:
    """Return the rendered hands, each with its one box; those with brown or dark skin twice, for photos show fewer of them."""
    examples = []
    for line in (folder / "labels.jsonl").read_text().splitlines():
        entry = json.loads(line)
        pixels = open_photo((folder / entry["file"]).read_bytes()).pixels
        points = np.array(entry["landmarks"], np.float32)
        box = np.concatenate([points.min(axis=0), np.ptp(points, axis=0)])[None]
        examples += [Example(entry["file"], pixels, box, np.ones(1, bool))] * (2 if entry.get("tone") in ("brown", "dark") else 1)
    return examples


def kept_to_measure(name: str) -> bool:
    """Whether an eighth of the photos, whole sites, is kept to measure by."""
    folder, file = name.split("/")[0], Path(name).name
    site = file.split("_")[0] if folder == "rest_events" and not file[0].isdigit() else name
    return zlib.crc32(site.encode()) % 8 == 0


# --- pieces ----------------------------------------------------------------------------------------------------------------------------


def piece(example: Example, rng: np.random.Generator) -> Example:
    """Cut a square out of an example at a random scale, mirrored or not; in most of them lies a hand, 3.5 to 260 pixels wide."""
    height, width = example.pixels.shape[:2]
    sure = np.flatnonzero(example.sure)
    if len(sure) and rng.random() < 0.7:
        x, y, wide, high = example.boxes[rng.choice(sure)]
        middle = (x + wide / 2, y + high / 2)
        zoom = np.exp(rng.uniform(np.log(3.5), np.log(260))) / max(wide, high)
    else:
        middle = (rng.uniform(0, width), rng.uniform(0, height))
        zoom = np.exp(rng.uniform(np.log(0.15), np.log(1.2)))
    zoom = float(np.clip(zoom, SIDE / 2 / max(width, height), 1.6))
    left, top = (_corner(place, length, SIDE / zoom, rng) for place, length in zip(middle, (width, height), strict=True))
    source = example.pixels
    if zoom < 1:
        source = cv2.resize(source, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    by = zoom if zoom > 1 else 1.0
    pixels = cv2.warpAffine(source, np.array([[by, 0, -left * zoom], [0, by, -top * zoom]]), (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    boxes = (example.boxes - np.array([left, top, 0, 0], np.float32)) * np.float32(zoom)
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
        boxes[:, 0] = SIDE - boxes[:, 0] - boxes[:, 2]
    return Example(example.name, np.ascontiguousarray(pixels, dtype=np.uint8), boxes, example.sure)


def _corner(place: float, length: float, span: float, rng: np.random.Generator) -> float:
    """Where a piece of so many pixels begins along a side; a photo that is smaller lies at its start, in its middle, or anywhere in it."""
    if length > span:
        return float(np.clip(place - span * rng.uniform(0.05, 0.95), 0, length - span))
    return float((length - span) * rng.choice([0.0, 0.5, rng.random()]))


def paste(into: Example, others: list[Example], rng: np.random.Generator) -> Example:
    """Paste another picture, its hand 4 to 90 pixels wide, with hard or soft edges; hands that it covers are gone."""
    other = others[rng.integers(len(others))]
    zoom = np.exp(rng.uniform(np.log(4), np.log(90))) / other.boxes[:, 2:].max()
    height, width = (max(2, round(length * zoom)) for length in other.pixels.shape[:2])
    if max(height, width) > 0.8 * SIDE:
        return into
    left, top = (int(rng.integers(-length // 3, SIDE - length * 2 // 3)) for length in (width, height))
    small = cv2.resize(other.pixels, (width, height), interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
    soft = max(1, int(min(height, width) * 0.12)) if rng.random() < 0.7 else 0.5
    y, x = (np.minimum(np.arange(length), np.arange(length)[::-1]) / soft for length in (height, width))
    cover = np.clip(np.minimum(y[:, None], x[None]), 0, 1)[..., None]
    here = np.s_[max(0, top) : min(SIDE, top + height), max(0, left) : min(SIDE, left + width)]
    there = np.s_[here[0].start - top : here[0].stop - top, here[1].start - left : here[1].stop - left]
    pixels = into.pixels.copy()
    pixels[here] = pixels[here] * (1 - cover[there]) + small[there] * cover[there]
    middles = into.boxes[:, :2] + into.boxes[:, 2:] / 2 - np.array([left, top], np.float32)
    hidden = ((middles > 0) & (middles < np.array([width, height]))).all(axis=1)
    pasted = other.boxes * np.float32(zoom) + np.array([left, top, 0, 0], np.float32)
    return Example(into.name, pixels, np.concatenate([into.boxes[~hidden], pasted]), np.concatenate([into.sure[~hidden], other.sure]))


def side_by_side(four: list[Example]) -> Example:
    """Put four pieces into one, each at half its size, as in a collage: people close to each other, each in a light of their own."""
    pixels = np.empty((SIDE, SIDE, 3), np.uint8)
    boxes, half = [], SIDE // 2
    for one, left, top in zip(four, (0, half, 0, half), (0, 0, half, half), strict=True):
        pixels[top : top + half, left : left + half] = cv2.resize(one.pixels, (half, half), interpolation=cv2.INTER_AREA)
        middles = one.boxes[:, :2] + one.boxes[:, 2:] / 2
        # What lies outside its piece must not seem to lie in the next.
        outside = ~np.all((middles > 0) & (middles < SIDE), axis=1)
        moved = one.boxes / 2 + np.array([left, top, 0, 0], np.float32)
        moved[outside] = -SIDE
        boxes.append(moved)
    return Example(four[0].name, pixels, np.concatenate(boxes), np.concatenate([one.sure for one in four]))


def in_other_light(pixels: Pixels, rng: np.random.Generator) -> Floats:
    """Return the picture in other light, some of them dim or glaring, a tenth without colour, a quarter with the noise of a small camera,
    (3, side, side) float32 0..1.
    """
    if rng.random() < 0.1:
        pixels = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2).astype(np.uint8)
    spread = 0.5 if rng.random() < 0.4 else 0.2
    gamma, gains = np.exp(rng.normal(0, spread)), np.exp(rng.normal(0, 0.12, 3) + rng.normal(0, spread / 1.5))
    curves = np.clip(np.linspace(0, 1, 256)[:, None] ** gamma * gains, 0, 1).astype(np.float32)
    lit = np.stack([curves[pixels[..., channel], channel] for channel in range(3)])
    if rng.random() < 0.25:
        lit = np.clip(lit + rng.normal(0, rng.uniform(0.01, 0.08), lit.shape), 0, 1).astype(np.float32)
    return lit


def wanted(example: Example) -> list[tuple[Floats, Floats]]:
    """Return, for every map, how likely each cell should say that a hand is, and the weight of that cell, both (cells, cells).

    A hand is one cell or a few around its middle, in the map of its octave and, fading, half an octave into the next.
    """
    maps = []
    for stride, least, most in zip(STRIDES, SIZES, (*SIZES[1:], LARGEST), strict=True):
        cells = (np.arange(SIDE // stride) + 0.5) * stride
        target, weight = (np.full((len(cells), len(cells)), value, np.float32) for value in (0, 1))
        for (x, y, wide, high), sure in zip(example.boxes, example.sure, strict=True):
            size = float(max(wide, high, 0.1))
            beyond = max(np.log2(least / size), np.log2(size / most), 0)
            if beyond >= 0.5:
                continue
            squared = (cells[None] - x - wide / 2) ** 2 + (cells[:, None] - y - high / 2) ** 2
            near = np.exp(-squared / (2 * max(0.35 * stride, 0.15 * size) ** 2))
            if sure:
                target = np.maximum(target, np.where(near > 0.3, (1 - 2 * beyond) * near**0.5, 0).astype(np.float32))
            else:
                weight[near > 0.1] = 0
        maps.append((target, weight * (1 + (HAND_WEIGHT - 1) * target)))
    return maps


# --- train -----------------------------------------------------------------------------------------------------------------------------


class Filter(nn.Module):
    """A convolution with batch normalisation, padded as LiteRT does."""

    def __init__(self, channels: int, out: int, side: int, stride: int = 1, groups: int = 1, *, relu: bool = True) -> None:
        super().__init__()
        self.side, self.stride, self.relu = side, stride, relu
        self.weights = nn.Conv2d(channels, out, side, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, height, width), even height and width."""
        if self.side == 3:
            x = nn.functional.pad(x, (0, 1, 0, 1) if self.stride == 2 else (1, 1, 1, 1))
        x = self.norm(self.weights(x))
        return torch.relu(x) if self.relu else x

    def write(self, writer: ModelWriter, x: int, *, relu: bool | None = None) -> int:
        """The same in LiteRT, the normalisation folded into weights and bias."""
        norm, relu = self.norm, self.relu if relu is None else relu
        scale = norm.weight / torch.sqrt((norm.running_var if norm.running_var is not None else 0) + norm.eps)
        weights = (self.weights.weight * scale[:, None, None, None]).detach().numpy()
        bias = (norm.bias - (norm.running_mean if norm.running_mean is not None else 0) * scale).detach().numpy()
        if self.weights.groups > 1:
            return writer.depthwise(x, weights.transpose(1, 2, 3, 0), bias, stride=self.stride, relu=relu)
        return writer.convolution(x, weights.transpose(0, 2, 3, 1), bias, stride=self.stride, relu=relu)


class Block(nn.Module):
    """A depthwise and a pointwise convolution, added to what came in where the sizes agree (MobileNet's)."""

    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise, self.pointwise = Filter(channels, channels, 3, stride, channels), Filter(channels, out, 1, relu=False)
        self.adds = channels == out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, height, width)."""
        y = self.pointwise(self.depthwise(x))
        return torch.relu(x + y if self.adds else y)

    def write(self, writer: ModelWriter, x: int) -> int:
        """The same in LiteRT."""
        y = self.pointwise.write(writer, self.depthwise.write(writer, x), relu=not self.adds)
        return writer.add(x, y, relu=True) if self.adds else y


class ProposalNet(nn.Module):
    """A small feature pyramid: down to a 64th, and up again to an eighth, with a map of logits at each of the last four."""

    def __init__(self) -> None:
        super().__init__()
        channels = (16, 24, 48, 64, 96, 128)
        self.first = Filter(3, channels[0], 3, 2)
        self.down = nn.ModuleList(
            [
                nn.Sequential(Block(one, other, 2), *(Block(other, other) for _ in range(more)))
                for one, other, more in zip(channels, channels[1:], (0, 1, 2, 2, 2), strict=False)
            ]
        )
        eighth, sixteenth, thirty_second, last = channels[2:]
        self.up = nn.ModuleList(
            [nn.Conv2d(a, 4 * b, 1) for a, b in ((last, thirty_second), (thirty_second, sixteenth), (sixteenth, eighth))]
        )
        self.mix = nn.ModuleList([Block(width, width) for width in (thirty_second, sixteenth, eighth)])
        self.heads = nn.ModuleList([nn.Conv2d(width, out, 1) for width, out in zip(channels[2:], (2, 1, 1, 2), strict=True)])
        for head in self.heads:
            nn.init.constant_(head.bias, -5.0)
            nn.init.normal_(head.weight, 0, 0.01)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(n, 3, height, width) 0..1, both multiples of 64 → the maps of `SIZES`, each (n, cells, cells) logits."""
        x = self.first(x)
        levels = [x := stage(x) for stage in self.down][1:]
        for i, (up, mix) in enumerate(zip(self.up, self.mix, strict=True)):
            levels[2 - i] = mix(levels[2 - i] + nn.functional.pixel_shuffle(up(levels[3 - i]), 2))
        return [one for level, head in zip(levels, self.heads, strict=True) for one in head(level).unbind(dim=1)]

    def write(self) -> bytes:
        """The same as a LiteRT model."""
        writer = ModelWriter(SIDE, SIDE, 3)
        x = self.first.write(writer, writer.picture)
        levels = []
        for stage in self.down:
            for block in stage:
                x = block.write(writer, x)
            levels.append(x)
        levels = levels[1:]
        for i, (up, mix) in enumerate(zip(self.up, self.mix, strict=True)):
            out = up.out_channels // 4
            order = [4 * channel + cell for cell in range(4) for channel in range(out)]
            wide = writer.widen(_write_pointwise(writer, levels[3 - i], up, order))
            levels[2 - i] = mix.write(writer, writer.add(levels[2 - i], wide))
        heads = zip(levels, self.heads, MAPS, strict=True)
        return writer.write([_write_pointwise(writer, level, head, name=name) for level, head, name in heads])


def _write_pointwise(writer: ModelWriter, x: int, layer: nn.Module, order: list[int] | None = None, name: str = "") -> int:
    weights, bias = (parameter.detach().numpy() for parameter in (layer.weight, layer.bias))
    order = order or list(range(len(bias)))
    return writer.convolution(x, weights[order].transpose(0, 2, 3, 1), bias[order], name=name)


def batches(examples: list[Example], pastable: list[list[Example]], seed: int) -> Iterator[tuple[Tensor, list[Tensor], list[Tensor]]]:
    """Yield batches without end: pictures (n, 3, side, side), and for each map targets and weights (n, cells, cells)."""
    rng = np.random.default_rng(seed)
    weights = np.array([FOLDERS[example.name.split("/")[0]] for example in examples])
    while True:
        pictures, maps = [], []
        for number in rng.choice(len(examples), BATCH, p=weights / weights.sum()):
            shown = piece(examples[number], rng)
            if rng.random() < 0.25:
                more = rng.choice(len(pastable[0]), 3)
                shown = side_by_side([shown, *(piece(pastable[0][one], rng) for one in more)])
            for _ in range(rng.integers(1, 5) if rng.random() < 0.6 else 0):
                shown = paste(shown, pastable[int(rng.random() < 0.4)], rng)
            pictures.append(in_other_light(shown.pixels, rng))
            maps.append(wanted(shown))
        targets, masks = ([torch.from_numpy(np.stack([one[i][j] for one in maps])) for i in range(len(SIZES))] for j in (0, 1))
        yield torch.from_numpy(np.stack(pictures)).contiguous(memory_format=torch.channels_last), targets, masks


def loss_of(maps: list[Tensor], targets: list[Tensor], masks: list[Tensor]) -> Tensor:
    """Cross-entropy, a mean over pictures and maps of the sum over cells: a hand weighs the same in every map."""
    losses = [
        (nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none") * mask).sum()
        for logits, target, mask in zip(maps, targets, masks, strict=True)
    ]
    return torch.stack(losses).sum() / (len(maps[0]) * len(maps))


def train(examples: list[Example], pastable: list[list[Example]], steps: int) -> ProposalNet:
    """Train the network; 3,600 steps take some 25 minutes on one core."""
    torch.manual_seed(0)
    net = ProposalNet().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps, pct_start=0.1)
    source = batches(examples, pastable, seed=1)
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(next, source)
        for step in range(steps):
            pictures, targets, masks = coming.result()
            coming = ahead.submit(next, source)
            loss = loss_of(net(pictures), targets, masks)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            if step % 100 == 0:
                print(f"step {step}, loss {loss.item():.3f}", flush=True)
    trained: ProposalNet = net.eval()
    return trained


def main(arguments: list[str] | None = None) -> None:
    """Collect, train, and write proposals.tflite."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("rendered", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="folder for what the dense search found; outside the project")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("proposals.tflite"))
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--measure", action="store_true", help="leave an eighth of the sites out, and print the loss on them")
    options = parser.parse_args(arguments)

    examples = collect(options.photos, options.cache)
    shown = [example for example in examples if not (options.measure and kept_to_measure(example.name))]
    people = [one for one in shown if one.name.startswith("hagrid/") and len(one.sure) and one.sure.all()]
    pastable = [people, rendered(options.rendered)]
    net = train(shown, pastable, options.steps)
    if options.measure:
        kept = batches([example for example in examples if kept_to_measure(example.name)], pastable, seed=7)
        with torch.no_grad():
            losses = [loss_of(net(pictures), targets, masks).item() for pictures, targets, masks in (next(kept) for _ in range(8))]
        print(f"loss on sites left out: {np.mean(losses):.3f}")
    options.out.write_bytes(net.write())


if __name__ == "__main__":
    main()
