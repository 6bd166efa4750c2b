"""Hand poses: which fingers are extended, then joint angles that a hand could take, the thumb solved so that it touches what it should."""

from dataclasses import dataclass, replace

import numpy as np
from body import FINGERS, unit
from scipy.optimize import least_squares

LETTERS = "TIMRP"  # thumb, index, middle, ring, little
PLAIN = {  # pose -> extended fingers, index and middle apart
    "one": ("I", None),
    "like": ("T", None),
    "little_finger": ("P", None),
    "middle_finger": ("M", None),
    "peace": ("IM", True),
    "two_up": ("IM", False),
    "thumb_index": ("TI", None),
    "call": ("TP", None),
    "three_gun": ("TIM", False),
    "three": ("IMR", None),
    "three_mrp": ("MRP", None),
    "three2": ("TIM", True),
    "three3": ("IMP", None),
    "ily_metal": ("TIP", None),
    "rock": ("IP", None),
    "four": ("IMRP", None),
    "palm": ("TIMRP", True),
    "stop": ("TIMRP", False),
    "fist": ("", None),
}
COMBOS = sorted({"".join(c for k, c in enumerate(LETTERS) if n >> k & 1) for n in range(32)} - {fingers for fingers, _ in PLAIN.values()})
LIMITS = np.array([(-20, 75), (-45, 30), (-50, 60), (-10, 60), (-15, 80)], float)  # the thumb's five angles
STARTS = ((30, -10, 0, 20, 20), (50, -20, 20, 30, 30), (20, -30, -20, 10, 50), (60, 0, 30, 10, 10))


@dataclass(frozen=True)
class Pose:
    """angles: finger 1..5 -> joint angles in degrees (see Arm.rotations). hold: what is in the hand. touch: with what it touches a face,
    or whether it claps the other hand or lies in it. miss: how far the thumb is from its aim, in millimetres.
    """

    key: str
    angles: dict
    ring: bool = False
    crossed: bool = False
    posing: bool = True
    hold: str = ""
    touch: str = ""
    miss: float = 0.0

    def extended(self):
        """T I M R P: 1 extended, 0 folded, None in between or where it does not count; round as in a zero is folded."""
        states = [self._state(*self.angles[i][:2]) for i in FINGERS]
        if self.ring or self.crossed:
            return [None, None, *([0, 0, 0] if self.key == "zero" else states[1:])]
        return [int("T" in PLAIN.get(self.key, (self.key,))[0]) if self.posing else None, *states]

    @staticmethod
    def _state(knuckle, middle):
        return None if 30 < middle < 70 else int(middle <= 30 and knuckle <= 40)

    def apart(self):
        """Index and middle finger spread: 1, 0, or None where it is neither, or one is not extended."""
        if self.extended()[1:3] != [1, 1] or self.ring:
            return None
        gap = self.angles[3][3] - self.angles[2][3]
        return 1 if gap >= 13 else 0 if gap <= 6 else None


def sample(arm, key, rng, jitter=1.0):
    """A hand in this pose; rng is a numpy Generator, jitter 0 gives the textbook hand."""
    for _ in range(4):
        pose = _draw(arm, key, rng, jitter)
        if pose.miss < 6:
            break
    return pose


def _draw(arm, key, rng, jitter):
    def about(mean, sd):
        return mean + jitter * sd * np.clip(rng.standard_normal(), -2, 2)

    def pick(*options):
        return options[rng.integers(len(options))] if jitter else options[0]

    if key == "hold":
        return _hold(about, pick)
    if key == "play":
        return _play(arm, rng, about, pick)
    if key == "rest":
        return _rest(rng, about)
    if key == "flat":
        return _flat(rng, about)
    if key == "hands":
        return _with_other(rng, about, pick)
    if key == "face":
        return _at_face(arm, rng, about, pick)
    fingers, apart = PLAIN.get(key, ("MRP" if key.startswith("ok") else "" if key == "finger_heart" else key, None))
    up = [i for i in FINGERS if LETTERS[i - 1] in fingers]
    angles = {}
    fold = (about(82, 9), about(106, 7), about(66, 10))
    if jitter >= 1 and rng.random() < 0.25:  # a loose fold: the knuckles hardly bent
        fold = (about(45, 10), about(102, 6), about(60, 10))
    fan = about(1.0, 0.35) if apart is not False else 0.0
    at = {2: -8, 3: -1, 4: 6, 5: 15}
    if apart and len(fingers) < 4:
        half = about(12, 2.5)
        at[2], at[3] = -half - 2, half - 2
    for i in FINGERS:
        if i in up:
            splay = at[i] * max(fan, 0.2) if apart is not True or len(fingers) > 3 else at[i]
            if apart is False:
                splay = {2: 4, 3: 0, 4: -2.5, 5: -7}[i]
            angles[i] = (about(3, 8), max(-2, about(6, 5)), max(-2, about(3, 4)), about(splay, 1.2))
        else:
            angles[i] = (about(fold[0], 4), min(114, about(fold[1], 3)), about(fold[2], 4), about({2: -1, 3: 1, 4: 4, 5: 8}[i], 1))
    if apart is True and len(fingers) == 5:
        spread = max(1.5, about(1.9, 0.3))
        for i in FINGERS:
            angles[i] = (*angles[i][:3], at[i] * spread)
    if key == "ok_loose":
        curl = about(1, 0.3)
        for i, more in ((3, 0), (4, 8), (5, 16)):
            angles[i] = (about(18 + more, 6) * curl, about(26 + more, 6) * curl, about(14, 4) * curl, angles[i][3])
    if key == "zero":  # all fingers round, side by side, the index finger's tip on the thumb's
        more = about(4, 2)
        for i, splay in ((3, -2), (4, -5), (5, -10)):
            angles[i] = (about(52 + more * (i - 2), 3), about(60, 4), about(32, 4), about(splay, 1.5))
    if key.startswith("ok") or key == "zero":
        angles[2] = (about(50, 5), about(58, 6), about(30, 5), about(-6, 2))
        return _solved(arm, key, angles, "ring", ring=True)
    if key == "finger_heart":
        return _solved(arm, key, angles, "heart", about=about)
    if "T" in fingers:
        if key == "stop":
            return _solved(arm, key, angles, "along")
        if key == "palm":
            thumb = (about(5, 8), about(10, 6), about(0, 6), about(3, 6), about(4, 8))
        elif key == "like":
            thumb = (about(-12, 6), about(20, 6), about(0, 8), about(-6, 5), about(-10, 8))
        else:
            thumb = (about(-2, 8), about(20, 5), about(0, 8), about(-2, 6), about(-3, 8))
        return Pose(key, {**angles, 1: thumb})
    return _solved(arm, key, angles, pick(*_thumb_places(up)))


def _thumb_places(up):
    """Where a folded thumb can lie, the most usual first."""
    folded = [i for i in FINGERS if i not in up]
    if not folded:
        return ["palm"]
    if folded == [5]:
        return ["palm", "over5", "palm"]
    if folded == [2]:  # a thumb on the index's middle bone would look like a ring
        return ["inside", "inside", "palm"]
    places = [f"over{a}{b}" for a, b in ((2, 3), (3, 4)) if a in folded and b in folded]
    places += [f"over{i}" for i in folded if i < 5]
    if 2 in folded:
        places.append("beside")
    if 2 in folded and 3 in folded:
        places.append("inside")
    if 3 in folded and 2 not in folded:
        places.append("side3")
    if 3 not in folded:
        places.append("palm")
    return places


def _solved(arm, key, angles, place, *, ring=False, between=0.0, about=None):
    """The thumb (for a finger heart the index finger too) by least squares: reach the aim, keep out of the other bones, stay natural.

    between: metres that a thing keeps thumb and index finger apart.
    """
    angles = dict(angles)
    if place == "inside":
        angles = {i: (min(a[0], 66), min(a[1], 92), a[2] * 0.8, a[3]) if a[1] > 60 else a for i, a in angles.items()}
    bones = {i: arm.chain(i, angles[i]) for i in FINGERS}
    if place == "heart":
        index = np.array([about(46, 7), about(64, 8), about(6, 6), about(-2, 2)])
        cross, along = about(66, 9), (about(0.22, 0.06), about(0.12, 0.06))
        beside = about(0.0125, 0.0008) * unit(-arm.S + about(0.35, 0.2) * arm.P)
    else:
        aim = _aim(arm, bones, place, between)
    others = [i for i in FINGERS if not (place == "heart" and i == 2)]
    a = np.concatenate([bones[i][0][:-1] for i in others])
    b = np.concatenate([bones[i][0][1:] for i in others])

    def cost(x):
        thumb, _ = arm.chain(1, x[:5])
        if place == "heart":
            finger, _ = arm.chain(2, x[5:])
            target = finger[2] + (finger[3] - finger[2]) * along[1] + beside
            reach = thumb[2] + (thumb[3] - thumb[2]) * along[0] - target
            d, e = unit(thumb[3] - thumb[2]), unit(finger[3] - finger[2])
            extra = [(np.degrees(np.arccos(np.clip(d @ e, -1, 1))) - cross) / 8, min(0, d @ arm.S) * 8, min(0, d @ arm.F) * 8]
            extra += [*((x[5:] - index) / 12), (x[4] - 5) / 15]
        else:
            share = 0.75 if ring else 0.8
            reach = share * thumb[3] + (1 - share) * thumb[2] - aim
            extra = [x[2] / 15, x[3] / 15] if place == "along" else []
        probes = np.array([thumb[2], (thumb[2] + thumb[3]) / 2, (thumb[1] + thumb[2]) / 2, thumb[1]])[:, None]
        t = np.clip(((probes - a) * (b - a)).sum(-1) / ((b - a) ** 2).sum(-1), 0, 1)
        gap = np.linalg.norm(probes - a - t[..., None] * (b - a), axis=-1)
        near = np.minimum(0, gap - 0.0165)[:3].min(1) / 0.001
        beyond = (np.minimum(0, x[:5] - LIMITS[:, 0]) + np.maximum(0, x[:5] - LIMITS[:, 1])) / 2
        return np.concatenate([reach / 0.0015, near, beyond, x[:5] / 60, extra])

    tail = list(index) if place == "heart" else []
    best = min((least_squares(cost, [*s, *tail], max_nfev=60) for s in STARTS), key=lambda r: r.cost)
    if place == "heart":
        angles[2] = tuple(best.x[5:])
    angles[1] = tuple(best.x[:5])
    return Pose(key, angles, ring=ring, crossed=place == "heart", miss=float(np.linalg.norm(best.fun[:3]) * 1.5))


def _aim(arm, bones, place, between):
    """The point that the thumb's pad should touch."""

    def on(i, j, t):
        p = bones[i][0]
        return (1 - t) * p[j - 1] + t * p[j]

    def back(i, j):
        return bones[i][1][j - 1] @ -arm.P

    r = 0.0155
    knuckles = {i: arm.head[f"finger{i}-1"] for i in FINGERS}
    if place == "ring":
        return on(2, 3, 0.75) - back(2, 3) * (0.0145 + between)
    if place in ("palm", "inside"):
        return 0.5 * knuckles[4] + 0.25 * knuckles[3] + 0.25 * arm.wrist + arm.P * (0.022 if place == "palm" else 0.018)
    if place == "beside":
        return on(2, 2, 0.1) - arm.S * 0.0165
    if place == "along":
        return on(2, 1, 0.45) - arm.S * 0.027 + arm.P * 0.003
    if place == "side3":
        return on(3, 2, 0.25) - arm.S * 0.013 + back(3, 2) * 0.006
    if place == "over5":
        return on(5, 2, 0.95) + back(5, 2) * r * 0.9
    if len(place) == 6:
        i, k = int(place[4]), int(place[5])
        return 0.45 * on(i, 2, 0.55) + 0.55 * on(k, 2, 0.55) + back(k, 2) * r * 1.05
    i = int(place[4])
    return on(i, 2, 0.55) + back(i, 2) * r


def _rest(rng, about):
    """A relaxed hand: the curl grows from the index to the little finger, the thumb hangs beside."""
    curl = rng.uniform(0.25, 1.5) if about(0, 1) else 0.9
    spread = about(0.7, 0.4)
    angles = {
        i: (about(20 + more, 5) * curl, about(32 + 1.5 * more, 6) * curl, about(15, 4) * curl, splay * spread)
        for i, more, splay in ((2, 0, -4), (3, 4, 0), (4, 8, 4), (5, 10, 10))
    }
    angles[1] = (about(14, 8), about(-4, 6), about(4, 8), about(12, 7), about(16, 9))
    return Pose("rest", angles, posing=False)


def _hold(about, pick):
    """A hand around a rod, a cup or a flat box."""
    thing = pick("rod", "cup", "box")
    bends = {"rod": (62, 78, 38), "cup": (38, 44, 24), "box": (34, 52, 26)}[thing]
    angles = {i: (about(bends[0], 4), about(bends[1], 5), about(bends[2], 4), splay) for i, splay in ((2, -3), (3, 0), (4, 3), (5, 7))}
    thumb = {"rod": (50, -6, 20, 16, 26), "cup": (52, 6, 18, 8, 14), "box": (20, 8, 5, 12, 26)}[thing]
    angles[1] = tuple(about(t, 3) for t in thumb)
    return Pose("hold", angles, posing=False, hold=thing)


def _play(arm, rng, about, pick):
    """A hand at cards or a game, or writing: it has a card, a piece or a pen between thumb and index finger, or a fan of cards in it."""
    thing = pick("card", "cards", "cards", "piece", "pen")
    if thing == "cards":
        angles = {i: (about(30, 8), about(42, 9), about(22, 6), splay) for i, splay in ((2, -3), (3, 0), (4, 3), (5, 7))}
        angles[1] = tuple(about(t, 4) for t in (22, 8, 5, 14, 24))
        return Pose("play", angles, posing=False, hold=thing)
    bends = {"card": (52, 28, 14), "piece": (48, 52, 26), "pen": (50, 50, 20)}[thing]
    more = abs(about(6, 6)) if rng.random() < 0.7 else -abs(about(8, 4))  # the other fingers curl more, or stand off
    angles = {
        i: (max(2, about(bends[0], 7) + n * more), max(4, about(bends[1], 8) + n * more), max(2, about(bends[2], 5)), about(splay, 2))
        for n, (i, splay) in enumerate(((2, -5), (3, -1), (4, 3), (5, 8)))
    }
    between = {"card": 0.001, "piece": rng.uniform(0.01, 0.022), "pen": 0.007}[thing]
    solved = _solved(arm, "play", angles, "ring", ring=True, between=between)
    return replace(solved, posing=False, hold=thing)


def _flat(rng, about):
    """A hand that lies on a table, the fingers straight or a little round."""
    curl = rng.uniform(0, 1)
    angles = {
        i: (about(4, 4) + 6 * curl, about(6, 4) + 14 * curl, about(4, 3) + 8 * curl, splay * about(0.9, 0.4))
        for i, splay in ((2, -8), (3, -1), (4, 6), (5, 15))
    }
    angles[1] = (about(4, 8), about(6, 8), about(4, 6), about(6, 6), about(8, 8))
    return Pose("flat", angles, posing=False, hold="table")


def _at_face(arm, rng, about, pick):
    """A hand that a head leans on, that covers a mouth or holds a phone to an ear."""
    touch = pick("knuckles", "side", "back", "palm", "palm", "tips", "phone", "thumb", "thumb", "fingers")
    if touch in ("knuckles", "side", "back"):
        shape = _draw(arm, "fist", rng, 1.0) if rng.random() < 0.6 else _rest(rng, lambda mean, sd: about(1.3 * mean, sd))
    elif touch == "palm":
        shape = _flat(rng, about) if rng.random() < 0.6 else _rest(rng, about)
    elif touch in ("thumb", "fingers"):
        shape = _draw(arm, "like" if touch == "thumb" else pick("two_up", "thumb_index", "three_gun", "one"), rng, 1.5)
    else:
        shape = _rest(rng, about) if touch == "tips" else _hold(about, lambda *_: "box")
    return replace(shape, key="face", posing=False, hold="box" if touch == "phone" else "", touch=touch)


def _with_other(rng, about, pick):
    """A hand that claps, or that lies in or on the other one."""
    touch = pick("clap", "clasp")
    shape = _flat(rng, about) if touch == "clap" or rng.random() < 0.3 else _rest(rng, about)
    return replace(shape, key="hands", posing=False, hold="", touch=touch)
