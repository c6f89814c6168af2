"""Light estimated from the photograph behind the hands, plus key lights that the photograph does not show."""

from __future__ import annotations

import cv2
import numpy as np

from ...utils.images import resize_image
from ..hand.skin import to_linear
from ..preset import KeyLight, LightRanges
from .cameras import VirtualCamera
from .shading import Lights

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear RGB
_CELLS = (8, 6)  # of the environment: columns, rows
_LAMPS = 8  # directions from which the environment shines, evenly on the sphere
_SATURATED = 0.6  # linear; brighter pixels may have been clipped, so they are taken as brighter than they are
_MIDDLE_GRAY, _MIDDLE_ALBEDO = 0.18, 0.25  # linear; the preset's level is that of this photograph and skin


def environment(photo: np.ndarray) -> np.ndarray:
    """Return the low-order radiance (6, 8, 3) of a photograph, linear RGB, in cells of the image.

    Args:
        photo: (H, W, 3) uint8 RGB.
    """
    cells = to_linear(resize_image(photo, _CELLS))
    brighter: np.ndarray = cells + 3.0 * np.maximum(cells - _SATURATED, 0.0)
    return brighter


def _sphere() -> np.ndarray:
    """Return evenly spaced unit vectors (_LAMPS, 3)."""
    k = np.arange(_LAMPS) + 0.5
    height, turn = 1 - 2 * k / _LAMPS, k * np.pi * (3 - np.sqrt(5))
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(turn), height, ring * np.sin(turn)], axis=1)


def environment_lamps(cells: np.ndarray, chroma: float, from_above: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return lamps that together shine as an environment does.

    A photograph shows only what is behind the hands. What is behind the camera is taken as its mirror image, because
    both sides of a room have similar windows, walls and floors.

    Args:
        cells: (R, C, 3) linear RGB, from `environment`.
        chroma: How much of the photograph's color the light has, 0 to 1. A green leaf is not a green lamp.
        from_above: Relative difference between the light from above and that from the side, beyond the photograph's.

    Returns:
        Unit vectors (_LAMPS, 3) to the lamps in the camera's frame, and their linear RGB strengths (_LAMPS, 3).
    """
    toward = _sphere()
    rows, columns = cells.shape[:2]
    i = np.clip(((toward[:, 1] * 0.5 + 0.5) * rows).astype(int), 0, rows - 1)
    j = np.clip(((toward[:, 0] * 0.5 + 0.5) * columns).astype(int), 0, columns - 1)
    mean = cells.mean(axis=(0, 1))
    rgb = 0.75 * cells[i, j] + 0.25 * mean
    rgb = rgb * (1 - from_above * toward[:, 1:2])
    gray = (rgb @ LUMINANCE)[:, None]
    return toward, (gray * (rgb / np.maximum(gray, 1e-4)) ** chroma) * 4.0 / _LAMPS


def _brightest_side(cells: np.ndarray) -> float:
    """Return the direction in the image in which a photograph is brightest: rad, 0 is right, pi / 2 is down."""
    rows, columns = cells.shape[:2]
    weight = (cells @ LUMINANCE) ** 2
    weight = weight / max(weight.sum(), 1e-9)
    y, x = np.mgrid[0:rows, 0:columns]
    down = (weight * (y - (rows - 1) / 2)).sum() / rows
    right = (weight * (x - (columns - 1) / 2)).sum() / columns
    return float(np.arctan2(down, right))


def key_lamps(rng: np.random.Generator, key: KeyLight, side: float) -> tuple[np.ndarray, np.ndarray]:
    """Sample a key light.

    Args:
        rng: Random generator.
        key: Kind of light.
        side: Direction in the image from which it comes, see `_brightest_side`.

    Returns:
        Unit vectors (N, 3) to its lamps in the camera's frame, and their RGB (N, 3), whose mean luminance sums to 1.
    """
    angle, around = np.deg2rad(rng.uniform(*key.from_camera_deg)), side + rng.normal(0, 0.5)
    middle = np.array([np.sin(angle) * np.cos(around), np.sin(angle) * np.sin(around), -np.cos(angle)])
    toward = middle + np.deg2rad(key.size_deg) / 2 * rng.standard_normal((key.lamps, 3))
    warm = rng.normal(key.warmth, 0.08)
    rgb = np.array([1 + warm, 1.0, 1 - warm])
    strengths = np.repeat((rgb / (rgb @ LUMINANCE))[None] / key.lamps, key.lamps, axis=0)
    return toward / np.linalg.norm(toward, axis=1, keepdims=True), strengths


def bounce_lamp(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sample a colored surface beside or below the hands.

    Returns:
        Unit vector (1, 3) to it in the camera's frame, and its RGB (1, 3) with luminance 1.
    """
    toward = np.array([[rng.normal(0, 0.8), abs(rng.normal(0.3, 0.6)), rng.normal(0, 0.5)]])
    rgb = rng.uniform(0.15, 1.0, 3)
    return toward / np.linalg.norm(toward), (rgb / (rgb @ LUMINANCE))[None]


def photo_lights(
    photo: np.ndarray, camera: VirtualCamera, albedo: np.ndarray, ranges: LightRanges, rng: np.random.Generator
) -> Lights:
    """Sample the light of one time step.

    Args:
        photo: (H, W, 3) uint8 RGB, the photograph behind the hands.
        camera: Camera in whose frame the photograph stands.
        albedo: (3,) linear RGB albedo of the skin.
        ranges: Ranges of the preset.
        rng: Random generator.
    """
    cells = environment(photo)
    toward, rgb = environment_lamps(cells, ranges.chroma, ranges.from_above)
    rgb = rgb / max(float((rgb @ LUMINANCE).sum()), 1e-6)
    shares = np.array([k.share for k in ranges.keys])
    key = ranges.keys[rng.choice(len(shares), p=shares / shares.sum())]
    side = _brightest_side(cells) if rng.random() < ranges.key_follows_photo else rng.normal(-np.pi / 2, 0.9)
    key_toward, key_rgb = key_lamps(rng, key, side)
    bounce_toward, bounce_rgb = bounce_lamp(rng)
    bounce = rng.uniform(*ranges.bounce) * float(rng.random() < ranges.bounce_share)
    toward = np.concatenate([toward, key_toward, bounce_toward])
    rgb = np.concatenate([rgb, rng.uniform(*key.strength) * key_rgb, bounce * bounce_rgb])
    used = rgb.sum(axis=1) > 1e-3
    reflected = float(albedo @ LUMINANCE)
    rgb = rgb * (albedo / reflected) ** -rng.uniform(*ranges.skin_balance)
    level = float((cells @ LUMINANCE).mean()) / _MIDDLE_GRAY
    wanted = ranges.level * level**ranges.photo_pull * (reflected / _MIDDLE_ALBEDO) ** -ranges.skin_pull
    wanted *= key.exposure * np.exp(rng.normal(0, ranges.level_spread))
    return _exposed(toward[used], rgb[used], camera, wanted, key.gloss, ranges)


def _exposed(
    toward: np.ndarray, rgb: np.ndarray, camera: VirtualCamera, wanted: float, gloss: float, ranges: LightRanges
) -> Lights:
    """Return lamps in the world, scaled so that the side of the hands that the camera sees gets the light `wanted`."""
    counts = 0.15 + 0.85 * ((1 - toward[:, 2]) / 2) ** 1.5  # lamps behind the hands count little
    luminance = rgb @ LUMINANCE
    rgb = rgb * (1 - ranges.ambient) * wanted / float(luminance @ counts)
    mean = rgb.sum(axis=0) / max(float((rgb @ LUMINANCE).sum()), 1e-6)
    return Lights(toward @ camera.rotation, rgb, ranges.ambient * wanted * mean, ranges.occlusion, wanted * gloss)


def cast_shadow(
    background: np.ndarray,
    covered: np.ndarray,
    lights: Lights,
    camera: VirtualCamera,
    distance: float,
    ranges: LightRanges,
    rng: np.random.Generator,
) -> None:
    """Darken a background where the hands block the strongest lamp, in place.

    The background is taken as a plane across the view, a little behind the hands.

    Args:
        background: (H, W, 3) float32 linear RGB.
        covered: (H / 4, W / 4) bool, where the limbs are, at a quarter of the resolution.
        lights: Lamps.
        camera: Camera that sees the hands.
        distance: Distance from the camera to the hands, mm.
        ranges: Ranges of the preset.
        rng: Random generator.
    """
    wanted, gap, depth = rng.random(), rng.uniform(*ranges.shadow_gap_mm), rng.uniform(*ranges.shadow_depth)
    toward = camera.rotation @ lights.toward[np.argmax(lights.rgb.sum(axis=1))]
    if wanted > ranges.shadow_share or toward[2] > -0.2:  # a lamp behind the surface throws no shadow onto it
        return
    px = gap * camera.focal[0] / distance  # gap in pixels
    soft = cv2.GaussianBlur(covered.astype(np.float32), (0, 0), 0.5 + 0.07 * px)
    x, y = -toward[:2] / -toward[2] * px
    height, width = background.shape[:2]
    move = np.array([[0.25, 0, -0.25 * x], [0, 0.25, -0.25 * y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shade = cv2.warpAffine(soft, move, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    background *= (1 - depth * shade)[..., None]
