"""An arm of MakeHuman's CC0 body, posed by joint angles. Metres; the body's own axes: Y up, facing +Z."""

import gzip
import json
import os
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

MPFB = Path(os.environ["MPFB"])
FINGERS = (2, 3, 4, 5)  # index, middle, ring, little; 1 is the thumb
SIZE = 0.1  # the mesh is in decimetres
ZONE = ("finger", "metacarpal", "wrist", "lowerarm")


def unit(a):
    return a / np.linalg.norm(a)


def turn(axis, degrees):
    return Rotation.from_rotvec(np.radians(degrees) * unit(np.asarray(axis, float))).as_matrix()


@cache
def _mesh():
    """Vertices, texture coordinates, and by group the faces with their texture corners."""
    v, vt, groups = [], [], {}
    for line in (MPFB / "3dobjs/base.obj").read_text().splitlines():
        key, *rest = line.split() or [""]
        if key == "v":
            v.append([float(x) for x in rest[:3]])
        elif key == "vt":
            vt.append([float(x) for x in rest[:2]])
        elif key == "g":
            group = groups.setdefault(rest[0], [])
        elif key == "f":
            group.append([[int(n) - 1 for n in corner.split("/")[:2]] for corner in rest])
    return np.array(v), np.array(vt), groups


def faces_of(group):
    """(n, 4) vertices of each face of a group, and (n, 4, 2) texture coordinates of its corners."""
    _, vt, groups = _mesh()
    corners = np.array(groups[group])
    return corners[..., 0], vt[corners[..., 1]]


def shaped(gender, race):
    """(n, 3) the vertices of one person."""
    build = f"universal-{gender}-young-averagemuscle-averageweight"
    return SIZE * (_mesh()[0] + _target(f"macrodetails/{race}-{gender}-young") + _target(f"macrodetails/{build}"))


@cache
def _target(name):
    moves = np.zeros_like(_mesh()[0])
    for line in gzip.decompress((MPFB / f"targets/{name}.target.gz").read_bytes()).decode().splitlines():
        if line.strip() and line[0] not in '#"':
            i, *xyz = line.split()
            moves[int(i)] = [float(x) for x in xyz[:3]]
    return moves


@cache
def _rig():
    bones = json.loads((MPFB / "rigs/standard/rig.default.json").read_text())
    groups = json.loads((MPFB / "mesh_metadata/basemesh_vertex_groups.json").read_text())
    weights = json.loads((MPFB / "rigs/standard/weights.default.json").read_text())["weights"]
    cubes = {name: np.concatenate([np.arange(a, b + 1) for a, b in ranges]) for name, ranges in groups.items()}
    return bones, cubes, weights


@cache
def _shares():
    """Bone -> (n,) how much of each vertex moves with it, 0..1."""
    shares = {}
    for bone, pairs in _rig()[2].items():
        share = shares[bone] = np.zeros(len(_mesh()[0]))
        for i, x in pairs:
            share[i] += x
    total = sum(shares.values())
    return {bone: share / np.where(total == 0, 1, total) for bone, share in shares.items()}


def weight_of(starts):
    """(n,) how much of each vertex moves with the bones whose names start so, 0..1."""
    return sum(share for bone, share in _shares().items() if bone.startswith(starts))


def normals_of(v, faces):
    """(n, 3) the normal at each vertex, 0 where it is in no face."""
    n = np.zeros_like(v)
    a, b, c = (v[faces[:, k]] for k in range(3))
    for k in range(4):
        np.add.at(n, faces[:, k], np.cross(b - a, c - a))
    return n / np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-12)


def used_by(faces):
    """The vertices that faces use, and the faces in numbers of these."""
    used, numbers = np.unique(faces, return_inverse=True)
    return used, numbers.reshape(faces.shape)


class Arm:
    """Forearm and hand of one person. gender: male, female; race: caucasian, african, asian; side: L, R.

    F points along the straight middle finger, P out of the palm, S from the index to the little finger; fingers curl about X.
    """

    def __init__(self, gender, race, side):
        v = shaped(gender, race)
        faces, uv = faces_of("body")
        rig, cubes, _ = _rig()

        def place(end):
            if end["strategy"] == "CUBE":
                return v[cubes[end["cube_name"]]].mean(0)
            return v[end["vertex_indices"]].mean(0) if end["strategy"] == "MEAN" else v[end["vertex_index"]]

        self.person, self.side = (gender, race), side
        names = [n for n in rig if n.endswith("." + side) and n.startswith(ZONE)]
        self.head = {n[:-2]: place(rig[n]["head"]) for n in names}
        self.tail = {n[:-2]: place(rig[n]["tail"]) for n in names}
        self.bones = ["wrist", *(f"finger{i}-{j}" for i in (1, *FINGERS) for j in (1, 2, 3))]

        mine = (weight_of(tuple(names))[faces] > 0.4).all(1)
        used, self.faces = used_by(faces[mine])
        self.v, self.uv = v[used], uv[mine]
        w = {n: weight_of(f"{n}.{side}")[used] for n in self.bones}
        w["wrist"] = w["wrist"] + weight_of(tuple(n for n in names if n.startswith("metacarpal")))[used]
        moved = np.stack([w[n] for n in self.bones], 1)
        self.weights = np.concatenate([1 - moved.sum(1, keepdims=True), moved], 1)  # the first column stays where it is
        self.normals = normals_of(self.v, self.faces)
        self._frame()

    def _frame(self):
        """The hand's axes and, for each joint, its axis and the flexion that the mesh has at rest."""
        head, tail = self.head, self.tail

        def along(i, j):
            return unit(tail[f"finger{i}-{j}"] - head[f"finger{i}-{j}"])

        self.wrist = head["wrist"]
        self.F = unit(head["finger3-1"] - self.wrist)
        across = unit(head["finger5-1"] - head["finger2-1"])
        self.S = unit(across - self.F * (across @ self.F))
        curl = unit(sum(np.cross(along(i, 1), along(i, 3)) for i in FINGERS))
        self.X = unit(curl - self.F * (curl @ self.F))
        self.P = unit(np.cross(self.X, self.F))
        self.axis, self.rest, self.splay = {}, {}, {}
        for i in FINGERS:
            d = [along(i, j) for j in (1, 2, 3)]
            axis = unit(self.X - d[0] * (self.X @ d[0]))
            bend = [np.degrees(np.arctan2(np.cross(a, b) @ axis, a @ b)) for a, b in pairwise(d)]
            self.axis[i], self.rest[i] = axis, [np.degrees(np.arcsin(d[0] @ self.P)), *bend]
            self.splay[i] = np.degrees(np.arctan2(d[0] @ self.S, d[0] @ self.F))
        d = self.thumb = [along(1, j) for j in (1, 2, 3)]
        # the thumb's tip moves towards the little finger and a little to the palm's side when it bends
        tip = unit(np.cross(d[1], np.cross(self.S + 0.4 * self.P, d[1])))
        axis = unit(np.cross(d[1], tip))
        self.axis[1] = axis
        self.rest[1] = [0.0, *(np.degrees(np.arctan2(np.cross(a, b) @ axis, a @ b)) for a, b in pairwise(d))]

    def rotations(self, i, angles):
        """Local rotations of finger i's three bones. Degrees, 0 is straight.

        Fingers: (knuckle, middle joint, end joint, splay to the little finger's side).
        Thumb: (out of the palm's plane, away from the index, roll, knuckle, end joint), the first three from where the mesh has it.
        """
        if i == 1:
            out, away, roll, knuckle, end = angles
            sign_out = np.sign(np.cross(self.F, -self.S) @ self.P)
            sign_away = np.sign(np.cross(self.P, self.F) @ -self.S)
            base = turn(self.F, sign_out * out) @ turn(self.P, sign_away * away) @ turn(self.thumb[0], sign_out * roll)
            return [base, turn(self.axis[1], knuckle - self.rest[1][1]), turn(self.axis[1], end - self.rest[1][2])]
        *bends, splay = angles
        sign = np.sign(np.cross(self.P, self.F) @ self.S)
        rots = [turn(self.axis[i], b - r) for b, r in zip(bends, self.rest[i], strict=True)]
        return [turn(self.P, sign * (splay - self.splay[i])) @ rots[0], *rots[1:]]

    def chain(self, i, angles):
        """Four points of finger i (three joints and the tip) and the three bones' rotations, the wrist unturned."""
        points, turned, a = [self.head[f"finger{i}-1"]], [], np.eye(3)
        for j, r in enumerate(self.rotations(i, angles), 1):
            a = a @ r
            end = self.head[f"finger{i}-{j + 1}"] if j < 3 else self.tail[f"finger{i}-3"]
            points.append(points[-1] + a @ (end - self.head[f"finger{i}-{j}"]))
            turned.append(a)
        return np.array(points), turned

    def pose(self, hand, wrist=(0.0, 0.0)):
        """Vertices, the 21 landmarks (wrist, then thumb to little finger, base to tip) and the wrist's rotation.

        hand: finger 1..5 -> angles. wrist: degrees to the thumb's or the little finger's side, and towards the palm.
        """
        w = turn(self.P, wrist[0]) @ turn(self.X, wrist[1])
        affine = [(np.eye(3), np.zeros(3)), (w, self.wrist - w @ self.wrist)]
        marks = [self.wrist]
        for i in (1, *FINGERS):
            points, turned = self.chain(i, hand[i])
            marks += [w @ (p - self.wrist) + self.wrist for p in points]
            for j, a in enumerate(turned):
                here = w @ (points[j] - self.wrist) + self.wrist
                affine.append((w @ a, here - w @ a @ self.head[f"finger{i}-{j + 1}"]))
        return self._skin(affine), np.array(marks), w

    def _skin(self, affine):
        """Half linear, half dual-quaternion skinning: neither collapses knuckles nor swells them."""
        a, t = np.array([m[0] for m in affine]), np.array([m[1] for m in affine])
        linear = np.einsum("vb,bij,vj->vi", self.weights, a, self.v) + self.weights @ t
        q = Rotation.from_matrix(a).as_quat()  # x y z w
        dual = 0.5 * _product(np.concatenate([t, np.zeros((len(t), 1))], 1), q)
        sign = np.sign(q[self.weights.argmax(1)] @ q.T)
        sign[sign == 0] = 1
        real, dual = (sign * self.weights) @ q, (sign * self.weights) @ dual
        size = np.linalg.norm(real, axis=1, keepdims=True)
        real, dual = real / size, dual / size
        moved = Rotation.from_quat(real).apply(self.v) + 2 * _product(dual, real * [-1, -1, -1, 1])[:, :3]
        return 0.5 * linear + 0.5 * moved


def _product(a, b):
    v = a[:, 3:] * b[:, :3] + b[:, 3:] * a[:, :3] + np.cross(a[:, :3], b[:, :3])
    return np.concatenate([v, a[:, 3:] * b[:, 3:] - (a[:, :3] * b[:, :3]).sum(1, keepdims=True)], 1)
