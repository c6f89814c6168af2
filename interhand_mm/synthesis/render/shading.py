"""Light: a dome of lamps with shadows and soft skin shading, computed per vertex in the world frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

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
def _shadow_map(points, toward, right, up, center, depth_map):
    """Fill a shadow map: for each texel, the largest distance towards the lamp; a vertex covers 2 x 2 texels."""
    half = SHADOW_TEXELS / 2
    depth_map[:] = -1e9
    for i in range(points.shape[0]):
        x, y, z = points[i, 0] - center[0], points[i, 1] - center[1], points[i, 2] - center[2]
        u = (x * right[0] + y * right[1] + z * right[2]) / SHADOW_TEXEL_MM + half
        v = (x * up[0] + y * up[1] + z * up[2]) / SHADOW_TEXEL_MM + half
        if u < 1 or v < 1 or u >= SHADOW_TEXELS - 2 or v >= SHADOW_TEXELS - 2:
            continue
        d = x * toward[0] + y * toward[1] + z * toward[2]
        iu, iv = int(u - 0.5), int(v - 0.5)
        for a in range(2):
            for b in range(2):
                if d > depth_map[iu + a, iv + b]:
                    depth_map[iu + a, iv + b] = d


@njit(cache=True, nogil=True, error_model="numpy")
def irradiance(points, normals, casters, center, toward, rgb, ambient, occlusion, frames, seen):  # noqa: C901 - one numba kernel
    """Compute diffuse light with soft shadows at every vertex. Light wraps around edges, as it does on skin.

    Args:
        points: (V, 3) mm, world frame.
        normals: (V, 3) unit normals.
        casters: (C, 3) mm, points that cast shadows.
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
    depth_map, half = np.empty((SHADOW_TEXELS, SHADOW_TEXELS), np.float32), SHADOW_TEXELS / 2
    n = points.shape[0]
    shadow, total = np.zeros(n, np.float32), np.full(n, 1e-6, np.float32)
    out, glow = np.empty((n, 3), np.float32), np.zeros((n, 3), np.float32)
    out[:] = ambient
    for lamp in range(toward.shape[0]):
        t, right, up = toward[lamp], frames[lamp, 0], frames[lamp, 1]
        _shadow_map(casters, t, right, up, center, depth_map)
        power = rgb[lamp, 1]
        for i in range(n):
            if not seen[i]:
                continue
            cosine = normals[i, 0] * t[0] + normals[i, 1] * t[1] + normals[i, 2] * t[2]
            if cosine < -0.38:
                continue
            x = points[i, 0] + 2.5 * normals[i, 0] - center[0]
            y = points[i, 1] + 2.5 * normals[i, 1] - center[1]
            z = points[i, 2] + 2.5 * normals[i, 2] - center[2]
            u = (x * right[0] + y * right[1] + z * right[2]) / SHADOW_TEXEL_MM + half
            v = (x * up[0] + y * up[1] + z * up[2]) / SHADOW_TEXEL_MM + half
            open_ = 1.0
            if 2 < u < SHADOW_TEXELS - 3 and 2 < v < SHADOW_TEXELS - 3:
                # The bias avoids self-shadowing: a texel is up to 6 mm off, which is a depth difference on slopes.
                slope = np.sqrt(max(1.0 - cosine * cosine, 0.0)) / max(cosine, 0.3)
                d = x * t[0] + y * t[1] + z * t[2] + 3.0 + 5.0 * slope
                fu, fv = u - 0.5, v - 0.5
                iu, iv = int(fu), int(fv)
                fu, fv = fu - iu, fv - iv
                blocked = 0.0
                for a in range(2):
                    for b in range(2):
                        over = (depth_map[iu + a, iv + b] - d) / 5.0
                        w = (fu if a else 1 - fu) * (fv if b else 1 - fv)
                        blocked += w * min(max(over, 0.0), 1.0)
                open_ = 1.0 - blocked
            front = max(cosine, 0.0) * power
            total[i] += front
            shadow[i] += front * open_
            strength = open_ * power * min(max(cosine + 0.2, 0.0) * 4.0, 1.0)
            for c in range(3):
                glow[i, c] += strength * t[c]
            # Red light scatters farthest under the skin, so it wraps wider and makes shadow edges warm.
            for c in range(3):
                wrap = 0.34 if c == 0 else (0.20 if c == 1 else 0.15)
                d2 = (cosine + wrap) / (1.0 + wrap)
                if d2 > 0.0:
                    lit = open_ + (1.0 - open_) * (0.10 if c == 0 else 0.03)
                    out[i, c] += rgb[lamp, c] * d2 * lit * (0.90 if c == 0 else 1.0)
    for i in range(n):
        shadow[i] = shadow[i] / total[i]
        if occlusion > 0.0 and seen[i]:
            for c in range(3):
                out[i, c] -= occlusion * (1.0 - shadow[i]) * ambient[c]
    return out, shadow, glow


def across(toward: np.ndarray) -> np.ndarray:
    """Return two unit vectors (L, 2, 3) that are orthogonal to each direction (L, 3) and to each other."""
    other = np.where(np.abs(toward[:, 1:2]) < 0.9, np.array([[0.0, 1, 0]]), np.array([[1.0, 0, 0]]))
    first = np.cross(toward, other)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return np.stack([first, np.cross(toward, first)], axis=1)
