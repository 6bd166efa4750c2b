"""How to see a photo without its grain: the networks miss small hands in noise and among what a coarse JPEG leaves beside edges.

Measured on the 83 hands of photos of event groups, seen without this and with it: put through a messaging app by calculation (1280 pixels,
quality 50 and 70) 82 and 86 %, 90 and 94 %; with noise of 7 and of 14 levels, 92 and 96 %, 58 and 83 %. As they were, 96 %.
"""

import cv2
import numpy as np

from gestures.photo import Pixels

# A photo is noisy where the noise of its green channel has this standard deviation (levels, 0..255) or more in nine of ten places: it is
# measured in PATCHES × PATCHES squares, PATCH pixels wide. Of 300 photos, real noise and textures included, none reached it.
NOISY = 5.0
PATCHES, PATCH = 12, 18
# Patches outside this range of levels are clipped, and have no noise.
UNCLIPPED = (12, 240)

# A grainy photo is smoothed, with sharp edges kept (bilateral filter, Tomasi and Manduchi 1998): ACROSS and SPREAD are its width and
# sigma in pixels. Its sigma in levels is LEVELS, or OF_NOISE times the noise where that is more.
ACROSS, SPREAD = 5, 2.0
LEVELS, OF_NOISE = 25.0, 3.0


def noise(photo: Pixels) -> float:
    """The standard deviation of the photo's noise in levels, 0..255, where it has least (Immerkær 1996). photo: (height, width, 3) RGB."""
    rows, columns = (np.linspace(0, length - PATCH, PATCHES).astype(int)[:, None] + np.arange(PATCH) for length in photo.shape[:2])
    patches = photo[rows[:, None, :, None], columns[None, :, None, :], 1].reshape(-1, PATCH, PATCH).astype(np.float32)
    means = patches.mean(axis=(1, 2))
    patches = patches[(means > UNCLIPPED[0]) & (means < UNCLIPPED[1])]
    if not len(patches):
        return 0.0
    left = patches[:, 2:] - 2 * patches[:, 1:-1] + patches[:, :-2]
    left = left[:, :, 2:] - 2 * left[:, :, 1:-1] + left[:, :, :-2]
    return float(np.percentile(np.abs(left).mean(axis=(1, 2)), 10) * np.sqrt(np.pi / 2) / 6)


def levels_to_smooth(photo: Pixels, *, coarse: bool) -> float:
    """The sigma in levels to smooth the photo with, or 0 where it needs no smoothing. coarse: see `Photo`."""
    found = noise(photo)
    if found < NOISY:
        return LEVELS if coarse else 0.0
    return max(LEVELS, OF_NOISE * found)


def smoothed(pixels: Pixels, levels: float) -> Pixels:
    """Return a piece of a photo, (height, width, 3) RGB, without its grain."""
    return cv2.bilateralFilter(pixels, ACROSS, levels, SPREAD).astype(np.uint8, copy=False)
