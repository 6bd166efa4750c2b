"""Pictures pasted into others."""

import numpy as np

from gestures.pasting import paste, patch


def test_a_patch_keeps_its_boxes_mirrored_and_reduced():
    picture = np.zeros((40, 80, 3), np.uint8)
    picture[10:20, 8:24] = 255
    small, ((x, y, width, height),) = patch(picture, ((8, 10, 16, 10),), 0.5, mirrored=True)
    assert small.shape == (20, 40, 4)
    assert (x, y, width, height) == (28, 5, 8, 5)
    assert small[5:10, 28:36, :3].min() == 255
    assert small[..., :3].astype(int).sum() == 255 * 3 * 8 * 5
    assert small[0, :, 3].max() < 128 < small[10, 20, 3]


def test_what_is_pasted_beyond_an_edge_is_cut_off():
    picture, white = np.zeros((10, 10, 3), np.uint8), np.full((6, 6, 4), 255, np.uint8)
    paste(picture, white, -3, 7)
    assert picture[7:, :3].min() == 255
    assert picture.astype(int).sum() == 255 * 3 * 9
