"""Head and shoulders of MakeHuman's CC0 body, for hands at a face. Metres; the body's own axes: Y up, facing +Z."""

import numpy as np
import scene
from body import faces_of, normals_of, shaped, unit, used_by, weight_of

SCENE_AXES = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # turns the body upright in the scene, facing the camera
FACE = ("head", "jaw", "eye", "oris", "levator", "orbicularis", "risorius", "temporalis", "special")
BARE = ("lowerarm", "wrist", "finger", "metacarpal")
HAIR = ((0.01, 0.008, 0.006), (0.03, 0.018, 0.01), (0.08, 0.045, 0.02), (0.35, 0.33, 0.31))
OFF, OVER = 0.012, 0.022  # metres that hair and clothes lie off the skin, and a scarf that covers both
VEILED = 0.62  # the cosine of the angle to which a scarf leaves the face free
AROUND_EYE = 0.035


class Person:
    """Somebody to whose face a hand can be put. gender, race: see Arm. reach: metres to each side beyond which no upper arm is drawn."""

    def __init__(self, gender, race, reach=np.inf):
        self.v = shaped(gender, race)
        faces, corners = faces_of("body")
        middles, face = self.v[faces].mean(1), weight_of(FACE)[faces].min(1) > 0.5
        chin = self.v[faces[face]][..., 1].min()
        bust = (weight_of(BARE)[faces].max(1) < 0.3) & (middles[:, 1] > chin - 0.5)
        collar = chin - 0.07 + 0.6 * np.abs(middles[:, 0])
        drawn = bust & (np.abs(self.v[faces][..., 0]) < reach).all(1)
        self.skin, self.uv = faces[drawn], corners[drawn]
        self.clothed = faces[drawn & (middles[:, 1] < collar)]
        self.face = np.unique(faces[face])
        eyes = [faces_of(f"helper-{side}-eye")[0] for side in "lr"]
        self.eyes, places = np.concatenate(eyes), np.array([self.v[np.unique(eye)].mean(0) for eye in eyes])
        self.centre = places.mean(0) - (0, 0.02, 0.07)
        far = np.linalg.norm(middles[:, None] - places, axis=2).min(1) > AROUND_EYE
        self.around = faces[bust & far & (middles[:, 1] > chin - 0.1)]
        self.normals = normals_of(self.v, faces)

    def touched(self, direction):
        """The place on the head that lies farthest in a direction, and the normal there."""
        best = self.face[((self.v[self.face] - self.centre) @ unit(np.asarray(direction, float))).argmax()]
        return self.v[best], self.normals[best]

    def draw(self, turned, at, skin, cloth, rng, scarf):
        """Put them in the scene. turned: (3, 3), from the body's axes to the scene's. at: where the middle of the head goes."""
        hair = scene.material("hair", HAIR[rng.integers(len(HAIR))], 0.6, bump=0.8)
        self._part(turned, at, "head", self.skin, skin, uv=self.uv)
        self._part(turned, at, "eyes", self.eyes, scene.material("eye", (0.25, 0.23, 0.21), 0.2))
        self._part(turned, at, "clothes", self.clothed, cloth, off=OFF)
        away = self.v[self.around].mean(1) - self.centre
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        if scarf:
            veil = scene.material("scarf", rng.uniform(0.01, 0.8, 3), bump=0.35)
            self._part(turned, at, "scarf", self.around[away @ unit(np.array([0, -0.25, 1.0])) < VEILED], veil, off=OVER)
        else:
            reach = rng.uniform(0.1, 0.5)
            self._part(turned, at, "hair", self.around[away @ unit(np.array([0, 0.8, -0.75])) > reach], hair, off=OFF)

    def _part(self, turned, at, name, faces, material, uv=None, off=0.0):
        used, numbered = used_by(faces)
        places = (self.v[used] + off * self.normals[used] - self.centre) @ turned.T + at
        plain = [("flush", np.zeros(len(used))), ("palmar", np.zeros(len(used))), ("rest", self.v[used])]
        scene.mesh(name, places, numbered, material, uv, plain, subdivide=1)
