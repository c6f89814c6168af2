"""Light: a dome of lamps with shadows and soft skin shading, computed per vertex in the world frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from ..hand.skeleton import cross_product

SHADOW_TEXELS = 112
SHADOW_TEXEL_MM = 4.0
NUM_LAMPS = 12


@dataclass(frozen=True)
class Lights:
    """Lamps of one time step.

    Attributes:
        toward: (L, 3) unit vectors from the hands to the lamps.
        rgb: (L, 3) linear strengths.
        ambient: (3,) linear ambient light.
        occlusion: Share of the ambient light that is blocked where all lamps are.
        gloss: Factor on the highlights.
    """

    toward: np.ndarray
    rgb: np.ndarray
    ambient: np.ndarray
    occlusion: float = 0.0
    gloss: float = 1.0


def sample_lights(rng: np.random.Generator) -> Lights:
    """Sample a dome of lamps as in a capture studio. Lamps around one direction are stronger, so shape stays visible.

    World frame: x right, y down; the person looks towards -z.
    """
    k = np.arange(NUM_LAMPS) + 0.5
    height = 1 - 1.55 * k / NUM_LAMPS  # from the zenith to slightly below the horizon
    turn = k * np.pi * (3 - np.sqrt(5)) + rng.uniform(0, 2 * np.pi)
    ring = np.sqrt(np.clip(1 - height**2, 0, 1))
    toward = np.stack([ring * np.cos(turn), -height, ring * np.sin(turn)], axis=1)
    toward[:, 2] -= 0.45  # more lamps on the cameras' side
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    power = rng.uniform(0.5, 1.5, NUM_LAMPS)
    key = np.array([rng.normal(0, 0.8), -rng.uniform(0.3, 1.3), -rng.uniform(0.4, 1.2)])
    lobe = np.clip(toward @ (key / np.linalg.norm(key)), 0, 1) ** 3
    power *= 0.55 + rng.uniform(1.0, 3.6) * lobe
    power *= 2.35 / power.sum()
    tint = 1 + 0.05 * rng.standard_normal((NUM_LAMPS, 3))
    return Lights(toward, power[:, None] * tint, np.full(3, rng.uniform(0.05, 0.12)))


def half_vectors(lights: Lights, look: np.ndarray, count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return the half vectors (count, 3) of the strongest lamps and their strengths (count,), which sum to
    `lights.gloss`.

    Args:
        lights: Lamps.
        look: (3,) viewing direction.
        count: Number of lamps.
    """
    half = lights.toward - look
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    power = lights.rgb.mean(axis=1)
    best = np.argsort(-power, kind="stable")[:count]
    return np.ascontiguousarray(half[best]), np.ascontiguousarray(lights.gloss * power[best] / power[best].sum())


@njit(cache=True, nogil=True, error_model="numpy")
def _shadow_map(points, outward, toward, right, up, depth_map):
    """Fill a shadow map: for each texel, the largest distance towards the lamp; a vertex covers 2 x 2 texels.

    Vertices that face away from the lamp are left out: the other side of their closed surface is nearer to it.
    """
    half = SHADOW_TEXELS / 2
    depth_map[:] = -1e9
    for i in range(points.shape[0]):
        if outward[i, 0] * toward[0] + outward[i, 1] * toward[1] + outward[i, 2] * toward[2] < -0.3:
            continue
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        u = (x * right[0] + y * right[1] + z * right[2]) * (1.0 / SHADOW_TEXEL_MM) + half
        v = (x * up[0] + y * up[1] + z * up[2]) * (1.0 / SHADOW_TEXEL_MM) + half
        if u < 1 or v < 1 or u >= SHADOW_TEXELS - 2 or v >= SHADOW_TEXELS - 2:
            continue
        d = x * toward[0] + y * toward[1] + z * toward[2]
        iu, iv = int(u - 0.5), int(v - 0.5)
        for a in range(2):
            for b in range(2):
                if d > depth_map[iu + a, iv + b]:
                    depth_map[iu + a, iv + b] = d


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _open_share(depth_map, x, y, z, toward, right, up, cosine):
    """Return the share of a lamp's light that reaches a point, relative to the middle of its shadow map."""
    u = (x * right[0] + y * right[1] + z * right[2]) * (1.0 / SHADOW_TEXEL_MM) + SHADOW_TEXELS / 2
    v = (x * up[0] + y * up[1] + z * up[2]) * (1.0 / SHADOW_TEXEL_MM) + SHADOW_TEXELS / 2
    blocked = 0.0
    if 2 < u < SHADOW_TEXELS - 3 and 2 < v < SHADOW_TEXELS - 3:
        fu, fv = u - 0.5, v - 0.5
        iu, iv = int(fu), int(fv)
        near, far = depth_map[iu, iv], depth_map[iu, iv + 1]
        near2, far2 = depth_map[iu + 1, iv], depth_map[iu + 1, iv + 1]
        d = x * toward[0] + y * toward[1] + z * toward[2] + 3.0
        if max(near, far, near2, far2) > d:
            # The bias avoids self-shadowing: a texel is up to 6 mm off, which is a depth difference on slopes.
            d += 5.0 * np.sqrt(max(1.0 - cosine * cosine, 0.0)) / max(cosine, 0.3)
            fu, fv = fu - iu, fv - iv
            first = (1 - fv) * min(max((near - d) * 0.2, 0.0), 1.0) + fv * min(max((far - d) * 0.2, 0.0), 1.0)
            second = (1 - fv) * min(max((near2 - d) * 0.2, 0.0), 1.0) + fv * min(max((far2 - d) * 0.2, 0.0), 1.0)
            blocked = (1 - fu) * first + fu * second
    return 1.0 - blocked


@njit(cache=True, nogil=True, error_model="numpy")
def _nearby(points, outward, center):
    """Return the points (N, 3) relative to the center that may lie in a shadow map, and their normals (N, 3)."""
    kept = np.empty(points.shape, np.float64)
    sides = np.empty(points.shape, np.float64)
    count, reach = 0, 0.5 * SHADOW_TEXELS * SHADOW_TEXEL_MM * np.sqrt(2.0)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0] - center[0], points[i, 1] - center[1], points[i, 2] - center[2]
        if x * x + y * y + z * z < 1.5 * reach * reach:
            kept[count, 0], kept[count, 1], kept[count, 2] = x, y, z
            for c in range(3):
                sides[count, c] = outward[i, c]
            count += 1
    return kept[:count], sides[:count]


@njit(cache=True, nogil=True, error_model="numpy")
def irradiance(points, normals, casters, outward, center, toward, rgb, ambient, occlusion, frames, seen):
    """Compute diffuse light with soft shadows at every vertex. Light wraps around edges, as it does on skin.

    Args:
        points: (V, 3) mm, world frame.
        normals: (V, 3) unit normals.
        casters: (C, 3) mm, points that cast shadows.
        outward: (C, 3) unit normals of closed surfaces, zero for points of other surfaces.
        center: (3,) mm, middle of the shadow maps.
        toward: (L, 3) unit vectors to the lamps.
        rgb: (L, 3) strengths of the lamps.
        ambient: (3,) ambient light.
        occlusion: Share of the ambient light that is blocked where all lamps are.
        frames: (L, 2, 3) axes of the shadow maps, from `across`.
        seen: (V,) bool, vertices to light; the others get ambient light only.

    Returns:
        Light (V, 3) as linear RGB, the share (V,) of direct light that is not shadowed, and the sum (V, 3) of the
        lamps' visible strengths times their directions.
    """
    n = points.shape[0]
    shadow, out, glow = np.zeros(n, np.float32), np.empty((n, 3), np.float32), np.zeros((n, 3), np.float32)
    out[:] = ambient
    depth_map, rows = np.empty((SHADOW_TEXELS, SHADOW_TEXELS), np.float32), np.flatnonzero(seen)
    near, sides = _nearby(casters, outward, center)
    place, sums = np.empty((rows.size, 6)), np.zeros((rows.size, 8))
    for k in range(rows.size):
        for c in range(3):
            place[k, c] = points[rows[k], c] + 2.5 * normals[rows[k], c] - center[c]
            place[k, 3 + c] = normals[rows[k], c]
    for lamp in range(toward.shape[0]):
        t, right, up = toward[lamp], frames[lamp, 0], frames[lamp, 1]
        _shadow_map(near, sides, t, right, up, depth_map)
        power = rgb[lamp, 1]
        for k in range(rows.size):
            cosine = place[k, 3] * t[0] + place[k, 4] * t[1] + place[k, 5] * t[2]
            if cosine < -0.34:  # the widest wrap, below
                continue
            open_ = _open_share(depth_map, place[k, 0], place[k, 1], place[k, 2], t, right, up, cosine)
            front = max(cosine, 0.0) * power
            sums[k, 0] += front
            sums[k, 1] += front * open_
            strength = open_ * power * min(max(cosine + 0.2, 0.0) * 4.0, 1.0)
            for c in range(3):
                sums[k, 2 + c] += strength * t[c]
            # Red light scatters farthest under the skin, so it wraps wider and makes shadow edges warm.
            lit = open_ + (1.0 - open_) * 0.03
            sums[k, 5] += rgb[lamp, 0] * (cosine + 0.34) * (0.90 / 1.34) * (open_ + (1.0 - open_) * 0.10)
            sums[k, 6] += rgb[lamp, 1] * max(cosine + 0.20, 0.0) * (1.0 / 1.20) * lit
            sums[k, 7] += rgb[lamp, 2] * max(cosine + 0.15, 0.0) * (1.0 / 1.15) * lit
    for k in range(rows.size):
        i = rows[k]
        shadow[i] = sums[k, 1] / (sums[k, 0] + 1e-6)
        for c in range(3):
            glow[i, c] = sums[k, 2 + c]
            out[i, c] = ambient[c] * (1.0 - occlusion * (1.0 - shadow[i])) + sums[k, 5 + c]
    return out, shadow, glow


def across(toward: np.ndarray) -> np.ndarray:
    """Return two unit vectors (L, 2, 3) that are orthogonal to each direction (L, 3) and to each other."""
    other = np.where(np.abs(toward[:, 1:2]) < 0.9, np.array([[0.0, 1, 0]]), np.array([[1.0, 0, 0]]))
    first = cross_product(toward, other)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return np.stack([first, cross_product(toward, first)], axis=1)
