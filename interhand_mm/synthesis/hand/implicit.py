"""The hand as an implicit surface: a smooth union of flattened round cones.

A primitive is a row of 14 floats: end a (3), end b (3), radius at a, radius at b, unit flattening direction (3),
flattening (above 1 is thinner along that direction), group, blend width in mm. Group 0 is palm and arm, groups 1 to 5
are the fingers.
"""

from __future__ import annotations

import numpy as np
from numba import njit

NUM_GROUPS = 6
ROW = 14
FINGER_BLEND_MM = 7.0
# Primitives of the palm and of fingers that are farther from a point of the surface do not change it: the widest blend
# of their group and some slack.
PALM_REACH_MM, FINGER_REACH_MM = 20.0, 13.0
GROUP_REACH_MM = 32.0  # skin farther from a finger than this does not move with it
BLOCK, CUBE_MM = 4, 12.0  # primitives are chosen for blocks of grid points, and for cubes of points
FAR_MM = 60.0


def cone(
    a: np.ndarray,
    b: np.ndarray,
    radius_a: float,
    radius_b: float,
    group: int,
    blend: float = 6.0,
    flat: float = 1.0,
    direction: np.ndarray | None = None,
) -> np.ndarray:
    """Return one primitive, (14,) float64 in mm.

    Args:
        a: (3,) first end.
        b: (3,) second end.
        radius_a: Radius at `a`.
        radius_b: Radius at `b`.
        group: 0 for palm and arm, 1 to 5 for thumb to pinky.
        blend: Width in mm over which the primitive blends with others of its group.
        flat: Flattening along `direction`; above 1 is thinner.
        direction: (3,) unit vector, default +z.
    """
    z = np.array([0.0, 0.0, 1.0]) if direction is None else direction
    return np.concatenate([a, b, [radius_a, radius_b], z, [flat, group, blend]])


@njit(cache=True, nogil=True, error_model="numpy")
def _prepared(prims):
    """Return the primitives (P, 20) with what their distance needs at every point.

    A row is: end a (3), axis in the space stretched along the flattening direction (3), its inverse squared length,
    shift of the foot by the cone's slope, radius at a, its change to b, flattening direction (3), flattening minus 1,
    scale of the distance, group, blend width, and what bounds it: end b (3) relative to a as it is.
    """
    out = np.zeros((prims.shape[0], ROW + 6))
    for i in range(prims.shape[0]):
        p, row = prims[i], out[i]
        grow = p[11] - 1.0
        b = p[3:6] - p[:3]
        row[:3], row[17:] = p[:3], b
        stretched = b + grow * np.dot(b, p[8:11]) * p[8:11]
        row[3:6] = stretched
        bb = np.dot(stretched, stretched)
        if bb > 1e-9:
            row[6] = 1.0 / bb
            # On a cone the nearest point is shifted along the axis from the foot of the perpendicular, by the slope.
            slope = (p[7] - p[6]) / np.sqrt(bb)
            if slope * slope < 0.98:
                row[7] = slope / np.sqrt((1.0 - slope * slope) * bb)
        row[8], row[9] = p[6], p[7] - p[6]
        row[10:13], row[13] = p[8:11], grow
        row[14], row[15], row[16] = 1.0 / (1.0 + 0.5 * grow), p[12], p[13]
    return out


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _foot(x, y, z, p):
    """Return the position 0..1 on the axis of a prepared primitive that is nearest to a point, and the vector to it."""
    px, py, pz = x - p[0], y - p[1], z - p[2]
    if p[13] != 0.0:
        d = p[13] * (px * p[10] + py * p[11] + pz * p[12])
        px, py, pz = px + d * p[10], py + d * p[11], pz + d * p[12]
    t = (px * p[3] + py * p[4] + pz * p[5]) * p[6]
    if p[7] != 0.0:
        cx, cy, cz = px - t * p[3], py - t * p[4], pz - t * p[5]
        t += np.sqrt(cx * cx + cy * cy + cz * cz) * p[7]
    t = min(max(t, 0.0), 1.0)
    return t, px - t * p[3], py - t * p[4], pz - t * p[5]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _cone_distance(x, y, z, p):
    """Return the approximate signed distance in mm to one flattened round cone, a prepared primitive."""
    t, cx, cy, cz = _foot(x, y, z, p)
    return (np.sqrt(cx * cx + cy * cy + cz * cz) - (p[8] + t * p[9])) * p[14]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _cone_slope(x, y, z, p, out):
    """Return `_cone_distance` and write its gradient to `out` (3,).

    The distance is smallest at the foot on the axis, so moving the foot does not change it, and the gradient is that
    for a fixed foot.
    """
    t, cx, cy, cz = _foot(x, y, z, p)
    length = np.sqrt(cx * cx + cy * cy + cz * cz) + 1e-12
    along, scale = p[13] * (cx * p[10] + cy * p[11] + cz * p[12]), p[14] / length
    out[0], out[1], out[2] = (cx + along * p[10]) * scale, (cy + along * p[11]) * scale, (cz + along * p[12]) * scale
    return (length - (p[8] + t * p[9])) * p[14]


@njit(cache=True, nogil=True, error_model="numpy")
def _smooth_min(a, b, k):
    h = max(k - abs(a - b), 0.0) / k
    return min(a, b) - h * h * k * 0.25


@njit(cache=True, nogil=True, error_model="numpy")
def distance(x, y, z, prims, groups):
    """Return the signed distance in mm to the whole surface.

    Args:
        x: Coordinate of the point in mm.
        y: Coordinate of the point in mm.
        z: Coordinate of the point in mm.
        prims: (P, 20) from `_prepared`.
        groups: (6,) output, the distance to palm and arm, and to each finger.
    """
    for g in range(NUM_GROUPS):
        groups[g] = 1e6
    for i in range(prims.shape[0]):
        g = int(prims[i, 15])
        d = _cone_distance(x, y, z, prims[i])
        groups[g] = d if groups[g] > 1e5 else _smooth_min(groups[g], d, prims[i, 16])
    best = groups[0]
    for g in range(1, NUM_GROUPS):
        best = min(best, _smooth_min(groups[0], groups[g], FINGER_BLEND_MM))
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def _mix(a, b, k, slope_a, slope_b):
    """Return `_smooth_min`, and replace `slope_a` (3,) by its gradient."""
    h = 0.5 * max(k - abs(a - b), 0.0) / k
    share = h if a <= b else 1.0 - h
    for i in range(3):
        slope_a[i] += share * (slope_b[i] - slope_a[i])
    return _smooth_min(a, b, k)


@njit(cache=True, nogil=True, error_model="numpy")
def _distance_and_gradient(x, y, z, prims, groups, slopes, gradient):
    """Return `distance` and write its gradient to `gradient` (3,); `slopes` (8, 3) is work space."""
    groups[:] = 1e6
    slopes[:] = 0.0
    own, kept = slopes[NUM_GROUPS], slopes[NUM_GROUPS + 1]
    for i in range(prims.shape[0]):
        g = int(prims[i, 15])
        d = _cone_slope(x, y, z, prims[i], own)
        if groups[g] > 1e5:
            groups[g] = d
            slopes[g, :] = own
        else:
            groups[g] = _mix(groups[g], d, prims[i, 16], slopes[g], own)
    best = groups[0]
    gradient[:] = slopes[0]
    for g in range(1, NUM_GROUPS):
        kept[:] = slopes[0]
        joined = _mix(groups[0], groups[g], FINGER_BLEND_MM, kept, slopes[g])
        if joined < best:
            best = joined
            gradient[:] = kept
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def _near(prims, low, high, reach_palm, reach_finger):
    """Return the primitives within a distance in mm of a box from `low` (3,) to `high` (3,)."""
    near = np.empty(prims.shape[0], np.int64)
    count = 0
    cx, cy, cz = 0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1]), 0.5 * (low[2] + high[2])
    half = 0.5 * np.sqrt((high[0] - low[0]) ** 2 + (high[1] - low[1]) ** 2 + (high[2] - low[2]) ** 2)
    for i in range(prims.shape[0]):
        p = prims[i]
        bx, by, bz = p[17], p[18], p[19]
        px, py, pz = cx - p[0], cy - p[1], cz - p[2]
        t = min(max((px * bx + py * by + pz * bz) / (bx * bx + by * by + bz * bz + 1e-9), 0.0), 1.0)
        px, py, pz = px - t * bx, py - t * by, pz - t * bz
        reach = half + p[8] + max(p[9], 0.0) + (reach_palm if p[15] == 0.0 else reach_finger)
        if px * px + py * py + pz * pz < reach * reach:
            near[count] = i
            count += 1
    return prims[near[:count]]


@njit(cache=True, nogil=True, error_model="numpy")
def distance_grid(xs, ys, zs, prims):
    """Return the signed distances (X, Y, Z) float32 in mm on a grid with three axes in mm.

    They are right within 0.15 mm near the surface; far from it they have the right sign alone.
    """
    out = np.full((xs.size, ys.size, zs.size), FAR_MM, np.float32)
    groups, low, high, rows = np.empty(NUM_GROUPS), np.empty(3), np.empty(3), _prepared(prims)
    for i0 in range(0, xs.size, BLOCK):
        i1 = min(i0 + BLOCK, xs.size)
        low[0], high[0] = xs[i0], xs[i1 - 1]
        for j0 in range(0, ys.size, BLOCK):
            j1 = min(j0 + BLOCK, ys.size)
            low[1], high[1] = ys[j0], ys[j1 - 1]
            for k0 in range(0, zs.size, BLOCK):
                k1 = min(k0 + BLOCK, zs.size)
                low[2], high[2] = zs[k0], zs[k1 - 1]
                subset = _near(rows, low, high, PALM_REACH_MM, FINGER_REACH_MM)
                if subset.shape[0] == 0:
                    continue
                middle = 0.5 * (low + high)
                d = distance(middle[0], middle[1], middle[2], subset, groups)
                # The distance changes by less than 1.3 mm per mm: the surface passes by a block that is far from it.
                if abs(d) > 1.3 * np.sqrt(np.sum((high - middle) ** 2)) + 4.0:
                    out[i0:i1, j0:j1, k0:k1] = d
                    continue
                for i in range(i0, i1):
                    for j in range(j0, j1):
                        for k in range(k0, k1):
                            out[i, j, k] = distance(xs[i], ys[j], zs[k], subset, groups)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _blocks_of(points):
    """Return the block number (N,) of points (N, 3) mm, in cubes of `CUBE_MM`."""
    low = points[0].copy()
    high = points[0].copy()
    for i in range(points.shape[0]):
        for a in range(3):
            low[a], high[a] = min(low[a], points[i, a]), max(high[a], points[i, a])
    rows, columns = int((high[1] - low[1]) / CUBE_MM) + 1, int((high[2] - low[2]) / CUBE_MM) + 1
    out = np.empty(points.shape[0], np.int64)
    for i in range(points.shape[0]):
        x, y, z = (points[i, 0] - low[0], points[i, 1] - low[1], points[i, 2] - low[2])
        out[i] = (int(x / CUBE_MM) * rows + int(y / CUBE_MM)) * columns + int(z / CUBE_MM)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def refine(points, prims):
    """Move points onto the surface by one Newton step.

    Args:
        points: (N, 3) mm.
        prims: (P, 14) primitives.

    Returns:
        Points (N, 3) in mm, outward unit normals (N, 3) and distances (N, 6) in mm to the groups. Distances to fingers
        beyond `GROUP_REACH_MM` and to the palm beyond `PALM_REACH_MM` may be larger than they are.
    """
    n = points.shape[0]
    out, normals, fields = points.copy(), np.empty((n, 3)), np.empty((n, NUM_GROUPS))
    slopes, g, low, high = np.empty((NUM_GROUPS + 2, 3)), np.empty(3), np.empty(3), np.empty(3)
    blocks = _blocks_of(points)
    order = np.argsort(blocks)
    rows = _prepared(prims)
    subset, last = rows, -1
    for m in range(n):
        i = order[m]
        if blocks[i] != last:
            last, end = blocks[i], m
            low[:], high[:] = points[i], points[i]
            while end < n and blocks[order[end]] == last:
                for a in range(3):
                    value = points[order[end], a]
                    low[a], high[a] = min(low[a], value), max(high[a], value)
                end += 1
            subset = _near(rows, low, high, PALM_REACH_MM, GROUP_REACH_MM)
        d = _distance_and_gradient(out[i, 0], out[i, 1], out[i, 2], subset, fields[i], slopes, g)
        move = min(max(d / (g[0] * g[0] + g[1] * g[1] + g[2] * g[2] + 1e-12), -1.5), 1.5)
        for a in range(3):
            out[i, a] -= g[a] * move
        _distance_and_gradient(out[i, 0], out[i, 1], out[i, 2], subset, fields[i], slopes, g)
        length = np.sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2]) + 1e-12
        for a in range(3):
            normals[i, a] = g[a] / length
    return out, normals, fields
