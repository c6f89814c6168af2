"""Cameras of a time step: those of the studio's arc, or new ones anywhere around the hands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..structures.camera import camera_to_pixel, world_to_camera
from ..structures.joints import NUM_HAND_JOINTS, PALM, RIGHT_WRIST
from .hand.skeleton import FOREARM_BONE, UPPER_ARM_BONE
from .hand.surface import ARM_END_MM
from .preset import ViewRanges
from .render.cameras import VirtualCamera
from .render.viewpoints import draw_camera
from .sampling import inside, pixels
from .time_step import Step

MAX_CAMERAS = 8  # cameras that are tried for one view
NEAREST_MM = 130.0  # nothing is nearer to a camera
_ELBOW_MM, _ARM_RADIUS_MM = 250.0, 50.0
_FOREARM = np.array([[0.0, -y, 0.0] for y in np.linspace(80, _ELBOW_MM, 6)])
_UPPER_ARM = np.array([[0.0, -y, 0.0] for y in np.linspace(_ELBOW_MM, ARM_END_MM, 12)])


def arm_points(moves: np.ndarray) -> np.ndarray:
    """Return points (18, 3) mm along the axis of an arm, from the wrist to its end, world frame.

    Args:
        moves: (18, 3, 4) rest-to-world transform of each bone.
    """
    bones = (moves[FOREARM_BONE], _FOREARM), (moves[UPPER_ARM_BONE], _UPPER_ARM)
    return np.concatenate([points @ move[:, :3].T + move[:, 3] for move, points in bones])


def view_score(step: Step, camera: VirtualCamera) -> float:
    """Return the rejection score of one view of a time step; accept it if below 1.

    The score penalizes joints outside the image or too near, arms that hide a hand, arms that touch the camera and
    visible arm ends.
    """
    uv = pixels(step, camera)[step.joint_valid]
    depth = world_to_camera(step.joints[step.joint_valid], camera.rotation, camera.position)[:, 2]
    score = 12.0 * max(0.0, (1 - inside(uv, camera.size).mean()) - 0.08) + 2.0 * float(depth.min() < NEAREST_MM)
    hidden = np.zeros(len(uv), bool)
    for moves in step.moves:
        if moves is None:
            continue
        cam = world_to_camera(arm_points(moves), camera.rotation, camera.position)
        ahead = cam[:, 2] > 20.0
        cam[:, 2] = np.maximum(cam[:, 2], 20.0)
        arm = camera_to_pixel(cam, camera.focal, camera.principal_pt)
        radius = _ARM_RADIUS_MM * camera.focal[0] / cam[:, 2]
        seen = ahead & np.all((arm > -radius[:, None]) & (arm < camera.size + radius[:, None]), axis=1)
        score += 1.2 * float(seen[-1] or (seen & (cam[:, 2] < NEAREST_MM)).any())
        close = ahead & (np.linalg.norm(uv[:, None] - arm, axis=-1) < 0.7 * radius)
        hidden |= (close & (cam[:, 2] < depth[:, None] - 40.0)).any(axis=1)
    return score + 5.0 * max(0.0, float(hidden.mean()) - 0.15)


def draw_views(
    step: Step,
    rng: np.random.Generator,
    ranges: ViewRanges,
    sizes: tuple[str, ...],
    numbers: Sequence[int],
    hard: float,
) -> tuple[list[VirtualCamera], float]:
    """Sample the cameras of one time step, each by rejection.

    Args:
        step: Time step.
        rng: Random generator.
        ranges: Ranges of the preset.
        sizes: Image sizes, which the views get in turn.
        numbers: Number of each view, unique within the split.
        hard: Share of difficult viewpoints, see `viewpoints.draw_viewpoint`.

    Returns:
        The cameras and the sum of their scores.
    """
    cameras, total, points = [], 0.0, step.joints[step.joint_valid]
    hands = points.reshape(-1, NUM_HAND_JOINTS, 3)
    fingers = (hands[:, list(PALM[1:-1])].mean(axis=1) - hands[:, RIGHT_WRIST]).mean(axis=0)
    for number in numbers:
        tries: list[tuple[float, VirtualCamera]] = []
        while len(tries) < MAX_CAMERAS and (not tries or tries[-1][0] >= 0.5):
            camera = draw_camera(rng, ranges, points, fingers, sizes[number % len(sizes)], number, hard)
            tries.append((view_score(step, camera), camera))
        score, best = min(tries, key=lambda pair: pair[0])
        total += score
        cameras.append(best)
    return cameras, total
