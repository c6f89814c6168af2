"""From pixels and wrist-relative depth to millimeters in the camera's frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..structures.camera import pixel_to_camera
from ..structures.joints import LEFT_WRIST, NUM_HAND_JOINTS, NUM_JOINTS, OWN_WRIST, RIGHT_WRIST

# The knuckles of index, middle, ring and pinky: the palm's bones run from them to the wrist and hardly bend.
PALM_KNUCKLES = (7, 11, 15, 19)
# Where a hand that points at the camera, or a failed prediction, gives no sensible depth, it stays in between.
NEAREST_JOINT_MM, FARTHEST_WRIST_MM = 10.0, 20_000.0


def wrist_depths_given(depth_mm: float | Sequence[float], shown: np.ndarray, rel_root_depth_mm: float) -> np.ndarray:
    """Absolute depths of the wrists from what the user knows.

    Args:
        depth_mm: Of the right and the left wrist, or one number: of the right wrist where it is shown (the left
            one then follows from `rel_root_depth_mm`), else of the left.
        shown: (42,) bool.
        rel_root_depth_mm: z(left wrist) - z(right wrist).

    Returns:
        (2,) mm, right and left.
    """
    if not isinstance(depth_mm, (int, float)):
        return np.array(depth_mm, np.float64)
    both = shown[RIGHT_WRIST] and shown[LEFT_WRIST]
    return np.array([depth_mm, depth_mm + (rel_root_depth_mm if both else 0.0)])


def wrist_depths_from_size(
    keypoints: np.ndarray,
    shown: np.ndarray,
    rel_root_depth_mm: float,
    focal: np.ndarray,
    principal_pt: np.ndarray,
    palm_mm: np.ndarray,
) -> np.ndarray:
    """Absolute depths of the wrists at which the palms are as long as an average adult's: a guess, not metric.

    A joint at depth ``z + d`` on the ray ``r = ((u - cx)/fx, (v - cy)/fy, 1)`` stands at ``r (z + d)``. A bone
    from joint a to its wrist w is then ``z (r_a - r_w) + (d_a r_a - d_w r_w) = z A + B``, and the depth at which
    the squared lengths add up to the wanted ones solves ``z^2 sum A.A + 2 z sum A.B + sum B.B - sum L^2 = 0``;
    the larger root is the one where a hand further away would be longer. Two hands share one unknown: the left
    hand's d are counted from the right wrist, `rel_root_depth_mm` added.

    Args:
        keypoints: (42, 3) u, v px and d mm relative to the own wrist.
        shown: (42,) bool; at least one hand.
        rel_root_depth_mm: z(left wrist) - z(right wrist); read where both hands are shown.
        focal: (2,) px.
        principal_pt: (2,) px.
        palm_mm: (4,) lengths of the bones from `PALM_KNUCKLES` to the wrist.

    Returns:
        (2,) mm, right and left; equal where only one hand is shown.
    """
    offset = rel_root_depth_mm if shown[RIGHT_WRIST] and shown[LEFT_WRIST] else 0.0
    depth = keypoints[:, 2] + np.repeat([0.0, offset], NUM_HAND_JOINTS)
    uv1 = np.column_stack([keypoints[:, :2], np.ones(NUM_JOINTS)])
    rays = pixel_to_camera(uv1, focal, principal_pt)
    knuckles = np.array([*PALM_KNUCKLES, *(joint + NUM_HAND_JOINTS for joint in PALM_KNUCKLES)])
    used = shown[knuckles]
    knuckles, lengths = knuckles[used], np.tile(palm_mm, 2)[used]
    wrists = OWN_WRIST[knuckles]
    slope = rays[knuckles] - rays[wrists]
    fixed = depth[knuckles, None] * rays[knuckles] - depth[wrists, None] * rays[wrists]
    a, b = max(float((slope * slope).sum()), 1e-12), float((slope * fixed).sum())
    c = float((fixed * fixed).sum() - (lengths * lengths).sum())
    # No root: the relative depths alone are longer than the palms; the minimum comes nearest to them.
    z = (-b + np.sqrt(max(b * b - a * c, 0.0))) / a
    z = min(max(z, NEAREST_JOINT_MM - float(depth[shown].min())), FARTHEST_WRIST_MM)
    return np.array([z, z + offset])


def lift_keypoints(
    keypoints: np.ndarray, wrist_depths_mm: np.ndarray, focal: np.ndarray, principal_pt: np.ndarray
) -> np.ndarray:
    """Back-project keypoints with the absolute depths of their wrists.

    Args:
        keypoints: (42, 3) u, v px and d mm relative to the own wrist; NaN where not shown.
        wrist_depths_mm: (2,) right and left.
        focal: (2,) px.
        principal_pt: (2,) px.

    Returns:
        (42, 3) float64 mm, camera frame; NaN where `keypoints` is.
    """
    points = keypoints.astype(np.float64)
    points[:, 2] += np.repeat(wrist_depths_mm, NUM_HAND_JOINTS)
    return pixel_to_camera(points, focal.astype(np.float64), principal_pt.astype(np.float64))
