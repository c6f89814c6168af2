"""Contact of skin: how deep two limbs, or the fingers of one hand, lie in each other, and moving two limbs apart.

Everything is measured on the vertices of the posed meshes. The signed distance of a point to a limb is taken from the
nearest vertex of the limb, along that vertex's normal; it is negative inside.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from .skeleton import FOREARM_BONE, HAND_BONE

REACH_MM = 12.0  # vertices are searched within this distance; larger depths and gaps are not measured
_OPEN = 1e3  # stands for a gap larger than `REACH_MM`


class Skin(NamedTuple):
    """Posed vertices of a limb, sorted into cubes with sides of `REACH_MM`.

    Attributes:
        points: (N, 3) float64 mm, sorted by cube.
        normals: (N, 3) float64, outward.
        fingers: (N,) finger 0 to 4 that a vertex moves with, -1 for palm and arm.
        segments: (N,) segment 0 to 2 of this finger.
        origin: (3,) mm, corner of the first cube.
        shape: (3,) number of cubes along each axis.
        starts: (cubes + 1,) index of the first vertex of each cube.
    """

    points: np.ndarray
    normals: np.ndarray
    fingers: np.ndarray
    segments: np.ndarray
    origin: np.ndarray
    shape: np.ndarray
    starts: np.ndarray


@njit(cache=True, nogil=True, error_model="numpy")
def _sort_into_cubes(points, normals, bones, origin, shape):
    n = points.shape[0]
    cubes, starts = np.empty(n, np.int64), np.zeros(shape[0] * shape[1] * shape[2] + 1, np.int64)
    for i in range(n):
        x, y, z = (points[i, 0] - origin[0], points[i, 1] - origin[1], points[i, 2] - origin[2])
        cubes[i] = (int(x / REACH_MM) * shape[1] + int(y / REACH_MM)) * shape[2] + int(z / REACH_MM)
        starts[cubes[i] + 1] += 1
    for c in range(starts.size - 1):
        starts[c + 1] += starts[c]
    free = starts.copy()
    p, q, fingers, segments = np.empty((n, 3)), np.empty((n, 3)), np.empty(n, np.int64), np.empty(n, np.int64)
    for i in range(n):
        j = free[cubes[i]]
        free[cubes[i]] += 1
        for k in range(3):
            p[j, k], q[j, k] = points[i, k], normals[i, k]
        on_finger = HAND_BONE < bones[i] < FOREARM_BONE
        fingers[j], segments[j] = ((bones[i] - 1) // 3, (bones[i] - 1) % 3) if on_finger else (-1, 0)
    return p, q, fingers, segments, starts


@njit(cache=True, nogil=True, error_model="numpy")
def bounds(points):
    """Return the lowest and the highest coordinates (D,) of points (N, D), much faster than numpy does for small D."""
    low, high = points[0].copy(), points[0].copy()
    for i in range(1, points.shape[0]):
        for k in range(points.shape[1]):
            low[k], high[k] = min(low[k], points[i, k]), max(high[k], points[i, k])
    return low, high


def sort_skin(points: np.ndarray, normals: np.ndarray, bones: np.ndarray) -> Skin:
    """Sort posed vertices into cubes.

    Args:
        points: (N, 3) mm.
        normals: (N, 3) unit normals, outward.
        bones: (N,) bone that moves each vertex most.
    """
    low, high = bounds(points)
    origin = low - 0.5 * REACH_MM
    shape = ((high - origin) / REACH_MM).astype(np.int64) + 1
    p, n, fingers, segments, starts = _sort_into_cubes(points, normals, bones, origin, shape)
    return Skin(p, n, fingers, segments, origin, shape, starts)


@njit(cache=True, nogil=True, error_model="numpy")
def _nearest(skin, x, y, z, without):
    """Return the index of the vertex nearest to a point, without those of one finger; -1 if none is in reach."""
    best, index = REACH_MM * REACH_MM, -1
    i0 = int(np.floor((x - skin.origin[0]) / REACH_MM))
    j0 = int(np.floor((y - skin.origin[1]) / REACH_MM))
    k0 = int(np.floor((z - skin.origin[2]) / REACH_MM))
    klow, khigh = max(k0 - 1, 0), min(k0 + 2, skin.shape[2])
    if klow >= khigh:
        return -1
    for i in range(max(i0 - 1, 0), min(i0 + 2, skin.shape[0])):
        for j in range(max(j0 - 1, 0), min(j0 + 2, skin.shape[1])):
            row = (i * skin.shape[1] + j) * skin.shape[2]
            for v in range(skin.starts[row + klow], skin.starts[row + khigh]):
                dx, dy, dz = x - skin.points[v, 0], y - skin.points[v, 1], z - skin.points[v, 2]
                square = dx * dx + dy * dy + dz * dz
                if square < best and (without < 0 or skin.fingers[v] != without):
                    best, index = square, v
    return index


@njit(cache=True, nogil=True, error_model="numpy")
def _depth_at(skin, v, x, y, z):
    """Return how deep in mm a point lies below vertex `v` along its normal; negative outside."""
    n, p = skin.normals[v], skin.points[v]
    return -((x - p[0]) * n[0] + (y - p[1]) * n[1] + (z - p[2]) * n[2])


@njit(cache=True, nogil=True, error_model="numpy")
def _touch(skin, other, shift, sign, direction, push):
    """Compare the vertices of `other` + `sign` * `shift` with `skin`; see `overlap`. `push` moves `other` outward."""
    deepest, weight = -_OPEN, 0.0
    for i in range(other.points.shape[0]):
        x = other.points[i, 0] + sign * shift[0]
        y = other.points[i, 1] + sign * shift[1]
        z = other.points[i, 2] + sign * shift[2]
        v = _nearest(skin, x, y, z, -1)
        if v < 0:
            continue
        nx, ny, nz = skin.normals[v, 0], skin.normals[v, 1], skin.normals[v, 2]
        depth = _depth_at(skin, v, x, y, z)
        if depth > deepest:
            deepest = depth
            direction[0], direction[1], direction[2] = sign * nx, sign * ny, sign * nz
        if depth > 0.0:
            weight += depth
            push[0] += sign * nx * depth * depth
            push[1] += sign * ny * depth * depth
            push[2] += sign * nz * depth * depth
    return deepest, weight


@njit(cache=True, nogil=True, error_model="numpy")
def overlap(first, second, shift):
    """Return how the skin of two limbs overlaps when the second one is shifted.

    Args:
        first: `Skin` of the first limb.
        second: `Skin` of the second limb.
        shift: (3,) mm.

    Returns:
        The deepest overlap in mm (negative if there is a gap, -1000 if it is larger than `REACH_MM`), its direction
        (3,), and the push (3,) in mm that moves `second` out of all overlaps, a mean weighted by their depths.
    """
    direction, back, push = np.zeros(3), np.zeros(3), np.zeros(3)
    deepest, weight = _touch(first, second, shift, 1.0, direction, push)
    other, more = _touch(second, first, shift, -1.0, back, push)
    if other > deepest:
        deepest = other
        direction[:] = back
    return deepest, direction, push / (weight + more + 1e-9)


@njit(cache=True, nogil=True, error_model="numpy")
def _separate(first, second, out, start, allowed_mm):
    shift = start.copy()
    for turn in range(100):
        deepest, direction, push = overlap(first, second, shift)
        if deepest <= allowed_mm:
            break
        if turn < 16:  # small steps along the mean push, so that interlaced fingers settle between each other
            if np.sqrt(np.sum(push * push)) < 0.2:
                push = direction * 0.5 * (deepest - allowed_mm)
            shift += push
        elif turn < 26:  # larger steps out of the deepest overlap
            shift += direction * (deepest - 0.8 * allowed_mm)
        else:  # blocked from two sides: move the whole hands apart
            shift += out * 4.0
    if turn > 26:
        for back in (2.0, 1.0, 0.5):  # the last step was up to 4 mm too long
            if overlap(first, second, shift - out * back)[0] <= allowed_mm:
                shift -= out * back
    return shift


def separate(first: Skin, second: Skin, start: np.ndarray, allowed_mm: float) -> np.ndarray:
    """Return a translation (3,) in mm of `second` after which it overlaps `first` by at most `allowed_mm`.

    Args:
        first: Skin of the first limb.
        second: Skin of the second limb.
        start: (3,) mm, translation from which the search starts.
        allowed_mm: Overlap that may remain.
    """
    out = second.points.mean(axis=0) + start - first.points.mean(axis=0)
    return _separate(first, second, out / (np.linalg.norm(out) + 1e-9), np.asarray(start, np.float64), allowed_mm)


@njit(cache=True, nogil=True, error_model="numpy")
def _gap(first, second, shift):
    """Return the vector (3,) in mm from the vertex of `second` + `shift` nearest to `first` to its nearest vertex."""
    best, out = 1e18, np.zeros(3)
    for stride in (1, 5):  # far apart, every fifth vertex is compared with every fifth
        for i in range(0, second.points.shape[0], stride):
            point = second.points[i] + shift
            if stride == 1:
                v = _nearest(first, point[0], point[1], point[2], -1)
                rows = range(v, v + 1) if v >= 0 else range(0)
            else:
                rows = range(0, first.points.shape[0], stride)
            for v in rows:
                x, y, z = first.points[v] - point
                square = x * x + y * y + z * z
                if square < best:
                    best = square
                    out[0], out[1], out[2] = x, y, z
        if best < 1e18:
            break
    return out


def approach(first: Skin, second: Skin, shift: np.ndarray, rounds: int = 4) -> np.ndarray:
    """Return the translation `shift` (3,) in mm of `second`, changed so that the gap to `first` is closed."""
    for _ in range(rounds):
        if overlap(first, second, shift)[0] >= -0.3:
            break
        shift = shift + _gap(first, second, shift)
    return shift


@njit(cache=True, nogil=True, error_model="numpy")
def finger_overlaps(skin):
    """Return how deep the fingers of one hand lie in each other and in the palm, (5, 6) mm; 0 where they do not.

    Row f holds the overlap of finger f with thumb to pinky and, in the last column, with the palm. Vertices of the
    finger roots do not count.

    Args:
        skin: `Skin` of the hand.
    """
    out = np.zeros((5, 6))
    for i in range(skin.points.shape[0]):
        finger = skin.fingers[i]
        # The root of a finger, and the thumb up to its last joint, always touch the palm and their neighbors.
        if finger < 0 or skin.segments[i] < (2 if finger == 0 else 1):
            continue
        x, y, z = skin.points[i]
        v = _nearest(skin, x, y, z, finger)
        if v < 0:
            continue
        other = skin.fingers[v]
        if other < 0 or (other == 0 and skin.segments[v] == 0):  # the ball of the thumb belongs to the palm
            other = 5
        out[finger, other] = max(out[finger, other], _depth_at(skin, v, x, y, z))
    return out


def self_overlap(skin: Skin) -> float:
    """Return the deepest overlap in mm of a hand's fingers with each other and with the palm."""
    return float(finger_overlaps(skin).max())


@njit(cache=True, nogil=True, error_model="numpy")
def finger_pushes(skin, other):
    """Return the vector (5, 3) in mm that moves each finger out of another limb; 0 for a finger outside.

    It is the mean over the finger's vertices in the limb, weighted by their depths, so that it changes smoothly.

    Args:
        skin: `Skin` of the hand.
        other: `Skin` of the other limb.
    """
    out, weight = np.zeros((5, 3)), np.full(5, 1e-9)
    for i in range(skin.points.shape[0]):
        finger = skin.fingers[i]
        if finger < 0:
            continue
        x, y, z = skin.points[i]
        v = _nearest(other, x, y, z, -1)
        if v < 0:
            continue
        depth = _depth_at(other, v, x, y, z)
        if depth > 0.0:
            weight[finger] += depth
            out[finger] += depth * depth * other.normals[v]
    for finger in range(5):
        out[finger] /= weight[finger]
    return out
