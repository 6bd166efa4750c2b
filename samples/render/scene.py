"""Blender's Cycles around an arm: skin, cloth, lights, a room out of focus, the camera. Metres; Z up, the camera looks along +Y."""

import bpy
import numpy as np
import texture
from body import FINGERS, MPFB, turn, unit, used_by
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

PLAIN_TONES = {  # skin, flush, palm
    "light": ((0.80, 0.56, 0.45), (0.78, 0.36, 0.28), (0.84, 0.59, 0.47)),
    "tan": ((0.62, 0.38, 0.25), (0.60, 0.25, 0.16), (0.65, 0.40, 0.26)),
    "brown": ((0.33, 0.17, 0.10), (0.34, 0.13, 0.08), (0.45, 0.26, 0.18)),
    "dark": ((0.13, 0.065, 0.04), (0.17, 0.07, 0.045), (0.30, 0.16, 0.11)),
    "pale": ((0.88, 0.68, 0.58), (0.85, 0.42, 0.36), (0.92, 0.71, 0.61)),
}


def start(samples, *, fast=False):
    """An empty scene. fast: for training pictures, where some grain does no harm."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.threads_mode, scene.render.threads = "FIXED", 2
    scene.render.image_settings.file_format = "JPEG"
    scene.view_settings.view_transform, scene.view_settings.look = "AgX", "AgX - Medium High Contrast"
    cycles = scene.cycles
    cycles.device, cycles.samples, cycles.use_denoising, cycles.denoiser = "CPU", samples, True, "OPENIMAGEDENOISE"
    cycles.use_adaptive_sampling, cycles.adaptive_threshold, cycles.max_bounces = True, 0.03, 4
    cycles.denoising_prefilter = "FAST"
    if fast:
        cycles.adaptive_threshold, cycles.max_bounces = 0.1, 3
        cycles.denoising_quality, cycles.denoising_prefilter, cycles.denoising_input_passes = "FAST", "NONE", "RGB_ALBEDO"


def clear():
    """Take everything out of the scene but the skins."""
    for kind in (bpy.data.objects, bpy.data.meshes, bpy.data.lights, bpy.data.cameras, bpy.data.worlds):
        bpy.data.batch_remove(list(kind))
    bpy.data.batch_remove([m for m in bpy.data.materials if not m.name.startswith("skin")])


def shoot(path, size, quality=88):
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.image_settings.quality, scene.render.filepath = quality, str(path)
    bpy.ops.render.render(write_still=True)


def material(name, colour, rough=0.9, bump=0.0):
    m = bpy.data.materials.new(name)
    m.use_nodes = True
    nodes, link = m.node_tree.nodes, m.node_tree.links.new
    shader = nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1)
    shader.inputs["Roughness"].default_value = rough
    shader.inputs["Specular IOR Level"].default_value = 0.2
    if bump:
        noise = nodes.new("ShaderNodeTexNoise")
        noise.inputs["Scale"].default_value = 250
        link(nodes.new("ShaderNodeTexCoord").outputs["Object"], noise.inputs["Vector"])
        node = nodes.new("ShaderNodeBump")
        node.inputs["Strength"].default_value, node.inputs["Distance"].default_value = bump, 0.001
        link(noise.outputs["Fac"], node.inputs["Height"])
        link(node.outputs[0], shader.inputs["Normal"])
    return m


def _skin(name, *, deep, spread):
    m = bpy.data.materials.new(name)
    m.use_nodes = True
    shader = m.node_tree.nodes["Principled BSDF"]
    shader.inputs["Subsurface Weight"].default_value = deep
    shader.inputs["Subsurface Radius"].default_value = (1, 0.35, 0.18)
    shader.inputs["Subsurface Scale"].default_value = spread
    shader.inputs["Specular IOR Level"].default_value = 0.4
    return m, m.node_tree.nodes, m.node_tree.links.new, shader


def _range(nodes, link, source, target, low, high):
    node = nodes.new("ShaderNodeMapRange")
    node.inputs["To Min"].default_value, node.inputs["To Max"].default_value = low, high
    link(source, node.inputs["Value"])
    link(node.outputs[0], target)


def _bump(nodes, link, source, shader, strength, distance):
    node = nodes.new("ShaderNodeBump")
    node.inputs["Strength"].default_value, node.inputs["Distance"].default_value = strength, distance
    link(source, node.inputs["Height"])
    link(node.outputs[0], shader.inputs["Normal"])


def painted_skin(arm, tone, folder):
    """Skin with a texture of 1280 px, painted once (some 10 s) and kept in folder."""
    name = "skin_" + "_".join((*arm.person, arm.side, tone))
    if name in bpy.data.materials:
        return bpy.data.materials[name]
    path = folder / name
    if not path.with_name(name + "_nails.png").exists():
        folder.mkdir(parents=True, exist_ok=True)
        texture.bake(arm, tone, path)
    m, nodes, link, shader = _skin(name, deep=0.18, spread=0.004)

    def image(kind):
        node = nodes.new("ShaderNodeTexImage")
        node.image, node.interpolation = bpy.data.images.load(f"{path}_{kind}.png"), "Cubic"
        if kind != "colour":
            node.image.colorspace_settings.name = "Non-Color"
        return node.outputs["Color"]

    link(image("colour"), shader.inputs["Base Color"])
    _range(nodes, link, image("nails"), shader.inputs["Roughness"], 0.47, 0.2)
    _bump(nodes, link, image("height"), shader, 0.55, 0.0012)
    return m


def plain_skin(tone):
    """Skin without a texture: flushed joints, lighter palms and nails from vertex attributes. Enough for small hands."""
    name = f"skin_{tone}"
    if name in bpy.data.materials:
        return bpy.data.materials[name]
    m, nodes, link, shader = _skin(name, deep=0.22, spread=0.006)
    base, flush, palm = PLAIN_TONES[tone]

    def attribute(key, output="Fac"):
        node = nodes.new("ShaderNodeAttribute")
        node.attribute_name = key
        return node.outputs[output]

    def mixed(share, under, over):
        node = nodes.new("ShaderNodeMix")
        node.data_type = "RGBA"
        link(share, node.inputs[0])
        for slot, value in ((6, under), (7, over)):
            if isinstance(value, tuple):
                node.inputs[slot].default_value = (*value, 1)
            else:
                link(value, node.inputs[slot])
        return node.outputs[2]

    nails = nodes.new("ShaderNodeTexImage")
    nails.image = bpy.data.images.load(str(MPFB / "textures/mpfb_fingernails.jpg"), check_existing=True)
    nails.image.colorspace_settings.name = "Non-Color"
    colour = mixed(attribute("palmar"), mixed(attribute("flush"), base, flush), palm)
    nail = tuple(0.45 * a + 0.55 * b for a, b in zip(base, (0.80, 0.52, 0.47), strict=True))
    link(mixed(nails.outputs["Color"], colour, nail), shader.inputs["Base Color"])
    _range(nodes, link, nails.outputs["Color"], shader.inputs["Roughness"], 0.50, 0.22)
    noise = nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value = 900
    link(attribute("rest", "Vector"), noise.inputs["Vector"])
    _bump(nodes, link, noise.outputs["Fac"], shader, 0.18, 0.0008)
    return m


def mesh(name, vertices, faces, skin, uv=None, attributes=(), subdivide=0, *, smooth=True):
    data = bpy.data.meshes.new(name)
    data.from_pydata([tuple(v) for v in vertices], [], [tuple(int(i) for i in f) for f in faces])
    data.update()
    if uv is not None:
        data.uv_layers.new(name="UVMap").data.foreach_set("uv", np.asarray(uv, np.float32).ravel())
    for key, values in attributes:
        vector = np.ndim(values) == 2
        layer = data.attributes.new(key, "FLOAT_VECTOR" if vector else "FLOAT", "POINT")
        layer.data.foreach_set("vector" if vector else "value", np.asarray(values, np.float32).ravel())
    data.polygons.foreach_set("use_smooth", [smooth] * len(data.polygons))
    thing = bpy.data.objects.new(name, data)
    bpy.context.collection.objects.link(thing)
    data.materials.append(skin)
    if subdivide:
        modifier = thing.modifiers.new("smooth", "SUBSURF")
        modifier.levels = modifier.render_levels = subdivide
    return thing


def box(centre, size, skin):
    corners = [np.array(centre) + np.array(size) / 2 * (i, j, k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return mesh("box", corners, faces, skin, smooth=False)


def cylinder(centre, axis, radius, length, skin, n=40):
    x = unit(np.cross(axis, (0.3, 0.5, 0.8)))
    y = np.cross(axis, x)
    ring = [radius * (np.cos(t) * x + np.sin(t) * y) for t in np.linspace(0, 2 * np.pi, n, endpoint=False)]
    vertices = [centre + end * axis * length / 2 + p for end in (-1, 1) for p in ring]
    sides = [(j, (j + 1) % n, n + (j + 1) % n, n + j) for j in range(n)]
    return mesh("cylinder", vertices, [*sides, range(n), range(n, 2 * n)], skin, smooth=False)


def light(at, target, size, power, colour=(1, 1, 1)):
    data = bpy.data.lights.new("light", "AREA")
    data.shape, data.size, data.energy, data.color = "DISK", size, power, colour
    thing = bpy.data.objects.new("light", data)
    bpy.context.collection.objects.link(thing)
    thing.location = at
    thing.rotation_euler = (Vector(target) - Vector(at)).to_track_quat("-Z", "Y").to_euler()


def sky(strength, colour=(0.7, 0.75, 0.8)):
    world = bpy.context.scene.world = bpy.data.worlds.new("sky")
    world.use_nodes = True
    node = world.node_tree.nodes["Background"]
    node.inputs[0].default_value, node.inputs[1].default_value = (*colour, 1), strength


def camera(at, target, lens, fstop=None):
    data = bpy.data.cameras.new("camera")
    thing = bpy.context.scene.camera = bpy.data.objects.new("camera", data)
    bpy.context.collection.objects.link(thing)
    data.lens, data.clip_start = lens, 0.01
    thing.location = at
    thing.rotation_euler = (Vector(target) - Vector(at)).to_track_quat("-Z", "Y").to_euler()
    if fstop:
        data.dof.use_dof, data.dof.aperture_fstop = True, fstop
        data.dof.focus_distance = (Vector(target) - Vector(at)).length


def pixels(points, size):
    """Where points of the scene lie in the picture, x and y in pixels."""
    bpy.context.view_layer.update()
    seen = [world_to_camera_view(bpy.context.scene, bpy.context.scene.camera, Vector(p)) for p in points]
    return [(round(p.x * size[0], 1), round((1 - p.y) * size[1], 1)) for p in seen]


def room(rng, kind, y=1.6):
    """A wall behind the hand: bare, with shelves, or with a window and some furniture. rng: numpy Generator."""
    walls = [(0.75, 0.72, 0.66), (0.45, 0.55, 0.6), (0.62, 0.66, 0.6), (0.8, 0.78, 0.76), (0.35, 0.4, 0.45), (0.55, 0.42, 0.36)]
    paint = material("wall", walls[rng.integers(len(walls))])
    mesh("wall", [(-5, y, -3), (5, y, -3), (5, y, 4), (-5, y, 4)], [(0, 1, 2, 3)], paint, smooth=False)
    if kind == "shelves":
        for z in (-0.55, -0.13, 0.29):
            box((-0.1, y - 0.18, z), (3, 0.3, 0.03), material("shelf", (0.35, 0.22, 0.13), 0.5))
            x = -1.5
            while x < 1.4:
                wide, high = rng.uniform(0.03, 0.12), rng.uniform(0.14, 0.32)
                if rng.random() < 0.8:
                    box(
                        (x + wide / 2, y - 0.18, z + 0.015 + high / 2),
                        (wide * 0.95, 0.2, high),
                        material("book", rng.uniform(0.03, 0.75, 3), 0.6),
                    )
                x += wide + rng.choice([0, 0, 0, 0.05, 0.2])
    elif kind == "window":
        glow = material("glow", (0, 0, 0))
        shader = glow.node_tree.nodes["Principled BSDF"]
        shader.inputs["Emission Color"].default_value, shader.inputs["Emission Strength"].default_value = (0.85, 0.93, 1, 1), 3
        for i in range(2):
            for j in range(2):
                box((-0.75 + 0.34 * i, y - 0.02, 0.25 + 0.34 * j), (0.3, 0.02, 0.3), glow)
        box((0.65, y - 0.3, -0.5), (0.7, 0.5, 0.8), material("sofa", rng.uniform(0.1, 0.5, 3)))
        box((0.6, y - 0.03, 0.45), (0.45, 0.03, 0.6), material("picture", rng.uniform(0.1, 0.8, 3)))


def view(yaw, pitch, roll):
    """Degrees. 0 0 0: forearm up, palm to the camera. yaw about the forearm, pitch away from the camera, roll clockwise in the picture."""
    return turn((0, 1, 0), roll) @ turn((1, 0, 0), pitch) @ turn((0, 0, 1), yaw)


class Placed:
    """An arm's pose set down in the scene: `marks` are the 21 landmarks, `F` `P` `X` `S` the hand's axes (see Arm).

    turned: a rotation about the wrist, see `view`. at: where the wrist goes. wrist: see `Arm.pose`.
    """

    def __init__(self, arm, pose, turned=None, at=(0, 0, 0), wrist=(0, 0)):
        v, marks, w = arm.pose(pose.angles, wrist)
        self.arm, self.origin, self.at = arm, marks[0], np.array(at)
        self.forearm = unit(arm.wrist - arm.head["lowerarm01"])
        up = unit(self.forearm + w @ arm.F)
        palm = unit(w @ arm.P - up * (w @ arm.P @ up))
        upright = np.stack([np.cross(-palm, up), -palm, up])
        self.turned = upright if turned is None else turned @ upright
        self.v, self.marks = self._put(v), self._put(marks)
        self.F, self.P, self.X, self.S = (self.turned @ w @ axis for axis in (arm.F, arm.P, arm.X, arm.S))

    def _put(self, points):
        return (points - self.origin) @ self.turned.T + self.at

    def move(self, by):
        """Take it somewhere else, so many metres away."""
        self.at, self.v, self.marks = self.at + by, self.v + by, self.marks + by

    def draw(self, skin, cloth=None, cuff=0.09, length=0.5, loose=1.25, seed=0, painted=False):
        """Put the arm in the scene, with a sleeve of this cloth from `cuff` metres below the wrist on."""
        arm, faces = self.arm, np.ones(len(self.arm.faces), bool)
        if cloth:
            along = (arm.v - arm.wrist) @ self.forearm
            faces = along[arm.faces].max(1) > -cuff - 0.02  # no skin under the cloth
            self._sleeve(cloth, along, cuff, length, loose, seed)
        used, numbered = used_by(arm.faces[faces])
        uv = (texture.layout(arm.uv) if painted else arm.uv)[faces]
        attributes = [(key, values[used]) for key, values in _tints(arm)]
        mesh("hand", self.v[used], numbered, skin, uv, attributes, subdivide=2)

    def _sleeve(self, cloth, along, cuff, length, loose, seed, n=40, m=48):
        arm, axis = self.arm, self.forearm

        def ring(where):
            points = arm.v[where]
            centre = points.mean(0)
            out = points - centre
            return centre, np.linalg.norm(out - np.outer(out @ axis, axis), axis=1).max()

        (near, r0), (far, r1) = ring(np.abs(along + cuff) < 0.02), ring(along <= np.sort(along)[60])
        start = near - axis * ((near - arm.wrist) @ axis + cuff)
        r0, r1 = r0 * loose, max(r1 * 1.15, r0 * loose * 1.2)
        down = unit(far - start)
        side = unit(arm.X - down * (arm.X @ down))
        front = np.cross(down, side)
        rng = np.random.default_rng(seed)
        phase, waves = rng.uniform(0, 6.28, 5), rng.integers(1, 4, 5)
        rings = [(u, r0 + (r1 - r0) * u**0.8, 0.0011 * min(1, u * 6)) for u in np.linspace(0, 1, n + 1)]
        rings = [(0.1, r0 * 0.90, 0), (0, r0 * 0.93, 0), *rings]  # the cuff's inside
        turn_by = 2 * np.pi * np.arange(m) / m
        vertices = []
        for u, radius, fold in rings:
            wave = sum(np.sin(waves[k] * turn_by + phase[k] + u * (14 + 6 * k) * length / 0.3) for k in range(5)) * fold
            out = np.outer((radius + wave) * np.cos(turn_by), side) + np.outer((radius + wave) * 0.95 * np.sin(turn_by), front)
            vertices.append(start + down * u * length + out)
        quads = [(i * m + j, i * m + (j + 1) % m, (i + 1) * m + (j + 1) % m, (i + 1) * m + j) for i in range(n + 2) for j in range(m)]
        mesh("sleeve", self._put(np.concatenate(vertices)), quads, cloth, subdivide=1)


def _tints(arm):
    """Vertex attributes of the plain skin: where the blood shows, where the palm is, and the place at rest for the grain."""
    flush = np.zeros(len(arm.v))
    for i in (1, *FINGERS):
        spots = [(arm.tail[f"finger{i}-3"], 0.45, 0.014), *((arm.head[f"finger{i}-{j}"], 0.30, 0.011) for j in (1, 2, 3))]
        for spot, strength, reach in spots:
            flush = np.maximum(flush, strength * np.exp(-((np.linalg.norm(arm.v - spot, axis=1) / reach) ** 2)))
    palm = np.clip(arm.normals @ arm.P * 1.2 + 0.1, 0, 1) * np.clip((arm.v - arm.wrist) @ arm.F / 0.03 + 0.8, 0, 1)
    return [("flush", flush), ("palmar", palm * 0.6), ("rest", arm.v)]
