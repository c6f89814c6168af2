"""One camera's view of a time step."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .hand.skeleton import FOREARM_BONE
from .render import appearance, renderer, sensor, shading
from .render.cameras import Camera
from .time_step import Step, Subject, View

STUDIO_BLACK = 0.0006
TORSO_GAP_MM = 95.0


class Canvas:
    """Depth, owner and cover buffers of both limbs at two samples a pixel and axis."""

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

    def clear(self) -> None:
        """Forget what was drawn, where it was drawn."""
        x0, y0, x1, y1 = 2 * self.region
        where = np.s_[:, y0:y1, x0:x1]
        self.background[:], self.cloth_depth[:] = STUDIO_BLACK, renderer.FAR
        self.depths[where], self.owners[where], self.covers[where] = renderer.FAR, -1, 0
        self.screens = [np.zeros((1, 3), np.float32), np.zeros((1, 3), np.float32)]

    def draw(self, subject: Subject, step: Step, limbs: list, camera: Camera) -> None:
        """Rasterize both limbs, each into its own buffers, and note the region they cover."""
        low, high = np.full(2, np.inf), np.full(2, -np.inf)
        for i, limb in enumerate(limbs):
            if limb is None:
                continue
            c, mesh = camera, subject.meshes[i]
            screen = renderer.project_fine(limb[0], c.rotation, c.position, c.focal, c.principal_pt, 2)
            self.screens[i] = screen
            seen = screen[screen[:, 0] > -1e5, :2] / 2
            low, high = np.minimum(low, seen.min(axis=0)), np.maximum(high, seen.max(axis=0))
            arm = step.moves[i][FOREARM_BONE][:, :3] @ np.array([0.0, -1.0, 0.0])
            backs = bool(arm @ c.rotation[2] < 0.25)
            buffers = self.depths[i], self.owners[i], self.covers[i]
            renderer.rasterize(screen, mesh.faces, i == 1, backs, mesh.is_hand, *buffers)

        low, high = np.clip(low - 2, 0, self.size), np.clip(high + 3, 0, self.size)
        self.region = np.concatenate([low, high]).astype(np.int64)

    def only(self, keep: int) -> np.ndarray:
        """Depth buffers (2, 2H, 2W) with the other limb removed."""
        depths = self.depths.copy()
        depths[1 - keep] = renderer.FAR
        return depths


@lru_cache(maxsize=4)
def _canvas(size: tuple[int, int]) -> Canvas:
    """Buffers are kept from image to image: fresh memory costs 4 ms."""
    return Canvas(size)


def _resolve(canvas: Canvas, depths, subject, limbs, lights, camera, cloth_depth, background) -> tuple:
    look = camera.rotation[2]
    directions, strengths = shading.half_vectors(lights, look)
    empty = np.zeros((1, renderer.ATTRIBUTES), np.float32)
    tables = [empty if limb is None else limb[1] for limb in limbs]
    np.copyto(canvas.image, background)
    image, depth = canvas.image, np.zeros(background.shape[:2], np.float32)
    renderer.resolve(
        depths,
        canvas.owners,
        *canvas.screens,
        subject.meshes[0].faces,
        subject.meshes[1].faces,
        *tables,
        look,
        directions,
        strengths,
        *subject.nails,
        cloth_depth,
        background,
        canvas.region,
        image,
        depth,
    )
    return image, depth


def render_view(
    subject: Subject,
    step: Step,
    limbs: list,
    lights: shading.Lights,
    camera: Camera,
    rng: np.random.Generator,
    photo: str | None = None,
    alone_limbs: list | None = None,
) -> View:
    """Draw one view.

    Inputs:
        subject, step: Who and where.
        limbs: From `scene.light_limbs`.
        lights, camera: As named.
        rng: For the background's crop and the sensor.
        photo: Background photograph; None is the dark studio.
        alone_limbs: From `light_limbs(shadows=False)`; given, each hand is also drawn without the other.
    """
    width, height = camera.size
    canvas = _canvas(camera.size)
    canvas.clear()
    canvas.draw(subject, step, limbs, camera)
    cloth_depth, background = canvas.cloth_depth, canvas.background
    if photo is not None:
        background[:] = appearance.photo_background(photo, camera.size, rng)
    else:
        appearance.draw_lamps(background, camera, subject.lamps)
    if subject.dressed and photo is None:
        valid = np.repeat(step.present, 21)
        offset = step.joints[valid].mean(axis=0) * (1, 0, 0)
        offset[2] = step.joints[valid][:, 2].max() + TORSO_GAP_MM
        key = lights.toward[np.argmax(lights.rgb.sum(axis=1))]
        appearance.draw_torso(subject.cloth, offset, key, camera, background, cloth_depth)
    taken = sensor.sample_sensor(rng)
    image, depth = _resolve(canvas, canvas.depths, subject, limbs, lights, camera, cloth_depth, background)
    noise_seed = rng.integers(2**63)
    developed = sensor.develop(image, taken, camera.gray, np.random.default_rng(noise_seed))
    mask = np.zeros((height, width), np.uint8)
    faces = [mesh.hand_faces for mesh in subject.meshes]
    renderer.mask_bits(canvas.depths, canvas.covers, canvas.owners, *faces, cloth_depth, canvas.region, mask)
    alone: list[np.ndarray | None] = [None, None]
    for i in (0, 1):
        if alone_limbs is not None and alone_limbs[i] is not None:
            one, _ = _resolve(canvas, canvas.only(i), subject, alone_limbs, lights, camera, cloth_depth, background)
            alone[i] = sensor.develop(one, taken, camera.gray, np.random.default_rng(noise_seed))
    return View(developed, mask, depth, (alone[0], alone[1]), taken.quality)
