"""One camera's view of a time step: shaded limbs, the image, the mask and the depth map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..structures.mask_bits import LEFT_AMODAL, LEFT_LIMB_AMODAL, RIGHT_AMODAL, RIGHT_LIMB_AMODAL
from .hand import skin
from .hand.skeleton import FOREARM_BONE
from .preset import LightRanges
from .render import appearance, detail, photo_light, renderer, sensor, shading, solids
from .render.cameras import VirtualCamera
from .time_step import Step, Subject

AMODAL = np.uint8(RIGHT_AMODAL | LEFT_AMODAL | RIGHT_LIMB_AMODAL | LEFT_LIMB_AMODAL)
STUDIO_RADIANCE = 0.0006  # linear; the dark studio behind the hands is not perfectly black
TORSO_GAP_MM = 95.0

# Skinned vertices (V, 3) mm and the renderer's attribute table (V, ATTRIBUTES) of the right and left limb.
Limb = tuple[np.ndarray, np.ndarray]
Limbs = list[Limb | None]
Light = tuple[np.ndarray, np.ndarray, np.ndarray]  # result of `shading.irradiance`
LitObjects = list[tuple[solids.Solid, np.ndarray]]  # objects and the light (N, 3) of their vertices


@dataclass(frozen=True)
class View:
    """One rendered view.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        mask: (H, W) uint8, bits of `structures.mask_bits`.
        depth: (H, W) float32 mm, 0 where no limb is visible.
        alone: The image with the right and with the left hand alone; None where it was not asked for.
        quality: JPEG quality of the image.
    """

    image: np.ndarray
    mask: np.ndarray
    depth: np.ndarray
    alone: tuple[np.ndarray | None, np.ndarray | None]
    quality: int


def view_direction(step: Step, camera: VirtualCamera) -> np.ndarray:
    """Return the unit vector (3,) from a camera to the hands. It differs from the optical axis off the axis."""
    ray: np.ndarray = step.joints[step.joint_valid].mean(axis=0) - camera.position
    return ray / np.linalg.norm(ray)


def skin_albedo(subject: Subject) -> np.ndarray:
    """Return the median albedo (3,) of the hands, linear RGB."""
    albedo: np.ndarray = np.median(subject.albedos[0][subject.meshes[0].is_hand > 0.5], axis=0)
    return albedo.astype(float)


def light_limbs(
    subject: Subject,
    step: Step,
    lights: shading.Lights,
    cameras: list[VirtualCamera],
    shadows: bool = True,
    objects: Sequence[solids.Solid] = (),
) -> Limbs:
    """Skin and light the limbs once for all views of a step.

    Args:
        subject: Subject whose hands are lit.
        step: Time step.
        lights: Lamps.
        cameras: Cameras that will render the step. Vertices that none of them sees are not lit.
        shadows: Whether each hand casts shadows on the other.
        objects: Objects that cast shadows on the hands.

    Returns:
        Vertices and attribute table of each limb, None for an absent hand.
    """
    if shadows:
        return light_step(subject, step, lights, cameras, objects)[0]
    limbs: Limbs = [None, None]
    for i, part in enumerate(_skinned(subject, step)):
        if part is not None:
            seen, light = _lit([part], step, lights, cameras, objects)
            rows = slice(0, len(part[0]))
            limbs[i] = part[0], _attributes(subject, step, i, part[1], _rows(light, rows), seen[rows])
    return limbs


def light_step(
    subject: Subject,
    step: Step,
    lights: shading.Lights,
    cameras: list[VirtualCamera],
    objects: Sequence[solids.Solid] = (),
) -> tuple[Limbs, LitObjects]:
    """Skin and light the limbs, and light the objects of a step. All of them cast shadows on each other.

    Args:
        subject: Subject whose hands are lit.
        step: Time step.
        lights: Lamps.
        cameras: Cameras that will render the step. Vertices that none of them sees are not lit.
        objects: Objects in the world.

    Returns:
        The limbs as from `light_limbs`, and each object with the light (N, 3) of its vertices.
    """
    parts = _skinned(subject, step)
    seen, light = _lit([part for part in parts if part is not None], step, lights, cameras, objects)
    limbs: Limbs = [None, None]
    start = 0
    for i, part in enumerate(parts):
        if part is not None:
            rows = slice(start, start + len(part[0]))
            start += len(part[0])
            limbs[i] = part[0], _attributes(subject, step, i, part[1], _rows(light, rows), seen[rows])
    lit: LitObjects = []
    for solid in objects:
        lit.append((solid, light[0][start : start + len(solid.points)]))
        start += len(solid.points)
    return limbs, lit


def _skinned(subject: Subject, step: Step) -> list[Limb | None]:
    """Return the posed points (V, 3) and normals (V, 3) of the right and the left limb, None for an absent hand."""
    return [
        None if moves is None else renderer.skin(mesh.vertices, own, mesh.bones, mesh.weights, moves)
        for mesh, own, moves in zip(subject.meshes, subject.normals, step.moves, strict=True)
    ]


def _lit(
    parts: list[Limb],
    step: Step,
    lights: shading.Lights,
    cameras: list[VirtualCamera],
    objects: Sequence[solids.Solid],
) -> tuple[np.ndarray, Light]:
    """Light posed limbs (points and normals) and objects that shade each other.

    Returns:
        Which vertices (N,) a camera may see, and the light of all vertices, limbs first; see `shading.irradiance`.
    """
    points, normals = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    seen = np.zeros(len(points), bool)
    for c in cameras:
        size = np.array(c.size, float)
        renderer.seen_by(points, normals, c.rotation, c.position, c.focal, c.principal_pt, size, seen)
    outward = normals
    if objects:
        more, facing = (
            np.concatenate([getattr(s, k) for s in objects]).astype(np.float32) for k in ("points", "normals")
        )
        points, outward = np.concatenate([points, more]), np.concatenate([normals, np.zeros_like(facing)])
        normals, seen = np.concatenate([normals, facing]), np.concatenate([seen, np.ones(len(more), bool)])
    center = step.joints[step.joint_valid].mean(axis=0)
    lamp = (center, lights.toward, lights.rgb, lights.ambient, lights.occlusion, shading.across(lights.toward))
    return seen, shading.irradiance(points, normals, points, outward, *lamp, seen)


def _rows(light: Light, rows: slice) -> Light:
    """Return the light of some of the vertices."""
    return light[0][rows], light[1][rows], light[2][rows]


def _is_detailed(subject: Subject) -> bool:
    """Return whether a subject's skin has fine detail; without it, the last columns of the attributes are not used."""
    return max(subject.skin.roughness, subject.skin.hair) > 0


def _attributes(
    subject: Subject,
    step: Step,
    side: int,
    normals: np.ndarray,
    light: Light,
    seen: np.ndarray,
) -> np.ndarray:
    """Return the renderer's attribute table (V, ATTRIBUTES) of one limb.

    Args:
        subject: Subject whose limb it is.
        step: Time step.
        side: 0 is right, 1 is left.
        normals: (V, 3) world frame.
        light: Result of `shading.irradiance` for the limb's vertices.
        seen: (V,) bool, vertices that are lit.
    """
    mesh, moves = subject.meshes[side], step.moves[side]
    assert moves is not None
    lit, shadow, toward = light
    names = ("nail", "crease", "palmar_crease", "dorsal_crease", "joint", "sleeve")
    fields = [mesh.fields[name] for name in names]
    gains = skin.crease_gains(mesh.rig, moves)
    columns = (lit, subject.albedos[side], normals, shadow, *fields, *gains)
    table = renderer.attribute_table(*columns)
    if not _is_detailed(subject):
        return table
    table[:, renderer.REST : renderer.REST + 3] = mesh.vertices + subject.skin.shift
    glow = detail.glow_at_rest(subject.normals[side], mesh.bones, mesh.weights, moves, toward, lit, seen)
    table[:, renderer.GLOW : renderer.GLOW + 3] = glow
    table[:, renderer.FINE] = mesh.fields["fine"] * subject.skin.roughness
    table[:, renderer.HAIR] = mesh.fields["hair"] * subject.skin.hair
    table[:, renderer.BAND] = 0.0
    return table


class Canvas:
    """Buffers of both limbs with two samples per pixel and axis: depth, face index and coverage.

    Args:
        size: (width, height) of the image in px.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.region = np.zeros(4, np.int64)
        shape = (2, 2 * size[1], 2 * size[0])
        self.depths = np.full(shape, renderer.FAR, np.float32)
        self.owners = np.full(shape, -1, np.int32)
        self.covers = np.zeros(shape, np.uint8)
        self.background = np.zeros((size[1], size[0], 3), np.float32)
        self.image = np.zeros_like(self.background)
        self.cloth_depth = np.zeros((size[1], size[0]), np.float32)
        self.screens = [np.zeros((1, 3), np.float32), np.zeros((1, 3), np.float32)]
        self.solid_depth = np.full(shape[1:], renderer.FAR, np.float32)
        self.solid_image = np.zeros((*shape[1:], 3), np.float32)

    def clear(self) -> None:
        """Reset the buffers, where the last image wrote to them."""
        x0, y0, x1, y1 = 2 * self.region
        where = np.s_[:, y0:y1, x0:x1]
        self.cloth_depth[:] = renderer.FAR
        self.depths[where], self.covers[where] = renderer.FAR, 0  # owners are read where there is a depth
        self.screens = [np.zeros((1, 3), np.float32), np.zeros((1, 3), np.float32)]

    def draw(self, subject: Subject, step: Step, limbs: Limbs, camera: VirtualCamera) -> None:
        """Rasterize both limbs, each into its own buffers, and store the region that they cover."""
        low, high = np.full(2, np.inf), np.full(2, -np.inf)
        look = view_direction(step, camera)
        for i, (limb, moves) in enumerate(zip(limbs, step.moves, strict=True)):
            if limb is None or moves is None:
                continue
            c, mesh = camera, subject.meshes[i]
            screen = renderer.project_fine(limb[0], c.rotation, c.position, c.focal, c.principal_pt, 2)
            self.screens[i] = screen
            first, last = renderer.extent(screen)
            low, high = np.minimum(low, first / 2), np.maximum(high, last / 2)
            arm = moves[FOREARM_BONE][:, :3] @ np.array([0.0, -1.0, 0.0])
            backs = bool(arm @ look < 0.25)
            buffers = self.depths[i], self.owners[i], self.covers[i]
            renderer.rasterize(screen, mesh.faces, i == 1, backs, mesh.is_hand, *buffers)

        low, high = np.clip(low - 2, 0, self.size), np.clip(high + 3, 0, self.size)
        self.region = np.concatenate([low, high]).astype(np.int64)

    def draw_objects(self, objects: LitObjects, lights: shading.Lights, camera: VirtualCamera) -> np.ndarray:
        """Draw objects over the background, and remove the limbs behind them from the depth buffers.

        Returns:
            Region (4,) of the objects: x0, y0, x1, y1 px.
        """
        low, high = np.array(self.size, float), np.zeros(2)
        half, strengths = shading.half_vectors(lights, camera.rotation[2])
        for solid, light in objects:
            c = camera
            screen = renderer.project_fine(solid.points, c.rotation, c.position, c.focal, c.principal_pt, 2)
            shine = np.clip(solid.normals @ half.T, 0, 1) ** 40 @ strengths
            colors = (light * solid.colors + solid.gloss * shine[:, None]).astype(np.float32)
            solids.draw_solid(screen, solid.faces, colors, self.solid_depth, self.solid_image)
            seen = screen[screen[:, 0] > -1e5, :2] / 2
            if len(seen):
                low, high = np.minimum(low, seen.min(axis=0)), np.maximum(high, seen.max(axis=0))
        low, high = np.clip(low - 2, 0, self.size), np.clip(high + 3, 0, self.size)
        region = np.concatenate([low, np.maximum(low, high)]).astype(np.int64)
        solids.merge_solids(self.solid_depth, self.solid_image, self.cloth_depth, region, self.depths, self.background)
        x0, y0, x1, y1 = 2 * region
        self.solid_depth[y0:y1, x0:x1] = renderer.FAR
        return region

    def mask(self, subject: Subject, region: np.ndarray, out: np.ndarray) -> None:
        """Write the mask bits of the limbs in the depth buffers into `out` (H, W) uint8, inside a region.

        Args:
            subject: Subject whose limbs they are.
            region: (4,) x0, y0, x1, y1 px.
            out: (H, W) uint8, written in place.
        """
        low, high = np.maximum(region[:2], self.region[:2]), np.minimum(region[2:], self.region[2:])
        both = np.concatenate([low, np.maximum(low, high)])
        hand_faces = subject.meshes[0].hand_faces, subject.meshes[1].hand_faces
        renderer.mask_bits(self.depths, self.covers, self.owners, *hand_faces, self.cloth_depth, both, out)

    def covered(self) -> np.ndarray:
        """Return where the limbs are (H / 4, W / 4) bool, at a quarter of the image's resolution."""
        out: np.ndarray = self.depths[:, ::8, ::8].min(axis=0) < renderer.FAR
        return out

    def without_other(self, keep: int) -> np.ndarray:
        """Return the depth buffers (2, 2H, 2W) without the limb of the other side.

        Args:
            keep: 0 keeps the right limb, 1 the left one.
        """
        depths = self.depths.copy()
        depths[1 - keep] = renderer.FAR
        return depths


@lru_cache(maxsize=4)
def _canvas(size: tuple[int, int]) -> Canvas:
    """Return the buffers of an image size. They are reused, because allocating them costs 4 ms per image."""
    return Canvas(size)


def _resolve(
    canvas: Canvas,
    depths: np.ndarray,
    subject: Subject,
    step: Step,
    limbs: Limbs,
    lights: shading.Lights,
    camera: VirtualCamera,
    keep: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Shade the samples; return the linear image (H, W, 3) and the depth map (H, W) in mm.

    The image takes the place of the background unless it is to be kept.
    """
    look = view_direction(step, camera)
    directions, strengths = shading.half_vectors(lights, look)
    empty = np.zeros((1, renderer.ATTRIBUTES), np.float32)
    right, left = (empty if limb is None else limb[1] for limb in limbs)
    image = canvas.background
    if keep:
        image = canvas.image
        np.copyto(image, canvas.background)
    depth = np.zeros(canvas.background.shape[:2], np.float32)
    renderer.resolve(
        depths,
        canvas.owners,
        canvas.screens[0],
        canvas.screens[1],
        subject.meshes[0].faces,
        subject.meshes[1].faces,
        right,
        left,
        look,
        directions,
        strengths,
        subject.nails[0],
        subject.nails[1],
        canvas.cloth_depth,
        canvas.background,
        canvas.region,
        detail.relief(),
        1.0 / float(camera.focal[0]),
        _is_detailed(subject),
        image,
        depth,
    )
    return image, depth


def _draw_background(
    canvas: Canvas,
    subject: Subject,
    step: Step,
    lights: shading.Lights,
    camera: VirtualCamera,
    photo: str | None,
    hidden: bool,
    rng: np.random.Generator,
) -> None:
    """Draw the photograph, or the studio's lamps and the subject's clothes, into the canvas.

    Args:
        canvas: Canvas with both limbs.
        subject: Subject.
        step: Time step.
        lights: Lamps.
        camera: Camera that sees the step.
        photo: Background photograph; None draws the studio.
        hidden: Leave out cloth behind the limbs.
        rng: Random generator for the crop of the photograph.
    """
    if photo is not None:
        canvas.background[:] = appearance.photo_background(photo, camera.size, rng)
        return
    canvas.background[:] = STUDIO_RADIANCE
    appearance.draw_lamps(canvas.background, camera, subject.lamps)
    if subject.dressed:
        joints = step.joints[step.joint_valid]
        offset = joints.mean(axis=0) * (1, 0, 0)
        offset[2] = joints[:, 2].max() + TORSO_GAP_MM
        key = lights.toward[np.argmax(lights.rgb.sum(axis=1))]
        cloth = canvas.background, canvas.cloth_depth
        appearance.draw_torso(
            subject.cloth, offset, key, camera, *cloth, canvas.depths if hidden else canvas.depths[:0]
        )


def render_view(
    subject: Subject,
    step: Step,
    limbs: Limbs,
    lights: shading.Lights,
    camera: VirtualCamera,
    rng: np.random.Generator,
    photo: str | None = None,
    alone_limbs: Limbs | None = None,
    ranges: LightRanges | None = None,
    objects: LitObjects | None = None,
) -> View:
    """Render one view.

    Args:
        subject: Subject whose hands are rendered.
        step: Time step.
        limbs: Lit limbs from `light_step`.
        lights: Lamps.
        camera: Camera that sees the step.
        rng: Random generator for the background crop and the sensor.
        photo: Background photograph; None renders the dark studio.
        alone_limbs: Limbs from `light_limbs(shadows=False)`. If given, each hand is also rendered without the other.
        ranges: Light of the preset; None is the studio's.
        objects: Objects from `light_step`. Their pixels belong to no visible mask; the amodal masks ignore them.
    """
    canvas = _canvas(camera.size)
    canvas.clear()
    canvas.draw(subject, step, limbs, camera)
    hidden = alone_limbs is None and not objects  # otherwise parts of the limbs are removed below
    _draw_background(canvas, subject, step, lights, camera, photo, hidden, rng)
    if ranges is not None:  # before the objects, which hide their part of the surface behind the hands
        distance = float(np.linalg.norm(step.joints[step.joint_valid].mean(axis=0) - camera.position))
        photo_light.cast_shadow(canvas.background, canvas.covered(), lights, camera, distance, ranges, rng)
    mask = np.zeros(canvas.cloth_depth.shape, np.uint8)
    canvas.mask(subject, canvas.region, mask)
    if objects:
        amodal = mask & AMODAL
        canvas.mask(subject, canvas.draw_objects(objects, lights, camera), mask)
        mask = amodal | (mask & ~AMODAL)
    settings = sensor.sample_sensor(rng)
    if ranges is not None:
        settings = sensor.photo_sensor(settings, ranges, rng)
    keep = alone_limbs is not None
    image, depth = _resolve(canvas, canvas.depths, subject, step, limbs, lights, camera, keep)
    noise_seed = rng.integers(2**63)
    developed = sensor.develop(image, settings, camera.gray, np.random.default_rng(noise_seed))
    alone: list[np.ndarray | None] = [None, None]
    for i in (0, 1):
        if alone_limbs is not None and alone_limbs[i] is not None:
            one, _ = _resolve(canvas, canvas.without_other(i), subject, step, alone_limbs, lights, camera, keep)
            alone[i] = sensor.develop(one, settings, camera.gray, np.random.default_rng(noise_seed))
    return View(developed, mask, depth, (alone[0], alone[1]), settings.quality)
