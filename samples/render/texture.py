"""Skin for one arm, painted from its geometry at rest: creases, palm lines, knuckles, veins, nails. Only CC0 inputs."""

import cv2
import numpy as np
from body import FINGERS, MPFB, unit
from scipy.interpolate import CubicSpline
from scipy.ndimage import map_coordinates

TONES = {  # linear colours: skin, flush, palm and its share, creases, nails
    "pale": ((0.78, 0.52, 0.41), (0.74, 0.30, 0.23), (0.78, 0.52, 0.41), 0.0, (0.50, 0.25, 0.18), (0.85, 0.60, 0.54)),
    "light": ((0.66, 0.40, 0.28), (0.64, 0.24, 0.16), (0.74, 0.46, 0.36), 0.3, (0.38, 0.18, 0.12), (0.78, 0.50, 0.42)),
    "tan": ((0.46, 0.26, 0.16), (0.47, 0.17, 0.10), (0.58, 0.34, 0.25), 0.4, (0.25, 0.11, 0.07), (0.62, 0.40, 0.32)),
    "brown": ((0.22, 0.105, 0.058), (0.26, 0.09, 0.05), (0.46, 0.25, 0.17), 0.6, (0.10, 0.04, 0.025), (0.45, 0.27, 0.21)),
    "dark": ((0.085, 0.040, 0.025), (0.11, 0.04, 0.025), (0.34, 0.17, 0.115), 0.7, (0.035, 0.015, 0.01), (0.33, 0.19, 0.15)),
}
PALM_LINES = (  # across the palm from the index's knuckle to the little finger's, along it from the wrist; width in metres; depth
    ([(-0.22, 0.86), (0.12, 0.62), (0.22, 0.35), (0.16, 0.06)], 0.0008, 1.0),
    ([(-0.22, 0.88), (0.25, 0.72), (0.62, 0.56), (0.92, 0.44)], 0.0007, 0.85),
    ([(1.12, 0.72), (0.75, 0.80), (0.42, 0.92), (0.2, 1.06)], 0.0008, 0.95),
    ([(0.55, 0.15), (0.5, 0.5), (0.5, 0.8)], 0.0005, 0.35),
)


def layout(uv):
    """Texture coordinates (faces, 4, 2) of MakeHuman's atlas -> our own: the hand large, the forearm above it."""
    out = np.zeros_like(uv)
    forearm = uv[:, :, 1].mean(1) > 0.5
    for island, (x, y, size) in ((~forearm, (0.01, 0.01, 0.97)), (forearm, (0.01, 0.80, 0.16))):
        corners = uv[island].reshape(-1, 2)
        low = corners.min(0)
        out[island] = (uv[island] - low) / (corners.max(0) - low).max() * size + (x, y)
    return out


def _raster(arm, n):
    """For each texel that a face covers: row and column, place, normal, and atlas coordinates."""
    place, normal, atlas = np.zeros((n, n, 3), np.float32), np.zeros((n, n, 3), np.float32), np.zeros((n, n, 2), np.float32)
    covered = np.zeros((n, n), np.uint8)
    packed = layout(arm.uv)
    for q, face in enumerate(arm.faces):
        for corners in ([0, 1, 2], [0, 2, 3]):
            p = packed[q, corners] * n * (1, -1) + (0, n)
            x0, y0 = np.maximum(np.floor(p.min(0)).astype(int) - 1, 0)
            x1, y1 = np.minimum(np.ceil(p.max(0)).astype(int) + 2, n)
            edges = np.stack([p[0] - p[2], p[1] - p[2]], 1)
            if abs(np.linalg.det(edges)) < 1e-9:
                continue
            grid = np.stack(np.meshgrid(np.arange(x0, x1) + 0.5, np.arange(y0, y1) + 0.5), -1)
            ab = (grid - p[2]) @ np.linalg.inv(edges).T
            share = np.concatenate([ab, 1 - ab.sum(-1, keepdims=True)], -1)
            inside = (share >= -0.02).all(-1)
            for buffer, values in ((place, arm.v[face[corners]]), (normal, arm.normals[face[corners]]), (atlas, arm.uv[q, corners])):
                buffer[y0:y1, x0:x1][inside] = (share @ values)[inside]
            covered[y0:y1, x0:x1][inside] = 1
    at = np.nonzero(covered)
    return covered, at, place[at], normal[at], atlas[at]


def bake(arm, tone, path, n=1280, seed=0):
    """Write path_colour.png, path_height.png and path_nails.png."""
    covered, at, place, normal, atlas = _raster(arm, n)
    rng = np.random.RandomState(seed)
    skin, flush, palm_colour, palm_share, dark, nail = (np.array(c) for c in TONES[tone])

    def noise(scale):
        total = 0
        for _ in range(18):
            total = total + np.sin(place @ (unit(rng.randn(3)) * scale * (0.6 + 0.8 * rng.rand())) + rng.rand() * 6.28)
        return total / 4.2

    facing = normal @ arm.P
    inner, outer = np.clip(facing * 2, 0, 1), np.clip(-facing * 2, 0, 1)
    across_axis = np.cross(arm.F, arm.P)
    across_axis *= np.sign(across_axis @ arm.S)
    up, across = (place - arm.wrist) @ arm.F, (place - arm.wrist) @ across_axis
    palm = np.clip(facing * 1.3 + 0.15, 0, 1) * np.clip(up / 0.03 + 0.6, 0, 1)
    height, lines, red = (np.zeros(len(place)) for _ in range(3))
    wobble = noise(350) * 0.0006

    def line(distance, width, where, depth, darkness=0.5):
        nonlocal height, lines
        mark = np.exp(-((distance / width) ** 2)) * where
        height, lines = height - depth * mark, lines + darkness * depth * mark

    for i in (1, *FINGERS):
        for j in (1, 2, 3):
            joint, end = arm.head[f"finger{i}-{j}"], arm.tail[f"finger{i}-{j}"]
            along, reach = unit(end - joint), np.linalg.norm(place - joint, axis=-1)
            near, u = np.clip(1 - (reach / 0.016) ** 4, 0, 1), (place - joint) @ along
            if i > 1 and j == 1:  # the crease where the finger meets the palm lies beyond the knuckle
                base = joint + along * 0.021
                close = np.clip(1 - (np.linalg.norm(place - base, axis=-1) / 0.014) ** 4, 0, 1)
                line((place - base) @ along + wobble, 0.0006, close * inner, 1.0)
                red += 0.22 * np.exp(-((reach / 0.014) ** 2)) * outer
                continue
            if j > 1:
                for offset, width, depth in ((0, 0.00055, 1.0), (0.0022, 0.0004, 0.45), (-0.0024, 0.0004, 0.4)):
                    line(u - offset + wobble, width, near * inner, depth)
                for offset in (-0.005, -0.0032, -0.0014, 0.0005, 0.0023, 0.004, 0.0056):
                    line(u - offset + wobble * 1.8, 0.00045, near * outer * (0.35 + 0.3 * rng.rand()), 0.6)
            red += 0.35 * np.exp(-((reach / 0.012) ** 2)) * np.clip(-facing * 2 + 0.2, 0, 1)
        red += 0.5 * np.exp(-((np.linalg.norm(place - arm.tail[f"finger{i}-3"], axis=-1) / 0.015) ** 2))
    length = np.linalg.norm(arm.head["finger3-1"] - arm.wrist)
    first, last = ((arm.head[f"finger{i}-1"] - arm.wrist) @ across_axis for i in (2, 5))
    for points, width, depth in PALM_LINES:
        curve = CubicSpline(np.linspace(0, 1, len(points)), points)(np.linspace(0, 1, 60)) * (last - first, length) + (first, 0)
        nearest = np.min([(across - x) ** 2 + (up - y) ** 2 for x, y in curve], axis=0)
        line(np.sqrt(nearest) + wobble * 0.6, width, np.clip(facing * 2 - 0.2, 0, 1), depth)
    for y in (-0.02, -0.055):
        line(up - y * length + wobble * 2, 0.0007, inner, 0.8)
    broad, fine = noise(130), noise(420)
    height += 0.10 * noise(2600)
    veins = np.clip(
        np.exp(-(((noise(60) + 0.15 * fine) / 0.10) ** 2)) * np.clip(-facing * 1.4 - 0.2, 0, 1) * np.clip(up / length, 0, 1) * 0.16, 0, 0.2
    )
    x, y = atlas.T
    mask = cv2.imread(str(MPFB / "textures/mpfb_fingernails.jpg"), 0).astype(np.float32) / 255
    size = mask.shape[0] - 1
    nails = np.clip((map_coordinates(mask, [(1 - y) * size, x * size], order=1) - 0.35) / 0.4, 0, 1)
    height = height * (1 - nails) + 0.35 * nails

    colour = skin * np.ones((len(place), 1))
    for share, over in (
        (palm * palm_share, palm_colour),
        (np.clip(0.40 * np.clip(0.32 + 0.22 * broad + 0.14 * fine, 0, 1) + red + 0.12 * palm, 0, 0.8), flush),
        (np.clip(lines * 0.75, 0, 0.6), dark),
        (veins * (1 - np.clip(red, 0, 1)), np.array((0.35, 0.38, 0.34)) * skin.mean() * 1.6),
        (0.75 * nails, nail),
    ):
        colour = colour * (1 - share[:, None]) + over * share[:, None]
    srgb = np.where(colour <= 0.0031308, colour * 12.92, 1.055 * np.clip(colour, 1e-6, 1) ** (1 / 2.4) - 0.055)
    for name, values in (("colour", srgb[:, ::-1]), ("height", height * 0.3 + 0.6), ("nails", nails)):
        cv2.imwrite(f"{path}_{name}.png", _filled(values, covered, at))


def _filled(values, covered, at):
    """An image with the texels round the islands filled, so that no seam shows."""
    image = np.zeros(covered.shape + values.shape[1:], np.uint8)
    image[at] = np.clip(values * 255, 0, 255)
    kernel = np.ones((3, 3), np.uint8)
    for _ in range(6):
        wider = cv2.dilate(covered, kernel)
        new = (wider > 0) & (covered == 0)
        image[new] = cv2.dilate(image, kernel)[new]
        covered = wider
    return image
