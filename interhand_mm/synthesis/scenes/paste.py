"""Cutting hands out of a rendered picture and putting them on a photograph: pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..render import renderer
from ..render.sensor import encode_jpeg
from .cutouts import Source

HAND_BITS = (renderer.RIGHT_VISIBLE, renderer.LEFT_VISIBLE)
_ARM_BITS = renderer.RIGHT_LIMB_VISIBLE | renderer.LEFT_LIMB_VISIBLE
_ARM_FADE_PX = 28.0  # an arm that the rendered frame cuts off fades out over this much


@dataclass(frozen=True)
class CutOut:
    """Hands with their opacity.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        alpha: (H, W) float32, 0 to 1.
        owners: (H, W) uint8: 1 right, 2 left hand visible, 0 elsewhere, arms included.
    """

    image: np.ndarray
    alpha: np.ndarray
    owners: np.ndarray


@dataclass(frozen=True)
class Pasted:
    """A source's hands as they stand in a scene: ``uv = scale * source.uv + offset``.

    Attributes:
        source: The hands.
        scale: Scene px a source px.
        offset: (2,) px.
        uv: (42, 2) px of the scene.
        valid: (42,) bool: valid in the source and inside the scene.
    """

    source: Source
    scale: float
    offset: np.ndarray
    uv: np.ndarray
    valid: np.ndarray


def cut_out(image: np.ndarray, bits: np.ndarray, arms: bool) -> CutOut:
    """Cut hands out, with or without their arms.

    Args:
        image: (H, W, 3) uint8 BGR.
        bits: (H, W) uint8 mask as in `renderer`.
        arms: Keep the arms; they fade out towards the frame that cuts them off.
    """
    owners = ((bits & HAND_BITS[0]) > 0) + 2 * ((bits & HAND_BITS[1]) > 0).astype(np.uint8)
    hand = (owners > 0).astype(np.float32)
    if not arms:
        alpha = cv2.GaussianBlur(hand, (0, 0), 1.0)
        return CutOut(image, np.clip(2 * alpha - 1, 0, 1), owners)  # inside the hand: no rim of the studio's black
    height, width = bits.shape
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    edge = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y)) / _ARM_FADE_PX
    solid = ((bits & _ARM_BITS) > 0).astype(np.float32)
    alpha = np.clip(2 * cv2.GaussianBlur(solid, (0, 0), 1.0) - 1, 0, 1)
    return CutOut(image, alpha * np.maximum(np.clip(edge, 0, 1), hand), owners)


def tint(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light and skin of one cut-out: gain, gamma and color; a gray camera's hands mostly get a skin's color.

    Args:
        image: (H, W, 3) uint8 BGR.
        rng: Draws.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    gain = np.exp(rng.normal(0.15, 0.3)) * np.exp(rng.normal(0, 0.05, 3))
    gray = np.array_equal(image[..., 0], image[..., 2])
    if gray and rng.random() < 0.9:
        gain = gain * np.array([0.62, 0.80, 1.08]) ** rng.uniform(0.6, 1.2)
    gamma = np.exp(rng.normal(0, 0.18))
    levels = (np.arange(256) / 255.0)[:, None] ** gamma * gain
    table = np.rint(255 * np.clip(levels, 0, 1)).astype(np.uint8)
    return cv2.LUT(image, table[None])


def paste(canvas: np.ndarray, piece: CutOut, scale: float, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put a cut-out on a picture, scaled and shifted only, so that its camera stays a pinhole.

    Args:
        canvas: (H, W, 3) uint8 BGR; not changed.
        piece: What to put there.
        scale: Canvas px a source px.
        offset: (2,) canvas px of the source's pixel (0, 0).

    Returns:
        the new picture, and the piece's cover (H, W) uint8: 0 nothing, 1 right, 2 left hand, 3 arm.
    """
    height, width = canvas.shape[:2]
    affine = np.array([[scale, 0.0, offset[0]], [0.0, scale, offset[1]]])
    source, alpha = piece.image, piece.alpha
    if scale < 1:  # a plain warp would alias
        sigma = 0.4 * (1 / scale - 1) + 1e-3
        source, alpha = cv2.GaussianBlur(source, (0, 0), sigma), cv2.GaussianBlur(alpha, (0, 0), sigma)
    size = (width, height)
    front = cv2.warpAffine(source, affine, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    weight = cv2.warpAffine(alpha, affine, size, flags=cv2.INTER_LINEAR)[..., None]
    owners = cv2.warpAffine(piece.owners, affine, size, flags=cv2.INTER_NEAREST)
    mixed = np.rint(canvas + weight * (front.astype(np.float32) - canvas)).astype(np.uint8)
    opaque = weight[..., 0] > 0.5
    return mixed, np.where(opaque, np.where(owners > 0, owners, 3), 0).astype(np.uint8)


def develop(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, bytes]:
    """What one camera does to the whole picture: brightness, blur, noise, gray now and then, JPEG.

    Returns:
        (H, W, 3) uint8 BGR before compression, and the JPEG's bytes.
    """
    picture = image.astype(np.float32) * rng.uniform(0.7, 1.2) + rng.uniform(-12, 12)
    if rng.random() < 0.1:
        picture = np.repeat(picture @ np.float32([[0.114], [0.587], [0.299]]), 3, axis=-1)
    if rng.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.2))
    noise = rng.standard_normal(picture.shape, dtype=np.float32)
    picture = np.clip(np.rint(picture + noise * rng.uniform(0.5, 6.0)), 0, 255).astype(np.uint8)
    return picture, encode_jpeg(picture, int(rng.integers(60, 96)))
