"""What a camera adds to an image: exposure, color cast, blur, noise and compression.

Rendered hands and those of a studio are cleaner than photographs, and networks notice. The functions are pure and work
on uint8; the transform draws each effect independently.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from scipy import fft

from ...errors import ConfigError
from ...registry import TRANSFORMS
from ...utils.images import resize_image
from .background_pool import BackgroundPool

_NOISE_SIDE = 512
_LARGEST_GAIN = 3.0  # a larger one turns single waves into stripes over the whole image
_PATCH_SIDE, _PATCHES = 192, 64
_LUMA = np.array([0.114, 0.587, 0.299])  # BGR weights of ITU-R BT.601


def color_matrix(gains: np.ndarray, saturation: float) -> np.ndarray:
    """Return the 3 x 3 matrix that scales the channels, then moves colors from gray (0) over unchanged (1) outwards.

    Args:
        gains: (3,) factors of blue, green and red.
        saturation: Distance from gray, relative to the original.
    """
    desaturate = saturation * np.eye(3) + (1 - saturation) * np.tile(_LUMA, (3, 1))
    return np.asarray(desaturate @ np.diag(gains))


def tone_table(exposure: float, gamma: float, black: float = 0.0) -> np.ndarray:
    """Return the (256,) uint8 table of a tone curve: ``black + (1 - black) (exposure x)^gamma``, clipped."""
    x = np.clip(np.arange(256) / 255.0 * exposure, 0.0, 1.0) ** gamma
    return np.rint(255.0 * (black + (1.0 - black) * x)).astype(np.uint8)


def motion_kernel(length: float, angle: float) -> np.ndarray:
    """Return the (k, k) float32 kernel, with sum 1, of a straight movement of `length` px at `angle` rad."""
    side = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((side, side), np.float32)
    center, half = side // 2, length / 2 * np.array([np.cos(angle), np.sin(angle)])
    ends = np.rint((np.array([-half, half]) + center) * 16).astype(int)
    cv2.line(kernel, ends[0].tolist(), ends[1].tolist(), 1.0, 1, cv2.LINE_AA, shift=4)
    return kernel / max(float(kernel.sum()), 1e-6)


@lru_cache(maxsize=1)
def sensor_noise() -> np.ndarray:
    """Return (512, 512, 3) int16 noise of standard deviation 64 per pixel of a raw image, after demosaicing.

    A camera measures one color per pixel and interpolates the others, so noise of neighboring pixels and channels is
    correlated. White noise would be a finer grain than any photograph has.
    """
    raw = np.random.default_rng(0).normal(32768.0, 4096.0, (_NOISE_SIDE, _NOISE_SIDE))
    mosaic = np.clip(raw, 0, 65535).astype(np.uint16)
    color = cv2.cvtColor(mosaic, cv2.COLOR_BayerRG2BGR).astype(np.int32) - 32768
    return (color // 64).astype(np.int16)


def add_noise(img: np.ndarray, read: float, shot: float, corner: tuple[float, float]) -> np.ndarray:
    """Add sensor noise whose variance grows with brightness, as that of counted photons does.

    Args:
        img: (H, W, 3) uint8. Beyond 512 px on a side the noise repeats.
        read: Standard deviation at black, in gray levels.
        shot: Additional standard deviation at white, in gray levels.
        corner: Position in the stored noise, between 0 and 1 from top to bottom and from left to right.
    """
    noise = sensor_noise()
    height, width = img.shape[:2]
    if max(height, width) > _NOISE_SIDE:
        noise = np.tile(noise, (-(-height // _NOISE_SIDE), -(-width // _NOISE_SIDE), 1))
    top, left = (int(at * (have - want)) for at, have, want in zip(corner, noise.shape, img.shape, strict=False))
    sigma = np.sqrt(read**2 + shot**2 * np.arange(256) / 255.0)
    scale = cv2.LUT(img, (sigma * 4).clip(0, 255).astype(np.uint8))  # in quarters of a gray level
    added = cv2.multiply(noise[top : top + height, left : left + width], scale, scale=1 / 256, dtype=cv2.CV_16S)
    return cv2.add(img, added, dtype=cv2.CV_8U)


def compress(img: np.ndarray, quality: int) -> np.ndarray:
    """Return an image after JPEG compression."""
    encoded = cv2.imencode(".jpg", img, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded


def lower_resolution(img: np.ndarray, factor: float) -> np.ndarray:
    """Shrink an image to `factor` of its size and enlarge it again."""
    height, width = img.shape[:2]
    small = (max(8, round(width * factor)), max(8, round(height * factor)))
    return resize_image(resize_image(img, small), (width, height))


def mix_amplitude(img: np.ndarray, photo: np.ndarray, share: float) -> np.ndarray:
    """Mix the amplitude spectrum of a photograph into an image and keep the image's phase.

    The phase carries the shapes. The mean brightness stays that of the image. (Zhao et al., "Analyzing the
    Synthetic-to-Real Domain Gap in 3D Hand Pose Estimation", CVPR 2025, name frequency statistics as one cause of the
    gap; the mixing is that of Xu et al., "A Fourier-based Framework for Domain Generalization", CVPR 2021.)

    Args:
        img: (H, W, 3) uint8.
        photo: (H, W, 3) uint8 of the same size.
        share: Share of the photograph's amplitude, 0 to 1.
    """
    own, other = (fft.rfft2(image.astype(np.float32), axes=(0, 1)) for image in (img, photo))
    ratio = np.abs(other) / np.maximum(np.abs(own), 1e-3)
    gain = (1 + share * (ratio - 1)).clip(1 / _LARGEST_GAIN, _LARGEST_GAIN)
    gain[0, 0] = 1
    mixed = fft.irfft2(own * gain, s=img.shape[:2], axes=(0, 1))
    return cv2.convertScaleAbs(np.maximum(mixed, 0))


def random_polygon(rng: np.random.Generator, size: tuple[int, int], largest: float) -> np.ndarray:
    """Return (n, 2) int32 corners of a convex shape somewhere in an image, at most `largest` of its width."""
    width, height = size
    corners = rng.integers(3, 8)
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = rng.uniform(0.08, largest / 2, 2) * width
    turn = rng.uniform(0, np.pi)
    circle = np.stack([radii[0] * np.cos(angles), radii[1] * np.sin(angles)], axis=1)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.rint(circle @ rotation.T + rng.random(2) * (width, height)).astype(np.int32)


@TRANSFORMS.register_module()
class CameraEffects(BaseTransform):
    """Change a crop as cameras do. Each effect is drawn independently; the options are their probabilities.

    The order is that of light through a camera: something in front of the hand, color and exposure, focus and motion
    blur, resolution, sensor noise, compression. Labels do not change: joints behind the cut-out stay annotated.

    Args:
        color: White balance and saturation.
        exposure: Exposure, gamma and haze.
        low_light: Little light: dark, with strong noise.
        blur: Focus.
        motion_blur: Movement of the hand or the camera.
        resolution: Shrinking to 30 to 80 % and back.
        noise: Sensor noise.
        jpeg: Compression with quality 30 to 95.
        cutout: A convex shape in front of the hand, of one color or with a part of a photograph.
        spectrum: Amplitude spectrum mixed with that of a photograph.
        backgrounds: Photographs for `cutout` and `spectrum`; see `BackgroundPool`. Without them `spectrum` must be 0.

    Raises:
        ConfigError: A probability is not between 0 and 1, or `spectrum` has no photographs.
    """

    def __init__(
        self,
        color: float = 0.7,
        exposure: float = 0.7,
        low_light: float = 0.1,
        blur: float = 0.2,
        motion_blur: float = 0.15,
        resolution: float = 0.25,
        noise: float = 0.5,
        jpeg: float = 0.4,
        cutout: float = 0.2,
        spectrum: float = 0.0,
        backgrounds: str | Path | Sequence[str] | None = None,
    ) -> None:
        self.probs = {
            "cutout": cutout,
            "spectrum": spectrum,
            "color": color,
            "exposure": exposure,
            "low_light": low_light,
            "blur": blur,
            "motion_blur": motion_blur,
            "resolution": resolution,
            "noise": noise,
            "jpeg": jpeg,
        }
        for name, prob in self.probs.items():
            if not 0 <= prob <= 1:
                raise ConfigError(f"CameraEffects: {name} is not a probability", got=prob, want="between 0 and 1")
        if spectrum and backgrounds is None:
            raise ConfigError("CameraEffects: spectrum needs photographs", fix="pass --backgrounds DIR, or spectrum=0")
        self.patches = None if backgrounds is None else _Patches(backgrounds)
        self.effects: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
            "cutout": self._cutout,
            "spectrum": self._spectrum,
            "color": _color,
            "exposure": _exposure,
            "low_light": _low_light,
            "blur": _blur,
            "motion_blur": _motion_blur,
            "resolution": lambda img, rng: lower_resolution(img, rng.uniform(0.3, 0.8)),
            "noise": _noise,
            "jpeg": lambda img, rng: compress(img, int(rng.integers(30, 96))),
        }

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change `img` (H, W, 3) uint8."""
        rng = results["rng"]
        chosen = rng.random(len(self.probs))
        for draw, (name, prob) in zip(chosen, self.probs.items(), strict=True):
            if draw < prob:
                results["img"] = self.effects[name](results["img"], rng)
        return results

    def _cutout(self, img: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = img.shape[:2]
        shape = np.zeros((height, width), np.uint8)
        cv2.fillConvexPoly(shape, random_polygon(rng, (width, height), 0.5), 255, cv2.LINE_AA)
        if self.patches is not None and rng.random() < 0.7:
            filling = self._patch(rng, (width, height))
        else:
            filling = np.broadcast_to(rng.integers(0, 256, 3).astype(np.uint8), img.shape)
        return cv2.copyTo(np.ascontiguousarray(filling), shape, img.copy())

    def _spectrum(self, img: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return mix_amplitude(img, self._patch(rng, (img.shape[1], img.shape[0])), rng.uniform(0.1, 0.4))

    def _patch(self, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        """Return a random square of a photograph at `size` (width, height)."""
        assert self.patches is not None
        photo = self.patches.draw(rng)
        side = int(min(photo.shape[:2]) * rng.uniform(0.4, 1.0))
        top, left = (int(rng.integers(0, length - side + 1)) for length in photo.shape[:2])
        part = photo[top : top + side, left : left + side]
        return resize_image(part, size)


class _Patches:
    """Some photographs of a pool at low resolution, decoded when first drawn and then kept: 8 MB in each process."""

    def __init__(self, source: str | Path | Sequence[str]) -> None:
        self.pool = BackgroundPool(source, keep_mb=0)
        self._kept: dict[int, np.ndarray] = {}

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return one of the photographs; its shorter side has 192 px."""
        number = int(rng.integers(_PATCHES))
        if number not in self._kept:
            photo, _, _ = self.pool.draw(np.random.default_rng(number))  # the same one in every process
            factor = _PATCH_SIDE / min(photo.shape[:2])
            height, width = photo.shape[:2]
            self._kept[number] = resize_image(photo, (round(width * factor), round(height * factor)))
        return self._kept[number]


def _color(img: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    # Along the line from lamp light to shade, and a little green or magenta.
    warmth, tint = rng.normal(0, 0.12), rng.normal(0, 0.04)
    gains = np.exp(np.array([-warmth, tint, warmth]))
    saturation = 0.0 if rng.random() < 0.03 else rng.uniform(0.5, 1.4)
    return cv2.transform(img, color_matrix(gains, saturation))


def _exposure(img: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    haze = rng.uniform(0, 0.12) if rng.random() < 0.3 else 0.0
    return cv2.LUT(img, tone_table(2.0 ** rng.normal(0, 0.4), np.exp(rng.normal(0, 0.25)), haze))


def _low_light(img: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    dark = cv2.LUT(img, tone_table(rng.uniform(0.25, 0.6), rng.uniform(0.9, 1.2)))
    return add_noise(dark, rng.uniform(1, 6), rng.uniform(4, 16), (rng.random(), rng.random()))


def _blur(img: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(img, (0, 0), rng.uniform(0.4, 1.8))


def _motion_blur(img: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return cv2.filter2D(img, -1, motion_kernel(rng.uniform(2, 9), rng.uniform(0, np.pi)))


def _noise(img: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return add_noise(img, rng.uniform(0, 4), rng.uniform(0, 10), (rng.random(), rng.random()))
