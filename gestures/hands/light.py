"""How to see a photo in daylight: the networks were taught on such, and miss hands in stage light, in the dark, against the light, in haze
and without colour.

Measured on 149 close-ups of HaGRID put into such light, numbers read right without this and with it: green light 61 and 97 %, red 53 and
96 %, blue 76 and 97 %, purple 77 and 97 %; darkened to a third 92 and 97 %, to a fifth 79 and 96 %; black and white 70 and 91 %. As they
were, 98 %. Veiled so that a quarter of the contrast is left, 70 and 97 %; darkened to a fifth before a white window, 50 and 90 %; dark in
the middle of a bright photo, 73 and 85 %, or darker 42 and 81 %.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from gestures.photo import Pixels

# The light's colour is told by the brightest parts: what a fiftieth of the pixels exceed in red, in green and in blue, as shares of the
# mean of the three. (By the means of all pixels a red wall was taken for red light, and four hands in five before it were missed.) Between
# these, hands are found as well as ever, and all but one in a hundred of 870 photos lie there; the others are balanced so that theirs
# become the usual ones (white patch; von Kries 1902).
BRIGHT = 98
LEAST, MOST = np.array([0.85, 0.87, 0.68]), np.array([1.4, 1.1, 1.14])
USUAL = np.array([1.02, 1.0, 0.98])

# A balanced photo has no colours where nine pixels in ten are so little off its one tone, as a share of their brightest channel (27 of 870
# photos are so; the next is off by 0.057); and none can be told in light that lacks one channel so far. Tinted like skin, its hands are
# found; this tint was the best of eleven.
COLOURLESS, ONE_COLOURED = 0.05, 0.25
SKIN = np.array([1.3, 0.78, 0.7])

# A photo is dark where only a twentieth of its pixels has a channel above DARK, 0..255. It is then lit up until these are above LIT,
# but no further than until its brightest parts are white: somebody in a lamp's light at night is well lit, however small.
DARK, LIT = 130, 220
BRIGHTEST = 99.8

# Haze, a smeared lens or stray light lays a veil over a photo: in each channel 99 pixels in 100 are then above VEIL, 0..255, and 98 in 100
# are less than CONTRAST brighter than the darkest of those. The share TAKEN of the veil is taken away.
VEIL, CONTRAST, TAKEN = 50, 130, 0.9

# Whoever stands against the light is dark in a bright photo. Around such a place the brightness, the root of the mean square within a
# share of the photo's longer side, is below DIM[0]; it is lit up as far as to PLACE_LIT, but no more than so many times; all of that from
# DIM[1] down. Where less than a tenth of a photo would be lit up by half or more, nothing is; when else, the search decides.
DIM = (112, 48)
PLACE, PLACE_LIT, MOST_LIT = 0.04, 140, 10
WORTH, WORTH_SHARE = 1.5, 0.1

# What was painted into a photo, a frame, a strip with words, a logo, has one colour to the last bit, and stood in no light: colours that so
# large a share of the pixels has tell nothing of it, as long as others are left. (A white frame of a fiftieth of the pixels was the light
# before, and 12 of 13 hands in green light were missed.) Of 870 photos without any, seven come out differently by this.
PAINTED, LEFT = 0.01, 0.1
# A JPEG lets what was painted echo beside it, within so many pixels of the copy reduced to some hundred: with 1, of 73 close-ups in green
# light, and a white frame, 29 % are read right, with 5, 95 %, with 7, 92 %; without a frame 96 %.
ECHO = 5

# Pixels of which no channel exceeds this tell nothing of the light, nor those of which one exceeds that of colours.
BLACK, WHITE = 12, 245


def daylight(photo: Pixels) -> NDArray[np.float64] | None:
    """Return the (3, 4) matrix that takes the photo's red, green, blue and 1 to those of daylight, or None where its own light will do.

    photo: (height, width, 3) uint8 RGB; some thousand pixels of it are enough.
    """
    whole = np.ascontiguousarray(photo.reshape(-1, 3).T, np.float64)  # a row a channel: they are compared in a tenth of the time
    bright_enough = whole.max(axis=0) > BLACK
    # Not whole[:, …], which would lay them pixel by pixel again, and `max` and `ptp` then take 40 times as long.
    pixels = whole.compress(bright_enough & ~_is_painted(photo), axis=1)
    if not pixels.size:
        return None
    lowest, light = np.percentile(pixels, (1, BRIGHT), axis=1)
    veil = float(lowest.min())
    veiled = veil > VEIL and np.percentile(pixels.max(axis=0), BRIGHT) < veil + CONTRAST
    veil = TAKEN * veil if veiled else 0.0
    light = np.maximum((light - veil) / (light - veil).mean(), 1e-3)
    # A toned photo has few colours, so that many pixels share each: without those, what is left may look coloured.
    told = (some.compress(some.max(axis=0) < WHITE, axis=1) for some in (pixels, whole.compress(bright_enough, axis=1)))
    pixels = pixels - veil
    if light.min() < ONE_COLOURED or any(_is_colourless((some - veil) / light[:, None]) for some in told):
        matrix = tint(light)
    elif (light < LEAST).any() or (light > MOST).any():
        matrix = np.diag(USUAL / light)
    else:
        matrix = np.eye(3)
    bright, brightest = np.percentile((matrix @ pixels).max(axis=0), (95, BRIGHTEST))
    if bright < DARK:
        matrix = matrix * max(1.0, min(LIT / bright, 255 / brightest))
    if not veil and np.array_equal(matrix, np.eye(3)):
        return None
    return np.column_stack([matrix, -veil * matrix.sum(axis=1)])


def dark_places_lit(photo: Pixels) -> NDArray[np.float32] | None:
    """Return how many times as bright each pixel is to be shown, (height, width) float32, or None where few are too dark.

    photo: (height, width, 3) uint8 RGB, in daylight; a small copy is enough.
    """
    brightness = photo.max(axis=2).astype(np.float32)
    around = np.sqrt(cv2.GaussianBlur(brightness**2, (0, 0), PLACE * max(brightness.shape)))
    dim = np.clip((DIM[0] - around) / (DIM[0] - DIM[1]), 0, 1)
    gains = 1 + dim * (np.clip(PLACE_LIT / np.maximum(around, 1), 1, MOST_LIT) - 1)
    if (gains > WORTH).mean() < WORTH_SHARE:
        return None
    return np.asarray(gains, np.float32)


def tint(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (3, 3) matrix that shows how bright a photo is in this light, (3,), in the tint of skin."""
    return np.outer(SKIN, light / (light @ light))


def _is_painted(photo: Pixels) -> NDArray[np.bool_]:
    """Tell, for each pixel, whether it has a colour that many have, or lies beside such; for none, where hardly any would be left. (n,) for
    n pixels.
    """
    colours = photo.reshape(-1, 3) @ np.array([1 << 16, 1 << 8, 1])
    _, kinds, counts = np.unique(colours, return_inverse=True, return_counts=True)
    painted = (counts[kinds] > PAINTED * len(colours)).reshape(photo.shape[:2])
    beside = cv2.dilate(painted.astype(np.uint8), np.ones((ECHO, ECHO), np.uint8)).astype(bool).ravel()
    return np.asarray(beside & (beside.mean() < 1 - LEFT))


def _is_colourless(pixels: NDArray[np.float64]) -> bool:
    """Whether the channels of the pixels, (3, n), tell nothing but how bright each is, in whatever tone: black and white, sepia, two tones.

    A parabola is fitted through each channel over the brightness; what is left is colour.
    """
    if pixels.shape[1] < 3:
        return False
    brightness = pixels.mean(axis=0) / 255
    powers = np.stack([brightness**2, brightness, np.ones_like(brightness)])
    parabolas, *_ = np.linalg.lstsq(powers @ powers.T, powers @ pixels.T, rcond=None)
    colours = pixels - parabolas.T @ powers
    return float(np.percentile(np.ptp(colours, axis=0) / np.maximum(pixels.max(axis=0), 1), 90)) < COLOURLESS
