"""From pixels and wrist-relative depth to millimeters in the camera's frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..structures.camera import root_depth_from_bones
from ..structures.joints import HANDS, KNUCKLES, LEFT_WRIST, NUM_HAND_JOINTS, NUM_JOINTS, PARENTS, RIGHT_WRIST

# Limits for depths that are not plausible, which happen if a hand points at the camera or a prediction failed.
NEAREST_JOINT_MM, FARTHEST_WRIST_MM = 10.0, 20_000.0


def wrist_depths_given(depth_mm: float | Sequence[float], shown: np.ndarray, rel_root_depth_mm: float) -> np.ndarray:
    """Return the absolute depths of the wrists from what the user knows.

    Args:
        depth_mm: Depths of the right and the left wrist, or one number. If both hands are shown, one number is the
            depth of the right wrist, and the left one follows from `rel_root_depth_mm`; otherwise it is the depth of
            the wrist that is shown.
        shown: (42,) bool, joints of the hands that are shown.
        rel_root_depth_mm: z(left wrist) - z(right wrist).

    Returns:
        (2,) mm, right and left.

    Example:
        >>> wrist_depths_given(700.0, np.ones(42, bool), rel_root_depth_mm=30.0).tolist()
        [700.0, 730.0]
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
    bones_mm: np.ndarray | None = None,
) -> np.ndarray:
    """Return the wrist depths at which the palms are as long as an average adult's: a guess, not metric.

    In videos, the mean lengths of all bones over the past frames make this guess calmer.

    Two hands share one unknown depth: the left hand's d are counted from the right wrist, `rel_root_depth_mm` added.
    See `root_depth_from_bones` for the formula.

    Args:
        keypoints: (42, 3) u, v px and d mm relative to the own wrist, 0 at the wrist.
        shown: (42,) bool, joints of the hands that are shown; at least one hand.
        rel_root_depth_mm: z(left wrist) - z(right wrist); used if both hands are shown.
        focal: (2,) px.
        principal_pt: (2,) px.
        palm_mm: (4,) lengths of the bones from `KNUCKLES` to the wrist.
        bones_mm: (42,) lengths of the bones from each joint to its parent, used instead of `palm_mm` where they are not
            NaN.

    Returns:
        (2,) mm, right and left; equal if only one hand is shown.
    """
    offset = rel_root_depth_mm if shown[RIGHT_WRIST] and shown[LEFT_WRIST] else 0.0
    depth = keypoints[:, 2] + np.repeat([0.0, offset], NUM_HAND_JOINTS)
    lengths = np.full(NUM_JOINTS, np.nan)
    for hand in HANDS:
        lengths[hand][list(KNUCKLES)] = palm_mm
    if bones_mm is not None:
        lengths = np.where(np.isnan(bones_mm), lengths, bones_mm)
    used = np.flatnonzero(shown & np.isfinite(lengths))
    bones = np.column_stack([used, np.array(PARENTS)[used]])
    points = np.column_stack([keypoints[:, :2], depth])
    z = float(root_depth_from_bones(points, bones, lengths[used], focal, principal_pt))
    z = min(max(z, NEAREST_JOINT_MM - float(depth[shown].min())), FARTHEST_WRIST_MM)
    return np.array([z, z + offset])
