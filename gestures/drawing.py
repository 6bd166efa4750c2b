"""Copies of a checked photo: one with its hands marked, one with those blurred beyond recognition that need a look."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Literal

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gestures.advice import Advice, AdvisedHand, clipped_box
from gestures.hands.finder import CHAINS, INDEX, LITTLE, MIDDLE, RING, THUMB, WRIST, shared_area
from gestures.photo import Photo, Pixels
from gestures.reading.fingers import State
from gestures.words import Lang, text

Colour = tuple[int, int, int]
Format = Literal["jpeg", "webp"]
Place = tuple[int, int, int, int]  # x, y, width, height

# Okabe and Ito's palette, told apart with any colour vision ("Color Universal Design", 2008). Labels tell the states in words as well.
FLAGGED: Colour = (230, 159, 0)
UNCLEAR: Colour = (86, 180, 233)
FINE: Colour = (0, 158, 115)
REST: Colour = (200, 200, 200)
INK: Colour = (0, 0, 0)

PALM = (WRIST, THUMB[0], INDEX[0], MIDDLE[0], RING[0], LITTLE[0], WRIST)

# More hands than this with a label are a crowd: see _placed.
CROWD = 8

# The longest side that the WebP format can hold.
WEBP_SIDE = 16_383


def annotate(photo: Photo, advice: Advice, lang: Lang = "id") -> Pixels:
    """Return a copy, (height, width, 3) uint8 RGB, with each hand's box and skeleton, and its pose and number in the given language.

    Hands at rest get a thin box and no label.
    """
    pixels = photo.pixels.copy()
    # Marks stay visible when the picture is shown on a phone; a panorama or a long screenshot is scrolled along, not shrunk to it.
    unit = min(max(photo.width, photo.height), 2 * min(photo.width, photo.height)) / 1000
    # Flagged hands come last and so lie on top.
    for hand in sorted(advice.hands, key=lambda hand: (hand.flagged, hand.posed.state is not State.REST)):
        _draw_hand(pixels, hand, _colour(hand), unit)
    return _draw_labels(pixels, advice, lang, unit)


def redact(photo: Photo, advice: Advice) -> Pixels:
    """Return a copy, (height, width, 3) uint8 RGB, with every hand blurred that is to review or unclear.

    Of each hand's box with a margin only sixteen mean colours at most remain, drawn as a smooth patch: nothing of the pose is left
    to bring back.
    """
    pixels = photo.pixels.copy()
    # Larger hands last: the finer cells of a smaller hand must not show through where two overlap.
    for hand in sorted((hand for hand in advice.hands if hand.needs_look), key=lambda hand: hand.posed.hand.size):
        x, y, width, height = clipped_box(hand.posed.hand, photo.width, photo.height)
        margin = max(2, round(0.3 * max(width, height)))
        region = pixels[max(0, y - margin) : y + height + margin, max(0, x - margin) : x + width + margin]
        rows, columns = region.shape[:2]
        means = cv2.resize(region, (min(4, columns), min(4, rows)), interpolation=cv2.INTER_AREA)
        region[:] = cv2.resize(means, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return pixels


def encode(pixels: Pixels, format: Format = "jpeg", quality: int = 88) -> bytes:
    """Return an image file of RGB pixels, with no metadata at all. A WebP is made smaller where its longest side is over 16,383."""
    image = Image.fromarray(pixels)
    if format == "webp":
        image.thumbnail((WEBP_SIDE, WEBP_SIDE))
    file = BytesIO()
    image.save(file, format=format, quality=quality)
    return file.getvalue()


def _colour(hand: AdvisedHand) -> Colour:
    if hand.flagged:
        return FLAGGED
    if hand.needs_look:
        return UNCLEAR
    return REST if hand.posed.state is State.REST else FINE


def _draw_hand(pixels: Pixels, hand: AdvisedHand, colour: Colour, unit: float) -> None:
    """Draw box and skeleton, each line over a wider black one, so that it shows on any background."""
    found = hand.posed.hand
    height, width = pixels.shape[:2]
    x, y, w, h = clipped_box(found, width, height)
    line = max(2, round(min(4 * unit, found.size / 40)))
    corners = ((x, y), (x + w - 1, y + h - 1))
    if hand.posed.state is State.REST:
        cv2.rectangle(pixels, *corners, INK, max(1, round(unit)) + 1)
        cv2.rectangle(pixels, *corners, colour, max(1, round(unit)))
        return
    cv2.rectangle(pixels, *corners, INK, line + 2 * _edge(line))
    cv2.rectangle(pixels, *corners, colour, line)
    points = found.landmarks[:, :2].round().astype(np.int32)
    lines = [points[list(chain)] for chain in (PALM, *CHAINS)]
    thin = max(1, round(line * 0.6))
    for shade, thickness in ((INK, thin + 2 * _edge(thin)), (colour, thin)):
        cv2.polylines(pixels, lines, False, shade, thickness, cv2.LINE_AA)
    if found.size >= 20 * thin:  # on a smaller hand the dots would hide the fingers
        for point in points:
            cv2.circle(pixels, point.tolist(), thin + _edge(thin), INK, cv2.FILLED, cv2.LINE_AA)
            cv2.circle(pixels, point.tolist(), thin, (255, 255, 255), cv2.FILLED, cv2.LINE_AA)


def _edge(line: int) -> int:
    return max(1, line // 3)


@dataclass(frozen=True, slots=True)
class _Label:
    words: str
    font: ImageFont.FreeTypeFont
    place: Place


def _draw_labels(pixels: Pixels, advice: Advice, lang: Lang, unit: float) -> Pixels:
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    boxes = [clipped_box(hand.posed.hand, advice.width, advice.height) for hand in advice.hands]
    taken: list[Place] = []
    # Flagged hands choose their places first, larger hands before smaller ones.
    order = sorted(range(len(boxes)), key=lambda index: (not advice.hands[index].flagged, -advice.hands[index].posed.hand.size))
    for index in order:
        hand = advice.hands[index]
        if hand.posed.state is State.REST:
            continue
        label = _placed(advice, index, boxes, taken, lang, unit)
        taken.append(label.place)
        x, y, width, height = label.place
        corners = (x, y, x + width - 1, y + height - 1)
        draw.rounded_rectangle(corners, radius=height // 5, fill=_colour(hand), outline=INK, width=max(1, round(unit)))
        draw.text((x + width / 2, y + height / 2), label.words, font=label.font, fill=INK, anchor="mm")
    return np.array(image)


def _placed(advice: Advice, index: int, boxes: list[Place], taken: list[Place], lang: Lang, unit: float) -> _Label:
    """Return the fullest, largest label that finds a free place at its hand; where none does, the one that covers least."""
    hand = advice.hands[index]
    size = hand.posed.hand.size
    full, short = _words(hand, advice.ballot, lang)
    small, badge = max(11, round(14 * unit)), max(11, round(20 * unit))
    large = max(small, round(min(size / 6, 30 * unit)))
    tries = [(full, large), (full, small), (short, badge), (short, small)]
    labelled = [other for other, one in enumerate(advice.hands) if one.posed.state is not State.REST]
    if len(labelled) > CROWD and _font(small).getlength(full) > 4 * size:
        tries = tries[2:]  # in a crowd, a name much wider than its hand would hide faces and the hands of others
    tries = [(words, points) for words, points in tries if _extent(words, _font(points))[0] <= advice.width] or tries[-1:]
    others = [boxes[other] for other in labelled if other != index]
    fonts = [(words, _font(points)) for words, points in tries]
    labels = [_Label(words, font, place) for words, font in fonts for place in _places(words, font, boxes[index], advice)]

    def covered(label: _Label) -> float:
        # To cover another label is worse than to cover part of another hand.
        return sum(shared_area(label.place, other) for other in others) + 10 * sum(shared_area(label.place, other) for other in taken)

    return next((label for label in labels if not covered(label)), None) or min(labels, key=covered)


def _words(hand: AdvisedHand, ballot: Sequence[int], lang: Lang) -> tuple[str, str]:
    """Return a hand's label, in full and short. ballot: the numbers on it."""
    if hand.pose_name is None:
        return text("label-unclear", lang), "?"
    mark = "?" if hand.posed.state is State.UNCLEAR else ""
    name = hand.pose_name[lang] + mark
    first = next((reading for reading in (*hand.readings, *hand.together) if reading.number in ballot), None)
    if first is None:
        return name, mark or ("!" if hand.flagged else "-")
    number = f"{first.number}{'?' if first.strength == 'possible' else mark}"
    return f"{name} · {number}", number


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # noqa: S101  # with a size it always is
    return font


def _pad(font: ImageFont.FreeTypeFont) -> int:
    return round(font.size * 0.35)


def _extent(words: str, font: ImageFont.FreeTypeFont) -> tuple[int, int]:
    """Return width and height of a label."""
    pad = _pad(font)
    return round(font.getlength(words)) + 2 * pad, round(font.size * 1.3) + pad // 2


def _places(words: str, font: ImageFont.FreeTypeFont, box: Place, advice: Advice) -> list[Place]:
    """Return where a label may stand, best first: above its hand, below, right, left, inside; moved into the picture."""
    width, height = (min(*both) for both in zip(_extent(words, font), (advice.width, advice.height), strict=True))
    left, top = box[:2]
    right, bottom = left + box[2], top + box[3]
    gap = max(1, _pad(font) // 3)
    corners = [
        (left, top - gap - height),
        (left, bottom + gap),
        (right - width, top - gap - height),
        (right - width, bottom + gap),
        (right + gap, top),
        (left - gap - width, top),
        (right + gap, bottom - height),
        (left - gap - width, bottom - height),
        (left, top),
    ]
    moved = dict.fromkeys((min(max(0, x), advice.width - width), min(max(0, y), advice.height - height)) for x, y in corners)
    # A label moved in from the picture's edge may come to lie on its own hand: those places come last.
    return sorted(((x, y, width, height) for x, y in moved), key=lambda place: shared_area(place, box) > 0)
