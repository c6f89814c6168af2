"""Everything in the image except the hands: clothes, the lamps of the studio and background photographs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
from numba import njit

from ...errors import BackgroundError
from ...utils.images import find_images, packaged_photograph, resize_image
from ..hand.skin import to_linear
from .cameras import VirtualCamera
from .renderer import project_fine

LAMP_RADIUS_MM, LAMP_STEP_DEG = 1150.0, 8.5
LAMP_GLARE_PX = 44.0  # diameter in an image whose longer side is `cameras.FULL_SIDE_PX`
SHOULDER_MM = np.array([178.0, -285.0, 60.0])  # half of the width, height above the hands, depth behind the chest
TURN_MM = 150.0  # length of cloth per radian around the chest
TORSO_TOP_MM, TORSO_END_MM = -345.0, 560.0  # heights of the torso's mesh, y downwards
FOLD_STEP_MM = 5.0
_SINES = 4096  # steps of the sine table
PACKAGED_PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")  # color photographs that the scikit-image wheel contains


@dataclass(frozen=True)
class Cloth:
    """One subject's clothes.

    Attributes:
        colors: (2, 3) linear RGB.
        pattern: 0 plain, 1 stripes, 2 plaid.
        period_mm: Period of the pattern.
        phases: (8,) rad, phases of the folds.
    """

    colors: np.ndarray
    pattern: int
    period_mm: float
    phases: np.ndarray


def sample_cloth(rng: np.random.Generator) -> Cloth:
    """Sample a shirt from black to white; most are dark, some are striped or plaid."""
    hue, saturation, value = rng.uniform(0, 180), rng.beta(1.2, 1.8) * 255, 20 + 190 * rng.beta(1.0, 1.6)
    hsv = np.array([[[hue, saturation, value], [(hue + rng.normal(0, 25)) % 180, saturation * 0.7, 230 - value]]])
    rgb = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)[0]
    pattern = int(rng.choice(3, p=[0.65, 0.12, 0.23]))
    return Cloth(to_linear(rgb) * 0.8, pattern, float(rng.uniform(22, 60)), rng.uniform(0, 2 * np.pi, 8))


@lru_cache(maxsize=1)
def torso_mesh() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mesh of an elliptic chest with sloping shoulders; the origin is the front of the chest.

    Returns:
        Points (N, 3) in mm, cloth coordinates (N, 2) in mm and faces (F, 3).
    """
    heights = np.concatenate([np.linspace(TORSO_END_MM, -250, 19), [-290, -318, -336, TORSO_TOP_MM]])
    turns = np.linspace(-np.pi, np.pi, 41)  # the seam is at the back
    waist = np.interp(heights, [-345, -336, -318, -290, -250, 0, 250, 560], [45, 75, 120, 168, 186, 172, 168, 182])
    deep = np.interp(heights, [-345, -318, -250, 0, 560], [40, 70, 105, 112, 118])
    x = waist[:, None] * np.sin(turns)
    z = deep[:, None] * (1 - np.cos(turns)) + (112 - deep)[:, None]
    points = np.stack([x, np.broadcast_to(heights[:, None], x.shape), z], axis=-1).reshape(-1, 3)
    u = np.broadcast_to((turns * TURN_MM)[None], x.shape)
    uv = np.stack([u, np.broadcast_to(heights[:, None], x.shape)], axis=-1).reshape(-1, 2)
    i, j = np.meshgrid(np.arange(len(heights) - 1), np.arange(len(turns) - 1), indexing="ij")
    a = (i * len(turns) + j).ravel()
    b, c, d = a + 1, a + len(turns), a + len(turns) + 1
    return points, uv, np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)]).astype(np.int32)


@njit(cache=True, nogil=True, error_model="numpy")
def _nearest_cloth(screen, faces, depth, owner):
    """Rasterize both sides of the torso's faces: the nearest depth (H, W) in mm and its face (H, W), in place."""
    height, width = depth.shape
    for f in range(faces.shape[0]):
        a, b, c = faces[f]
        ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9 or min(ax, bx, cx) < -1e5:
            continue
        inv = 1.0 / area
        step_a, step_b = (by - cy) * inv, (cy - ay) * inv
        step_c = -step_a - step_b
        az, bz, cz = screen[a, 2], screen[b, 2], screen[c, 2]
        step_z = step_a * az + step_b * bz + step_c * cz
        x0, x1 = max(int(np.ceil(min(ax, bx, cx))), 0), min(int(np.floor(max(ax, bx, cx))), width - 1)
        for y in range(max(int(np.ceil(min(ay, by, cy))), 0), min(int(np.floor(max(ay, by, cy))), height - 1) + 1):
            wa = ((bx - x0) * (cy - y) - (by - y) * (cx - x0)) * inv
            wb = ((cx - x0) * (ay - y) - (cy - y) * (ax - x0)) * inv
            wc = 1.0 - wa - wb
            # The part of the row where all three weights are positive.
            low, high = 0.0, float(x1 - x0)
            for w, step in ((wa, step_a), (wb, step_b), (wc, step_c)):
                if step > 0.0:
                    low = max(low, -w / step)
                elif step < 0.0:
                    high = min(high, -w / step)
                elif w < 0.0:
                    high = -1.0
            z = wa * az + wb * bz + wc * cz
            for x in range(int(np.ceil(low)), int(np.floor(high)) + 1):
                here = z + x * step_z
                if here < depth[y, x0 + x]:
                    depth[y, x0 + x] = here
                    owner[y, x0 + x] = f


@lru_cache(maxsize=4)
def _folds(phases: tuple[float, ...]) -> np.ndarray:
    """Return the folds of one subject's clothes, about -1 to 1, at cloth coordinates `FOLD_STEP_MM` apart (U, V)."""
    u = np.arange(-np.pi * TURN_MM - FOLD_STEP_MM, np.pi * TURN_MM + 2 * FOLD_STEP_MM, FOLD_STEP_MM)[:, None]
    v = np.arange(TORSO_TOP_MM - FOLD_STEP_MM, TORSO_END_MM + 2 * FOLD_STEP_MM, FOLD_STEP_MM)[None]
    fold = np.sin(0.030 * u + 0.011 * v + phases[0] + 1.3 * np.sin(0.012 * v + phases[1]))
    return fold + 0.6 * np.sin(0.055 * u - 0.024 * v + phases[2] + 1.1 * np.sin(0.021 * u + phases[3]))


@lru_cache(maxsize=1)
def _sines() -> np.ndarray:
    """Return one period of the sine, (`_SINES` + 1,)."""
    return np.sin(np.linspace(0, 2 * np.pi, _SINES + 1))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _sine(x, table):
    """Return sin(x) to 1e-6, several times as fast as the exact function."""
    t = x * (_SINES / (2 * np.pi))
    whole = np.floor(t)
    i = int(whole) & (_SINES - 1)
    return table[i] + (t - whole) * (table[i + 1] - table[i])


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _fold_at(u, v, folds):
    """Return the fold at cloth coordinates in mm, interpolated in the table of `_folds`."""
    s = (u + np.pi * TURN_MM) * (1.0 / FOLD_STEP_MM) + 1.0
    t = (v - TORSO_TOP_MM) * (1.0 / FOLD_STEP_MM) + 1.0
    i = min(max(int(s), 0), folds.shape[0] - 2)
    j = min(max(int(t), 0), folds.shape[1] - 2)
    s, t = s - i, t - j
    near = folds[i, j] + t * (folds[i, j + 1] - folds[i, j])
    far = folds[i + 1, j] + t * (folds[i + 1, j + 1] - folds[i + 1, j])
    return near + s * (far - near)


@njit(cache=True, nogil=True, error_model="numpy")
def _is_hidden(limbs, y, x, z):
    """Return whether limbs, depth buffers (2, 2H, 2W), lie before the depth `z` in all four samples of a pixel."""
    for r in range(2 * y, 2 * y + 2):
        for c in range(2 * x, 2 * x + 2):
            if min(limbs[0, r, c], limbs[1, r, c]) >= z:
                return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _shade_cloth(screen, uv, faces, owner, depth, limbs, toward, colors, pattern, period, folds, sines, image):
    """Shade the pixels that show cloth in a linear image (H, W, 3), in place; folds change the brightness."""
    quarter = 0.5 * np.pi
    for y in range(owner.shape[0]):
        for x in range(owner.shape[1]):
            if owner[y, x] < 0 or (limbs.shape[0] == 2 and _is_hidden(limbs, y, x, depth[y, x])):
                continue
            a, b, c = faces[owner[y, x]]
            ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
            inv = 1.0 / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
            wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) * inv
            wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) * inv
            wc = 1.0 - wa - wb
            u = wa * uv[a, 0] + wb * uv[b, 0] + wc * uv[c, 0]
            v = wa * uv[a, 1] + wb * uv[b, 1] + wc * uv[c, 1]
            # Normals of the ellipse are smooth; those of the faces would show facets.
            nx, nz = _sine(u / TURN_MM, sines), -_sine(u / TURN_MM + quarter, sines)
            lit = 0.55 * (nx * toward[0] + 0.1 * toward[1] + nz * toward[2]) + 0.30 + 0.16 * _fold_at(u, v, folds)
            lit = min(max(lit, 0.05), 1.0)
            mix = 0.0
            if pattern == 1:
                mix = 1.0 if _sine(6.2832 * v / period, sines) > 0.3 else 0.0
            elif pattern == 2:
                du, dv = u / period - np.floor(u / period), v / period - np.floor(v / period)
                mix = (0.45 if du < 0.42 else 0.0) + (0.45 if dv < 0.42 else 0.0)
                if 0.68 < du < 0.74 or 0.68 < dv < 0.74:
                    mix = 0.8
            for k in range(3):
                image[y, x, k] = lit * ((1 - mix) * colors[0, k] + mix * colors[1, k])


def draw_torso(
    cloth: Cloth,
    offset: np.ndarray,
    toward: np.ndarray,
    camera: VirtualCamera,
    image: np.ndarray,
    depth: np.ndarray,
    limbs: np.ndarray,
) -> None:
    """Draw the chest into an image and its depth map, in place.

    Args:
        cloth: Clothes.
        offset: (3,) mm, position of the front of the chest in the world.
        toward: (3,) unit vector to the strongest lamp.
        camera: Camera that sees the chest.
        image: (H, W, 3) float32 linear RGB.
        depth: (H, W) float32 mm.
        limbs: (2, 2H, 2W) float32 mm, depth buffers of limbs; cloth behind them is not drawn into the image. With
            (0, 2H, 2W) all of it is drawn.
    """
    points, uv, faces = torso_mesh()
    screen = project_fine(points + offset, camera.rotation, camera.position, camera.focal, camera.principal_pt, 1)
    owner = np.full(depth.shape, -1, np.int32)
    _nearest_cloth(screen, faces, depth, owner)
    c = cloth
    look = c.colors, c.pattern, c.period_mm, _folds(tuple(c.phases[:4].tolist())), _sines()
    _shade_cloth(screen, uv, faces, owner, depth, limbs, toward, *look, image)


@lru_cache(maxsize=4)
def _star(size: int) -> np.ndarray:
    """Return the glare (S, S) of a small lamp: a bright core with eight spikes."""
    axis = np.arange(size) - size // 2
    x, y = np.meshgrid(axis, axis)
    r = np.hypot(x, y) + 1e-6
    spikes = np.abs(np.cos(4 * np.arctan2(y, x))) ** 60 * np.exp(-r / (size * 0.11))
    core = 1 / (1 + (r / (size * 0.07)) ** 6)
    return (2.2 * core + 0.28 * spikes + 0.07 * np.exp(-r / (size * 0.08))).astype(np.float32)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_sprites(image, places, sprite):
    """Add a gray sprite (S, S) to an image (H, W, 3) at each of the places (N, 3), columns and rows in px."""
    height, width = image.shape[:2]
    half = sprite.shape[0] // 2
    for n in range(places.shape[0]):
        left, top = int(np.rint(places[n, 0])) - half, int(np.rint(places[n, 1])) - half
        for y in range(max(top, 0), min(top + sprite.shape[0], height)):
            for x in range(max(left, 0), min(left + sprite.shape[1], width)):
                value = sprite[y - top, x - left]
                for c in range(3):
                    image[y, x, c] += value


def draw_lamps(image: np.ndarray, camera: VirtualCamera, phase: float) -> None:
    """Add the visible lamps of the dome to an image, in place.

    Args:
        image: (H, W, 3) float32 linear RGB.
        camera: Camera that sees the lamps.
        phase: Rotation of the dome in rad; it also decides which lamps are off.
    """
    azimuth, elevation = np.meshgrid(
        np.deg2rad(np.arange(0, 360, LAMP_STEP_DEG)) + phase, np.deg2rad(np.arange(-45, 50, LAMP_STEP_DEG))
    )
    azimuth = azimuth + (np.arange(len(azimuth)) % 2)[:, None] * np.deg2rad(LAMP_STEP_DEG / 2)
    lamps = np.stack(
        [np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)], axis=-1
    ).reshape(-1, 3)
    lit = np.sin(np.arange(len(lamps)) * 78.233 + 37.7 * phase) * 43758.5453 % 1 < 0.5  # half of them are off
    lamps = lamps[lit & (lamps @ camera.rotation[2] > 0.3)] * LAMP_RADIUS_MM
    screen = project_fine(lamps, camera.rotation, camera.position, camera.focal, camera.principal_pt, 1)
    star = _star(2 * round(LAMP_GLARE_PX * camera.scale / 2) + 1)
    _add_sprites(image, screen, star)


def list_photos(source: str, split: str) -> list[str]:
    """Return the background photographs of one split; no photograph is in two splits.

    Args:
        source: Folder of photographs, or "skimage" for the photographs of the scikit-image package.
        split: "train", "val" or "test".

    Raises:
        BackgroundError: The folder does not exist or has too few photographs.
    """
    if source == "skimage":
        names = list(PACKAGED_PHOTOS)
    elif Path(source).is_dir():
        names = find_images(source)
    else:
        raise BackgroundError(
            "the folder of background photographs does not exist", got=source, want="a folder with images, or skimage"
        )
    order = sorted(names, key=lambda n: crc32(os.fsencode(os.path.basename(n))))
    share = {"test": order[::4], "val": order[1::4], "train": order[2::4] + order[3::4]}[split]
    if not share:
        raise BackgroundError(
            f"no background photograph is left for {split}", got=f"{len(names)} in {source}", want="at least 4"
        )
    return share


@lru_cache(maxsize=16)
def load_photo(name: str) -> np.ndarray:
    """Read a photograph, (H, W, 3) uint8 RGB.

    Args:
        name: Path, or one of `PACKAGED_PHOTOS`.
    """
    path = packaged_photograph(name) if name in PACKAGED_PHOTOS else name
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise BackgroundError("a background photograph cannot be read", got=name, fix="remove the file")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def photo_crop(name: str, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return a random crop of a photograph, (H, W, 3) uint8 RGB.

    Args:
        name: Path, or one of `PACKAGED_PHOTOS`.
        size: (width, height) px to which the crop is resized.
        rng: Random generator.
    """
    photo = load_photo(name)
    height, width = photo.shape[:2]
    scale = max(size[0] / width, size[1] / height) * rng.uniform(1.0, 1.6)
    crop_w, crop_h = min(int(size[0] / scale), width), min(int(size[1] / scale), height)
    x, y = rng.integers(0, width - crop_w + 1), rng.integers(0, height - crop_h + 1)
    return resize_image(photo[y : y + crop_h, x : x + crop_w], size)


@lru_cache(maxsize=1)
def _linear_table() -> np.ndarray:
    """Return the linear values (256,) float32 of sRGB values."""
    return to_linear(np.arange(256)).astype(np.float32)


def photo_background(name: str, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return a random crop as `photo_crop` does, but as float32 linear RGB."""
    return np.take(_linear_table(), photo_crop(name, size, rng))
