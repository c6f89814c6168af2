"""The pinhole camera, and affines between images and crops.

Frames: *world* and *camera* in millimeters (camera: x right, y down, z forward), *pixels* of the full image, and *crop*
pixels of the network's input. Pixel centers are integers, so a mirror is ``x -> W - 1 - x``. Where a function is typed
with `Array`, it takes NumPy arrays or torch tensors and returns the same kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .joints import OWN_WRIST

if TYPE_CHECKING:
    import torch

Array = TypeVar("Array", np.ndarray, "torch.Tensor")

# The official projection divides by Z + 1e-8 (docs/spec/datasets.md, section 1.7). It is kept for identical results.
_Z_EPSILON_MM = 1e-8


def _stack(like: Array, *columns: Array) -> Array:
    if isinstance(like, np.ndarray):
        return np.stack(columns, axis=-1)
    import torch

    return torch.stack(columns, dim=-1)


def world_to_camera(points_world: Array, rotation: Array, position: Array) -> Array:
    """Move world points into a camera's frame: ``X_cam = R (X_world - C)``.

    Args:
        points_world: (..., 3) mm, world frame.
        rotation: (3, 3) rotation from world to camera ("camrot").
        position: (3,) center of the camera in the world frame, mm ("campos").

    Returns:
        (..., 3) mm, camera frame.
    """
    return (points_world - position) @ rotation.T


def camera_to_pixel(points_cam: Array, focal: Array, principal_pt: Array) -> Array:
    """Project camera-frame points: ``u = fx X/Z + cx``, ``v = fy Y/Z + cy``.

    Args:
        points_cam: (..., 3) mm, camera frame.
        focal: (..., 2) px (fx, fy), broadcast against the points' leading axes.
        principal_pt: (..., 2) px (cx, cy), broadcast in the same way.

    Returns:
        (..., 2) px.
    """
    z = points_cam[..., 2] + _Z_EPSILON_MM
    u = focal[..., 0] * points_cam[..., 0] / z + principal_pt[..., 0]
    v = focal[..., 1] * points_cam[..., 1] / z + principal_pt[..., 1]
    return _stack(points_cam, u, v)


def pixel_to_camera(points_uvz: Array, focal: Array, principal_pt: Array) -> Array:
    """Back-project pixels with depth: ``X = (u - cx)/fx Z``, ``Y = (v - cy)/fy Z``.

    Args:
        points_uvz: (..., 3) u, v px and absolute depth z mm.
        focal: (..., 2) px, broadcast against the points' leading axes.
        principal_pt: (..., 2) px, broadcast in the same way.

    Returns:
        (..., 3) mm, camera frame.
    """
    z = points_uvz[..., 2]
    x = (points_uvz[..., 0] - principal_pt[..., 0]) / focal[..., 0] * z
    y = (points_uvz[..., 1] - principal_pt[..., 1]) / focal[..., 1] * z
    return _stack(points_uvz, x, y, z)


def relative_to_wrists(keypoints: np.ndarray) -> np.ndarray:
    """Return keypoints (..., 42, 3) whose d is 0 at each hand's own wrist.

    A network predicts the d of the wrist like that of every other joint, some millimeters beside 0. Without this step
    a wrist would not lie at the depth that is given for it.

    Example:
        >>> relative_to_wrists(np.full((42, 3), 5.0))[20].tolist()
        [5.0, 5.0, 0.0]
    """
    moved = np.array(keypoints, np.float64)
    moved[..., 2] -= moved[..., OWN_WRIST, 2]
    return moved


def lift_to_camera(
    keypoints: np.ndarray, wrist_depth_mm: np.ndarray, focal: np.ndarray, principal_pt: np.ndarray
) -> np.ndarray:
    """Back-project keypoints with wrist-relative depth, given the absolute depths of the wrists.

    Args:
        keypoints: (..., K, 3) u, v px and d mm relative to the own wrist, hand after hand.
        wrist_depth_mm: (..., H) absolute depth of each hand's wrist; every hand has K / H keypoints.
        focal: (..., 2) px.
        principal_pt: (..., 2) px.

    Returns:
        (..., K, 3) float64 mm, camera frame; NaN where `keypoints` is.

    Examples:
        >>> wrist, depth = np.array([[60.0, 50.0, 0.0]]), np.array([500.0])
        >>> lift_to_camera(wrist, depth, np.array([100.0, 100.0]), np.array([50.0, 50.0])).tolist()
        [[50.0, 0.0, 500.0]]
    """
    points = np.array(keypoints, np.float64)
    depths = np.asarray(wrist_depth_mm, np.float64)
    points[..., 2] += np.repeat(depths, points.shape[-2] // depths.shape[-1], axis=-1)
    focal, principal_pt = (np.asarray(value, np.float64)[..., None, :] for value in (focal, principal_pt))
    return pixel_to_camera(points, focal, principal_pt)


def root_depth_from_bones(
    keypoints: np.ndarray, bones: np.ndarray, lengths_mm: np.ndarray, focal: np.ndarray, principal_pt: np.ndarray
) -> np.ndarray:
    """Return the absolute depth of the root at which bones are as long as they are known to be.

    A joint of relative depth d on the ray ``r = ((u - cx)/fx, (v - cy)/fy, 1)`` lies at ``r (z + d)``, so the bone from
    a to b is ``z A + B`` with ``A = r_a - r_b`` and ``B = d_a r_a - d_b r_b``. The squared lengths of the bones add up
    to the known ones where ``z^2 sum A.A + 2 z sum A.B + sum B.B - sum L^2 = 0``. The larger root is taken: there a
    hand that is further away would be longer. (Iqbal et al., ECCV 2018, for one bone of a normalized 2.5D pose.)

    Args:
        keypoints: (..., K, 3) u, v px and d mm relative to one common root.
        bones: (M, 2) indices of the two joints of each bone.
        lengths_mm: (..., M) known lengths.
        focal: (..., 2) px.
        principal_pt: (..., 2) px.

    Returns:
        (...) mm. Where no depth gives these lengths, the one that comes nearest.
    """
    points = np.asarray(keypoints, np.float64)
    directions = np.concatenate([points[..., :2], np.ones_like(points[..., :1])], axis=-1)
    focal, principal_pt = (np.asarray(value, np.float64)[..., None, :] for value in (focal, principal_pt))
    rays = pixel_to_camera(directions, focal, principal_pt)
    a, b = np.asarray(bones).T
    slope = rays[..., a, :] - rays[..., b, :]
    offset = points[..., a, 2:] * rays[..., a, :] - points[..., b, 2:] * rays[..., b, :]
    square = np.maximum((slope * slope).sum((-2, -1)), 1e-12)
    linear = (slope * offset).sum((-2, -1))
    constant = (offset * offset).sum((-2, -1)) - np.square(lengths_mm).sum(-1)
    return np.asarray((-linear + np.sqrt(np.maximum(linear * linear - square * constant, 0.0))) / square)


def crop_affine(
    bbox_xyxy: np.ndarray, size: tuple[int, int], scale: float = 1.0, rotation_deg: float = 0.0
) -> np.ndarray:
    """Affine from full-image to crop pixels (docs/spec/datasets.md, section 2.2, step 6; no half-pixel offsets).

    The center of the box maps to the center of the crop (w/2, h/2). The box times `scale`, rotated by `rotation_deg`,
    fills the crop.

    Args:
        bbox_xyxy: (4,) px of the box to cut out, in the aspect ratio of the crop.
        size: (width, height) px of the crop.
        scale: Factor on the box; above 1 shows more of the image.
        rotation_deg: Rotation in degrees; x' = x cos - y sin, y' = x sin + y cos.

    Returns:
        (2, 3) float64; ``crop = A @ (u, v, 1)``.
    """
    x1, y1, x2, y2 = (float(value) for value in bbox_xyxy)
    width, height = size
    angle = np.deg2rad(rotation_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    step_x, step_y = (x2 - x1) * scale / width, (y2 - y1) * scale / height
    to_image = np.array([[cos * step_x, -sin * step_y], [sin * step_x, cos * step_y]])
    center = np.array([(x1 + x2) / 2, (y1 + y2) / 2])
    linear = np.linalg.inv(to_image)
    return np.column_stack([linear, np.array([width / 2, height / 2]) - linear @ center])


def invert_affine(affine: np.ndarray) -> np.ndarray:
    """Return the inverse of a (2, 3) affine, or of a batch (..., 2, 3)."""
    linear = np.linalg.inv(affine[..., :2])
    return np.concatenate([linear, -linear @ affine[..., 2:]], axis=-1)


def mirror_affine(image_width: int) -> np.ndarray:
    """Return the (2, 3) affine of the mirror ``x -> W - 1 - x``."""
    return np.array([[-1.0, 0.0, image_width - 1.0], [0.0, 1.0, 0.0]])


def compose_affine(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Return the affine that applies `inner` first and then `outer`; all are (2, 3)."""
    linear = outer[:, :2] @ inner[:, :2]
    return np.column_stack([linear, outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def apply_affine(points: Array, affine: Array) -> Array:
    """Map (..., 2) points with a (2, 3) affine, or (B, N, 2) points with a batch (B, 2, 3).

    Examples:
        >>> apply_affine(np.array([[0.0, 5.0]]), mirror_affine(image_width=100)).tolist()
        [[99.0, 5.0]]
    """
    linear, offset = affine[..., :2], affine[..., 2]
    if affine.ndim == 2:
        return points @ linear.T + offset
    return points @ linear.swapaxes(-1, -2) + offset[..., None, :]
