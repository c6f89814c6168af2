"""Detail of skin and cloth that is finer than the mesh: pores, fine lines and hair, evaluated per pixel.

The detail is a solid texture: it depends on the point of the rest pose that a pixel shows, so it moves with the skin.
Its slopes change the light without new normals: each vertex knows, in the frame of the rest pose, by how much its
light grows when its normal tilts (`glow`), and the change is the product of the two.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit

TEXELS = 64
LINE_TEXELS = 4.5  # mean distance between the lines of the texture
_STEP = 42.0  # int8 steps per standard deviation; values beyond 3 are clipped

# Size of a texel in mm at three scales: pores and the finest lines, fine lines, the folds of larger areas.
PORES_MM, LINES_MM, FOLDS_MM = 0.17, 0.42, 1.2
_HAIR_MM, _HAIR_LENGTH = 0.30, 9.0  # width of a texel across hairs, and its length divided by this width


@lru_cache(maxsize=1)
def relief() -> np.ndarray:
    """Return the periodic texture (T, T, T, 4) int8: a height, and its gradient per texel.

    The height is a network of valleys, as the lines between the cells of human skin. Its standard deviation is
    42 steps.
    """
    rng = np.random.default_rng(20261127)
    k = np.fft.fftfreq(TEXELS)
    radius = np.sqrt(k[:, None, None] ** 2 + k[None, :, None] ** 2 + k[None, None] ** 2) + 1e-9
    octave = np.exp(-((np.log(radius * 2 * LINE_TEXELS) / 0.45) ** 2))
    noise = np.fft.ifftn(np.fft.fftn(rng.standard_normal((TEXELS,) * 3)) * octave).real
    spectrum = np.fft.fftn(np.minimum(np.abs(noise) / noise.std(), 1.3)) * np.exp(-((radius / 0.30) ** 2))
    spectrum[0, 0, 0] = 0.0
    height = np.fft.ifftn(spectrum).real
    slopes = [np.fft.ifftn(2j * np.pi * f * spectrum).real for f in (k[:, None, None], k[None, :, None], k[None, None])]
    stacked = np.stack([height, *slopes], axis=-1) * (_STEP / height.std())
    return np.clip(np.rint(stacked), -127, 127).astype(np.int8)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _look_up(texture, x, y, z, smooth, out):
    """Read the texture at a point in texels, into `out` (4,), in standard deviations; interpolate it if `smooth`."""
    if not smooth:
        i, j, k = int(np.floor(x)) & (TEXELS - 1), int(np.floor(y)) & (TEXELS - 1), int(np.floor(z)) & (TEXELS - 1)
        for m in range(4):
            out[m] = texture[i, j, k, m] * np.float32(1.0 / _STEP)
        return
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    wx, wy, wz = np.float32(x - fx), np.float32(y - fy), np.float32(z - fz)
    one, mask = np.float32(1.0), TEXELS - 1
    x0, y0, z0 = int(fx) & mask, int(fy) & mask, int(fz) & mask
    x1, y1, z1 = (x0 + 1) & mask, (y0 + 1) & mask, (z0 + 1) & mask
    a, b, c, d = (one - wx) * (one - wy), (one - wx) * wy, wx * (one - wy), wx * wy
    for n in range(4):
        near = a * texture[x0, y0, z0, n] + b * texture[x0, y1, z0, n]
        near += c * texture[x1, y0, z0, n] + d * texture[x1, y1, z0, n]
        far = a * texture[x0, y0, z1, n] + b * texture[x0, y1, z1, n]
        far += c * texture[x1, y0, z1, n] + d * texture[x1, y1, z1, n]
        out[n] = (near + wz * (far - near)) * np.float32(1.0 / _STEP)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def shade_detail(texture, x, y, z, glow_x, glow_y, glow_z, fine, hair, pixel_mm, scratch, out):
    """Compute the effect of the detail on the color of one pixel.

    Args:
        texture: (T, T, T, 4) from `relief`.
        x: Coordinate of the point in the rest pose in mm.
        y: Coordinate of the point in the rest pose in mm.
        z: Coordinate of the point in the rest pose in mm.
        glow_x: Relative change of the light per unit of slope along x, in the rest pose's frame.
        glow_y: The same along y.
        glow_z: The same along z.
        fine: Strength of pores and lines, about 1 on the back of the hand.
        hair: Share of the skin that hair covers, 0 to 1.
        pixel_mm: Width of a pixel on the skin. Detail that is smaller than two pixels fades away.
        scratch: (4,) work space.
        out: (4,) output: relative light, relative blood (valleys are redder), coverage by hair, and the height of the
            folds in standard deviations.
    """
    light, height, wave = 1.0, 0.0, 0.0
    for octave in range(2):
        texel = PORES_MM if octave == 0 else LINES_MM
        weight = min(max(2.2 - 0.9 * pixel_mm / (LINE_TEXELS * texel), 0.0), 1.0) * fine
        if octave == 0 and pixel_mm > 0.5:
            continue
        if weight > 0.02:
            _look_up(texture, x / texel, y / texel, z / texel, pixel_mm < texel, scratch)
            slope = glow_x * scratch[1] + glow_y * scratch[2] + glow_z * scratch[3]
            light -= 0.16 * weight * slope
            height += 0.036 * weight * scratch[0]
    if fine > 0.02:
        t = FOLDS_MM
        _look_up(texture, x / t + 31.0, y / t, z / t, True, scratch)
        slope = glow_x * scratch[1] + glow_y * scratch[2] + glow_z * scratch[3]
        light -= 0.17 * fine * slope
        height += 0.030 * fine * scratch[0]
        wave = scratch[0]
    out[0], out[1], out[2] = min(max(light + height, 0.4), 1.6), height, 0.0
    if hair > 0.02 and pixel_mm < 2.0:
        along, across = y / (_HAIR_MM * _HAIR_LENGTH), (x + 0.25 * y) / _HAIR_MM
        _look_up(texture, across, along, z / _HAIR_MM + 17.0, pixel_mm < _HAIR_MM, scratch)
        strand = (-scratch[0] - 0.35 + 0.25 * wave) * 1.3
        out[2] = min(max(strand, 0.0), 1.0) * hair
    out[3] = wave


@njit(cache=True, nogil=True, error_model="numpy")
def glow_at_rest(normals, bones, weights, moves, toward, light, seen):
    """Return by how much the light of a vertex grows when its normal tilts, relative to its light.

    Args:
        normals: (V, 3) unit normals, rest pose.
        bones: (V, 4) bones of each vertex.
        weights: (V, 4) their weights.
        moves: (B, 3, 4) transform of each bone from the rest pose to the world; it may include a mirror.
        toward: (V, 3) sum of the strengths of the visible lamps times their directions, world frame.
        light: (V, 3) light of each vertex.
        seen: (V,) bool, vertices to compute; the others get zeros.

    Returns:
        (V, 3) float32, tangential to the surface in the rest pose.
    """
    out = np.zeros(toward.shape, np.float32)
    for i in range(toward.shape[0]):
        if not seen[i]:
            continue
        gx, gy, gz = 0.0, 0.0, 0.0
        for k in range(4):
            w = weights[i, k]
            if w > 0.0:
                m = moves[bones[i, k]]
                gx += w * (m[0, 0] * toward[i, 0] + m[1, 0] * toward[i, 1] + m[2, 0] * toward[i, 2])
                gy += w * (m[0, 1] * toward[i, 0] + m[1, 1] * toward[i, 1] + m[2, 1] * toward[i, 2])
                gz += w * (m[0, 2] * toward[i, 0] + m[1, 2] * toward[i, 1] + m[2, 2] * toward[i, 2])
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        along = gx * nx + gy * ny + gz * nz
        inverse = 1.0 / (light[i, 1] + 0.08)
        out[i, 0], out[i, 1], out[i, 2] = (
            (gx - along * nx) * inverse,
            (gy - along * ny) * inverse,
            (gz - along * nz) * inverse,
        )
    return out
