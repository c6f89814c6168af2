"""Cameras anywhere around the hands: near and far, wide and narrow, with the hands off the axis."""

from __future__ import annotations

import numpy as np

from ..preset import Viewpoint, ViewRanges
from .cameras import COLOR_PREFIX, FULL_SIDE_PX, GRAY_PREFIX, IMAGE_SIZES, VirtualCamera, look_at

_SKIN_MM = 12.0  # skin beyond the joints


def draw_viewpoint(rng: np.random.Generator, ranges: ViewRanges, hard: float) -> Viewpoint:
    """Sample a group of cameras.

    Args:
        rng: Random generator.
        ranges: Ranges of the preset.
        hard: Factor on the shares of all groups but the first, 0 to 1. At 0 only the first one is sampled.
    """
    shares = np.array([v.share for v in ranges.viewpoints]) * np.array([1.0, *[hard] * (len(ranges.viewpoints) - 1)])
    return ranges.viewpoints[rng.choice(len(shares), p=shares / shares.sum())]


def _direction(rng: np.random.Generator, viewpoint: Viewpoint) -> np.ndarray:
    """Sample the unit vector (3,) from the hands to the camera, evenly on the sphere within the group's ranges."""
    azimuth = np.deg2rad(rng.uniform(*viewpoint.azimuth_deg))
    sine = rng.uniform(*np.sin(np.deg2rad(viewpoint.elevation_deg)))
    cosine = np.sqrt(1 - sine * sine)
    return np.array([np.sin(azimuth) * cosine, -sine, -np.cos(azimuth) * cosine])


def _turn_to(ray: np.ndarray) -> np.ndarray:
    """Return the shortest rotation (3, 3) that moves the optical axis to the unit vector `ray`."""
    x, y, z = ray
    cross = np.array([[0, 0, x], [0, 0, y], [-x, -y, 0]])
    return np.eye(3) + cross + cross @ cross / (1 + z)


def draw_focal(
    rng: np.random.Generator, ranges: ViewRanges, size: tuple[int, int], radius: float, distance: float
) -> float:
    """Sample a focal length in px that fits the field of view and, if possible, the extent of the hands.

    Args:
        rng: Random generator.
        ranges: Ranges of the preset.
        size: (width, height) px of the image.
        radius: Half of the hands' extent across the view, mm.
        distance: Distance to the hands, mm.
    """
    widest, narrowest = (max(size) / 2 / np.tan(np.deg2rad(fov) / 2) for fov in reversed(ranges.fov_deg))
    low, high = np.clip(np.array(ranges.hands_share) * min(size) * distance / (2 * radius), widest, narrowest)
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _draw_roll(
    rng: np.random.Generator, ranges: ViewRanges, level: np.ndarray, fingers: np.ndarray, hard: float
) -> float:
    """Sample the rotation in the image, rad.

    Args:
        rng: Random generator.
        ranges: Ranges of the preset.
        level: (3, 3) world-to-camera rotation without roll.
        fingers: (3,) direction of the fingers, world frame.
        hard: Factor on the share of uniform rotations, 0 to 1.
    """
    kind, tilt = rng.random(), rng.normal(0, np.deg2rad(ranges.roll_deg))
    if kind < ranges.any_roll * hard:
        return float(rng.uniform(-np.pi, np.pi))
    right, down, _ = level @ fingers
    upright = kind > 1 - ranges.upright and np.hypot(right, down) > 0.3 * np.linalg.norm(fingers)
    return float(tilt + (np.arctan2(right, -down) if upright else 0.0))


def draw_camera(
    rng: np.random.Generator,
    ranges: ViewRanges,
    points: np.ndarray,
    fingers: np.ndarray,
    size_name: str,
    number: int,
    hard: float = 1.0,
) -> VirtualCamera:
    """Sample a camera that sees the hands.

    Args:
        rng: Random generator.
        ranges: Ranges of the preset.
        points: (N, 3) mm, joints of the hands that are present, world frame.
        fingers: (3,) mean direction from the wrists to the knuckles, world frame.
        size_name: Key of `IMAGE_SIZES` or "WxH".
        number: Number of the view, unique within the split; the camera's name contains it.
        hard: Factor on the shares of the difficult viewpoints, 0 to 1.
    """
    width, height = size = IMAGE_SIZES[size_name] if size_name in IMAGE_SIZES else _parsed(size_name)
    viewpoint = draw_viewpoint(rng, ranges, hard)
    toward = _direction(rng, viewpoint)
    distance = float(np.exp(rng.uniform(*np.log(viewpoint.distance_mm))))
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    position = middle + distance * toward
    spread = (points - middle) - np.outer((points - middle) @ toward, toward)
    radius = float(np.linalg.norm(spread, axis=1).max()) + _SKIN_MM
    focal = draw_focal(rng, ranges, size, radius, distance)
    scale = max(size) / FULL_SIDE_PX
    principal = np.array(size) / 2 + rng.normal(0, ranges.principal_px, 2) * scale
    room = np.maximum(np.array(size) / 2 - radius * focal / distance, 0.0) * ranges.off_axis
    pixel = np.array([width / 2, height / 2]) + rng.uniform(-1, 1, 2) * room
    ray = np.append((pixel - principal) / focal, 1.0)
    roll = _draw_roll(rng, ranges, look_at(position, middle, 0.0), fingers, hard)
    prefix = GRAY_PREFIX if rng.random() < ranges.gray else COLOR_PREFIX
    return VirtualCamera(
        name=f"{prefix // 10000}{number:08d}",
        rotation=_turn_to(ray / np.linalg.norm(ray)) @ look_at(position, middle, roll),
        position=position,
        focal=np.array([focal, focal]),
        principal_pt=principal,
        size=size,
    )


def _parsed(size_name: str) -> tuple[int, int]:
    width, height = size_name.split("x")
    return int(width), int(height)
