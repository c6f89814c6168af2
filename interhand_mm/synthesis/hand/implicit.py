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
def _cone_distance(x, y, z, p):
    """Return the approximate signed distance in mm to one flattened round cone."""
    ax, ay, az = p[0], p[1], p[2]
    bx, by, bz = p[3] - ax, p[4] - ay, p[5] - az
    px, py, pz = x - ax, y - ay, z - az
    grow = p[11] - 1.0
    if grow != 0.0:
        d = grow * (px * p[8] + py * p[9] + pz * p[10])
        px, py, pz = px + d * p[8], py + d * p[9], pz + d * p[10]
        d = grow * (bx * p[8] + by * p[9] + bz * p[10])
        bx, by, bz = bx + d * p[8], by + d * p[9], bz + d * p[10]
    bb = bx * bx + by * by + bz * bz
    t = 0.0
    if bb > 1e-9:
        t = (px * bx + py * by + pz * bz) / bb
        # On a cone the nearest point is shifted along the axis from the foot of the perpendicular, by the slope.
        slope = (p[7] - p[6]) / np.sqrt(bb)
        if slope * slope < 0.98:
            cx, cy, cz = px - t * bx, py - t * by, pz - t * bz
            radial = np.sqrt(cx * cx + cy * cy + cz * cz)
            t += radial * slope / np.sqrt(1.0 - slope * slope) / np.sqrt(bb)
        t = min(max(t, 0.0), 1.0)
    cx, cy, cz = px - t * bx, py - t * by, pz - t * bz
    radius = p[6] + t * (p[7] - p[6])
    return (np.sqrt(cx * cx + cy * cy + cz * cz) - radius) / (1.0 + 0.5 * grow)


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
        prims: (P, 14) primitives.
        groups: (6,) output, the distance to palm and arm, and to each finger.
    """
    for g in range(NUM_GROUPS):
        groups[g] = 1e6
    for i in range(prims.shape[0]):
        g = int(prims[i, 12])
        d = _cone_distance(x, y, z, prims[i])
        groups[g] = d if groups[g] > 1e5 else _smooth_min(groups[g], d, prims[i, 13])
    best = groups[0]
    for g in range(1, NUM_GROUPS):
        best = min(best, _smooth_min(groups[0], groups[g], FINGER_BLEND_MM))
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def _near_in_y(prims, low, high):
    """Return the primitives that can influence the surface between y = low and y = high."""
    near = np.empty(prims.shape[0], np.int64)
    count = 0
    for i in range(prims.shape[0]):
        reach = max(prims[i, 6], prims[i, 7]) + 14.0
        if min(prims[i, 1], prims[i, 4]) - reach < high and low < max(prims[i, 1], prims[i, 4]) + reach:
            near[count] = i
            count += 1
    return prims[near[:count]]


@njit(cache=True, nogil=True, error_model="numpy")
def distance_grid(xs, ys, zs, prims):
    """Return the signed distances (X, Y, Z) float32 in mm on a grid with three axes in mm."""
    out = np.empty((xs.size, ys.size, zs.size), np.float32)
    groups = np.empty(NUM_GROUPS)
    for j in range(ys.size):
        subset = _near_in_y(prims, ys[j], ys[j])
        for i in range(xs.size):
            k = 0
            while k < zs.size:
                d = 60.0 if subset.shape[0] == 0 else distance(xs[i], ys[j], zs[k], subset, groups)
                out[i, j, k] = d
                k += 1
                # The distance changes slowly (Lipschitz), so grid points that are certainly far away are skipped.
                skip = int((abs(d) - 9.0) / (1.5 * (zs[1] - zs[0])))
                while skip > 0 and k < zs.size:
                    out[i, j, k] = d
                    k += 1
                    skip -= 1
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _gradient(x, y, z, prims, scratch):
    """Return the gradient from the corners of a tetrahedron with an edge of 0.7 mm."""
    e = 0.25
    a = distance(x + e, y - e, z - e, prims, scratch)
    b = distance(x - e, y - e, z + e, prims, scratch)
    c = distance(x - e, y + e, z - e, prims, scratch)
    d = distance(x + e, y + e, z + e, prims, scratch)
    return (a - b - c + d) / (4 * e), (c + d - a - b) / (4 * e), (b + d - a - c) / (4 * e)


@njit(cache=True, nogil=True, error_model="numpy")
def refine(points, prims):
    """Move points onto the surface by one Newton step.

    Args:
        points: (N, 3) mm.
        prims: (P, 14) primitives.

    Returns:
        Points (N, 3) in mm, outward unit normals (N, 3) and distances (N, 6) in mm to the groups.
    """
    n = points.shape[0]
    out, normals, fields = points.copy(), np.empty((n, 3)), np.empty((n, NUM_GROUPS))
    scratch = np.empty(NUM_GROUPS)
    order = np.argsort(points[:, 1])
    slab = prims
    top = -1e9
    for k in range(n):
        i = order[k]
        x, y, z = out[i]
        if y > top:
            top = y + 4.0
            slab = _near_in_y(prims, y - 3.0, top + 3.0)
        gx, gy, gz = _gradient(x, y, z, slab, scratch)
        d = distance(x, y, z, slab, scratch)
        square = gx * gx + gy * gy + gz * gz + 1e-12
        move = min(max(d / square, -1.5), 1.5)
        x, y, z = x - gx * move, y - gy * move, z - gz * move
        gx, gy, gz = _gradient(x, y, z, slab, scratch)
        distance(x, y, z, slab, fields[i])
        length = np.sqrt(gx * gx + gy * gy + gz * gz) + 1e-12
        out[i, 0], out[i, 1], out[i, 2] = x, y, z
        normals[i, 0], normals[i, 1], normals[i, 2] = gx / length, gy / length, gz / length
    return out, normals, fields
