"""The camera sensor: exposure, tint, lens blur, gray cameras, noise, and encoding to JPEG and PNG."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numba import njit

from ..preset import LightRanges

_TABLE = 2048
_TILE = 1024
_VEIL = 0.025  # radius of scattered light, relative to the image's longer side
_ENLARGE = np.array([[0.125, 0, 0], [0, 0.125, 0]])  # from pixels of the image to those of the third pyramid level
BLACK_OFFSET = 2.5  # added to all pixel values, because black is not zero in the studio's images


@dataclass(frozen=True)
class Sensor:
    """Properties of one camera sensor.

    Attributes:
        gain: Exposure.
        tint: (3,) gain of each channel, RGB.
        blur_px: Standard deviation of the lens blur.
        read_noise: Standard deviation of the noise at black, in 0..255.
        shot_noise: Factor of the noise that grows with the square root of the pixel value.
        quality: JPEG quality.
        veil: Share of the light that the lens scatters over its surroundings.
    """

    gain: float
    tint: np.ndarray
    blur_px: float
    read_noise: float
    shot_noise: float
    quality: int
    veil: float = 0.0


def sample_sensor(rng: np.random.Generator) -> Sensor:
    """Sample moderate values, as in the frames of InterHand2.6M."""
    return Sensor(
        gain=float(np.exp(rng.normal(-0.28, 0.20))),
        tint=1 + rng.normal(0, 1, 3) * (0.05, 0.03, 0.06) + np.array([-0.02, 0.03, -0.05]),
        blur_px=float(rng.uniform(0.35, 0.75)),
        read_noise=float(rng.uniform(0.4, 1.6)),
        shot_noise=float(rng.uniform(0.05, 0.22)),
        quality=int(rng.integers(84, 96)),
    )


def photo_sensor(base: Sensor, ranges: LightRanges, rng: np.random.Generator) -> Sensor:
    """Return a sensor for images with photographs, which were exposed and white-balanced before.

    Args:
        base: Sensor of the studio, whose blur, noise and quality are kept.
        ranges: Ranges of the preset.
        rng: Random generator.
    """
    gain, tint = np.exp(rng.normal(0, ranges.gain_spread)), 1 + ranges.tint_spread * rng.standard_normal(3)
    return replace(base, gain=float(gain), tint=tint, veil=float(rng.uniform(*ranges.veil)))


@lru_cache(maxsize=1)
def _encode_table() -> np.ndarray:
    """Return the table from linear values (0..2 in equal steps) to sRGB 0..255, float32; highlights are compressed."""
    x = np.linspace(0, 2.0, _TABLE)
    x = np.where(x < 0.55, x, 0.55 + 0.4 * np.tanh((x - 0.55) / 0.4))
    return (255 * np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)).astype(np.float32)


@lru_cache(maxsize=1)
def _noise_tile() -> np.ndarray:
    """Return standard normal noise (T, T, 3) float32. Images take crops of it, which is faster than fresh noise."""
    return np.random.default_rng(20261121).standard_normal((_TILE, _TILE, 3), dtype=np.float32)


@njit(cache=True, nogil=True, error_model="numpy")
def _encode(linear, gains, gray, table, out):
    """Apply gain, tint, gray conversion and the sRGB curve, into `out` (H, W, 3) float32 0..255, BGR."""
    top = table.size - 1
    scale = top / 2.0
    for y in range(linear.shape[0]):
        for x in range(linear.shape[1]):
            r, g, b = linear[y, x, 0] * gains[0], linear[y, x, 1] * gains[1], linear[y, x, 2] * gains[2]
            if gray:
                r = g = b = 0.30 * r + 0.59 * g + 0.11 * b
            out[y, x, 0] = table[min(int(b * scale), top)]
            out[y, x, 1] = table[min(int(g * scale), top)]
            out[y, x, 2] = table[min(int(r * scale), top)]


@njit(cache=True, nogil=True, error_model="numpy")
def _add_noise(image, tile, y0, x0, read, shot, gray, out):
    """Add read noise, shot noise and `BLACK_OFFSET`, and round to 8 bits."""
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            for c in range(3):
                value = image[y, x, c]
                noise = tile[y0 + y, x0 + x, 0 if gray else c]
                value += noise * (read + shot * np.sqrt(value)) + BLACK_OFFSET + 0.5
                out[y, x, c] = np.uint8(min(max(value, 0.0), 255.0))


def scatter(linear: np.ndarray, share: float) -> np.ndarray:
    """Spread a share of the light over its surroundings, as lenses do.

    Args:
        linear: (H, W, 3) float32 linear RGB.
        share: Share of the light, 0 to 1.
    """
    height, width = linear.shape[:2]
    small = cv2.pyrDown(cv2.pyrDown(cv2.pyrDown(linear)))
    small = cv2.GaussianBlur(small, (0, 0), _VEIL * max(height, width) / 8)
    wide = cv2.warpAffine(
        small, _ENLARGE, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    return cv2.addWeighted(linear, 1 - share, wide, share, 0)


def develop(linear: np.ndarray, sensor: Sensor, gray: bool, rng: np.random.Generator) -> np.ndarray:
    """Convert linear RGB (H, W, 3) float32 into the camera's image (H, W, 3) uint8 BGR.

    Args:
        linear: (H, W, 3) float32 linear RGB.
        sensor: Properties of the sensor.
        gray: The camera takes gray images.
        rng: Random generator for the noise.
    """
    height, width = linear.shape[:2]
    if sensor.veil > 0:
        linear = scatter(linear, sensor.veil)
    image, out = np.empty_like(linear), np.empty(linear.shape, np.uint8)
    _encode(linear, (sensor.gain * sensor.tint).astype(np.float32), gray, _encode_table(), image)
    image = cv2.GaussianBlur(image, (3, 3), sensor.blur_px)
    y, x = rng.integers(0, _TILE - height + 1), rng.integers(0, _TILE - width + 1)
    _add_noise(image, _noise_tile(), y, x, sensor.read_noise, sensor.shot_noise, gray, out)
    return out


def encode_jpeg(image_bgr: np.ndarray, quality: int) -> bytes:
    """Return the bytes of a JPEG file."""
    return cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def encode_png(image: np.ndarray) -> bytes:
    """Return the bytes of a PNG file, for masks and depth maps."""
    return cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1].tobytes()
