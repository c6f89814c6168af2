"""An arc of calibrated virtual cameras around the subject.

The world frame is in mm. For the camera in front of the person, x points right, y down and z away from the camera. The
hands are at the origin, and the person looks towards -z.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..hand.skeleton import cross_product

IMAGE_SIZES = {"portrait": (334, 512), "landscape": (512, 334)}  # width, height px, as in InterHand2.6M
FULL_SIDE_PX = 512.0  # longer side of InterHand2.6M's images; lengths in px below are those of such an image
FOCAL_PX, FOCAL_SPREAD_PX = 1270.0, 6.0
DISTANCE_MM = (950.0, 1170.0)
AZIMUTH_DEG, ELEVATION_DEG = 55.0, 24.0
COLOR_PREFIX, GRAY_PREFIX = 400000, 410000  # in InterHand2.6M, cameras whose id starts with 41 are gray


@dataclass(frozen=True)
class VirtualCamera:
    """One calibrated camera with the conventions of `structures.camera`.

    Attributes:
        name: Id of the camera.
        rotation: (3, 3) world to camera.
        position: (3,) mm, world frame.
        focal: (2,) px.
        principal_pt: (2,) px.
        size: (width, height) px.
    """

    name: str
    rotation: np.ndarray
    position: np.ndarray
    focal: np.ndarray
    principal_pt: np.ndarray
    size: tuple[int, int]

    @property
    def scale(self) -> float:
        """Size of the image relative to those of InterHand2.6M."""
        return max(self.size) / FULL_SIDE_PX

    @property
    def gray(self) -> bool:
        """Whether the camera takes gray images."""
        return self.name.startswith("41")


def look_at(position: np.ndarray, target: np.ndarray, roll: float) -> np.ndarray:
    """Return the world-to-camera rotation (3, 3) of a camera that looks at a target.

    Args:
        position: (3,) mm, position of the camera.
        target: (3,) mm.
        roll: Rotation about the viewing direction in rad; at zero the image's y axis is as close to the world's y axis
            as possible.
    """
    forward = (target - position) / np.linalg.norm(target - position)
    right = cross_product(np.array([0.0, 1.0, 0.0]), forward)
    right /= np.linalg.norm(right)
    down = cross_product(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    return np.stack([c * right + s * down, -s * right + c * down, forward])


def camera_ring(
    rng: np.random.Generator, count: int, first_id: int, sizes: tuple[str, ...] = ("portrait", "landscape")
) -> list[VirtualCamera]:
    """Sample cameras on an arc in front of the subject: evenly spaced in azimuth, random in everything else.

    Args:
        rng: Random generator.
        count: Number of cameras.
        first_id: Number added to `COLOR_PREFIX` or `GRAY_PREFIX` for the id of the first camera.
        sizes: Keys of `IMAGE_SIZES` or "WxH"; the cameras get them in turn.
    """
    cameras = []
    azimuths = np.linspace(-AZIMUTH_DEG, AZIMUTH_DEG, count) if count > 1 else np.zeros(1)
    for i in range(count):
        azimuth = np.deg2rad(azimuths[i] + rng.uniform(-3, 3))
        elevation = np.deg2rad(rng.uniform(-ELEVATION_DEG, ELEVATION_DEG))
        distance = rng.uniform(*DISTANCE_MM)
        unit = np.array([np.sin(azimuth) * np.cos(elevation), -np.sin(elevation), -np.cos(azimuth) * np.cos(elevation)])
        target = rng.normal(0, 12, 3)
        position = unit * distance + target
        name = sizes[i % len(sizes)]
        width, height = IMAGE_SIZES[name] if name in IMAGE_SIZES else tuple(int(v) for v in name.split("x"))
        scale = max(width, height) / FULL_SIDE_PX
        focal = (FOCAL_PX + rng.normal(0, FOCAL_SPREAD_PX)) * scale
        principal = np.array([width / 2, height / 2]) + rng.normal(0, 10, 2) * scale
        prefix = GRAY_PREFIX if rng.random() < 0.3 else COLOR_PREFIX
        cameras.append(
            VirtualCamera(
                name=str(prefix + first_id + i),
                rotation=look_at(position, target, rng.normal(0, 0.03)),
                position=position,
                focal=np.array([focal, focal + rng.normal(0, 0.15) * scale]),
                principal_pt=principal,
                size=(width, height),
            )
        )
    return cameras
