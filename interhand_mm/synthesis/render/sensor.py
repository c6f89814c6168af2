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
def _noise_tile() -> tuple[np.ndarray, np.ndarray]:
    """Return standard normal noise (T, 3T) float32 for color images, and for gray ones, whose channels are equal.

    Images take crops of it, which is faster than fresh noise.
    """
    color = np.random.default_rng(20261121).standard_normal((_TILE, _TILE, 3), dtype=np.float32)
    gray = np.repeat(color[..., :1], 3, axis=2)
    return color.reshape(_TILE, -1), gray.reshape(_TILE, -1)


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
def _add_noise(image, tile, read, shot, out):
    """Add read noise, shot noise and `BLACK_OFFSET` to rows (H, 3W), and round to 8 bits. All values are float32."""
    low, high, offset = np.float32(0.0), np.float32(255.0), np.float32(BLACK_OFFSET + 0.5)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            value = image[y, x] + tile[y, x] * (read + shot * np.sqrt(image[y, x])) + offset
            out[y, x] = np.uint8(min(max(value, low), high))


@lru_cache(maxsize=4)
def _buffers(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two images (H, W, 3) float32, which are used again: new memory costs 1 ms per image."""
    return np.empty((height, width, 3), np.float32), np.empty((height, width, 3), np.float32)


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
    image, blurred = _buffers(height, width)
    out = np.empty(linear.shape, np.uint8)
    _encode(linear, (sensor.gain * sensor.tint).astype(np.float32), gray, _encode_table(), image)
    cv2.GaussianBlur(image, (3, 3), sensor.blur_px, dst=blurred)
    y, x = rng.integers(0, _TILE - height + 1), rng.integers(0, _TILE - width + 1)
    tile = _noise_tile()[int(gray)][y : y + height, 3 * x : 3 * (x + width)]
    strength = np.float32(sensor.read_noise), np.float32(sensor.shot_noise)
    _add_noise(blurred.reshape(height, -1), tile, *strength, out.reshape(height, -1))
    return out


def encode_jpeg(image_bgr: np.ndarray, quality: int) -> bytes:
    """Return the bytes of a JPEG file."""
    return cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def encode_png(image: np.ndarray) -> bytes:
    """Return the bytes of a PNG file, for masks and depth maps."""
    return cv2.imencode(".png", image)[1].tobytes()  # a stated compression level takes three times as long
