"""Cutting hands out of a rendered image and pasting them onto a photograph: pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ...structures import mask_bits
from ..render.sensor import encode_jpeg
from .rendered_hands import RenderedHands

_ARM_BITS = mask_bits.RIGHT_LIMB_VISIBLE | mask_bits.LEFT_LIMB_VISIBLE
_ARM_FADE = 0.055  # an arm that the rendered frame cuts off fades out over this share of the longer side
_BGR_TO_GRAY = np.array([[0.114], [0.587], [0.299]], np.float32)


@dataclass(frozen=True)
class CutOut:
    """Hands with their opacity.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        alpha: (H, W) float32, 0 to 1.
        owners: (H, W) uint8: 1 where the right hand is visible, 2 where the left hand is, 0 elsewhere and on arms.
    """

    image: np.ndarray
    alpha: np.ndarray
    owners: np.ndarray


@dataclass(frozen=True)
class PastedHands:
    """Rendered hands at their place in a scene: ``uv = scale * hands.uv + offset``.

    Attributes:
        hands: The rendered hands.
        scale: Scene pixels per rendered pixel.
        offset: (2,) px.
        uv: (42, 2) px of the scene.
        valid: (42,) bool, True for joints that are valid in the rendered image and inside the scene.
    """

    hands: RenderedHands
    scale: float
    offset: np.ndarray
    uv: np.ndarray
    valid: np.ndarray


def cut_out(image: np.ndarray, bits: np.ndarray, arms: bool) -> CutOut:
    """Cut hands out of an image, with or without their arms.

    Args:
        image: (H, W, 3) uint8 BGR.
        bits: (H, W) uint8, bits of `structures.mask_bits`.
        arms: Keep the arms. They fade out towards the border of the image that cuts them off.
    """
    owners = ((bits & mask_bits.RIGHT_VISIBLE) > 0) + 2 * ((bits & mask_bits.LEFT_VISIBLE) > 0).astype(np.uint8)
    hand = (owners > 0).astype(np.float32)
    if not arms:
        # The opacity falls off inside the hand, so that no dark rim of the studio remains.
        alpha = cv2.GaussianBlur(hand, (0, 0), 1.0)
        return CutOut(image, np.clip(2 * alpha - 1, 0, 1), owners)
    height, width = bits.shape
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    edge = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y)) / (_ARM_FADE * max(width, height))
    solid = ((bits & _ARM_BITS) > 0).astype(np.float32)
    alpha = np.clip(2 * cv2.GaussianBlur(solid, (0, 0), 1.0) - 1, 0, 1)
    return CutOut(image, alpha * np.maximum(np.clip(edge, 0, 1), hand), owners)


def tint(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vary brightness, contrast and color; images of gray cameras are mostly given the color of skin.

    Args:
        image: (H, W, 3) uint8 BGR.
        rng: Random generator.

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
    """Paste a cut-out onto an image. It is only scaled and shifted, so that its camera stays a pinhole camera.

    Args:
        canvas: (H, W, 3) uint8 BGR; it is not changed.
        piece: Hands to paste.
        scale: Canvas pixels per pixel of the cut-out.
        offset: (2,) px, where pixel (0, 0) of the cut-out is placed on the canvas.

    Returns:
        The new image, and a label map (H, W) uint8: 0 canvas, 1 right hand, 2 left hand, 3 arm.
    """
    height, width = canvas.shape[:2]
    affine = np.array([[scale, 0.0, offset[0]], [0.0, scale, offset[1]]])
    image, alpha = piece.image, piece.alpha
    if scale < 1:  # blur first, because warping to a smaller size would alias
        sigma = 0.4 * (1 / scale - 1) + 1e-3
        image, alpha = cv2.GaussianBlur(image, (0, 0), sigma), cv2.GaussianBlur(alpha, (0, 0), sigma)
    size = (width, height)
    front = cv2.warpAffine(image, affine, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    weight = cv2.warpAffine(alpha, affine, size, flags=cv2.INTER_LINEAR)[..., None]
    owners = cv2.warpAffine(piece.owners, affine, size, flags=cv2.INTER_NEAREST)
    mixed = np.rint(canvas + weight * (front.astype(np.float32) - canvas)).astype(np.uint8)
    opaque = weight[..., 0] > 0.5
    return mixed, np.where(opaque, np.where(owners > 0, owners, 3), 0).astype(np.uint8)


def take_photo(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, bytes]:
    """Simulate the camera that photographs a whole scene: brightness, sometimes gray or blurred, noise and JPEG.

    Args:
        image: (H, W, 3) uint8 BGR.
        rng: Random generator.

    Returns:
        (H, W, 3) uint8 BGR before compression, and the bytes of the JPEG file.
    """
    photo = image.astype(np.float32) * rng.uniform(0.7, 1.2) + rng.uniform(-12, 12)
    if rng.random() < 0.1:
        photo = np.repeat(photo @ _BGR_TO_GRAY, 3, axis=-1)
    if rng.random() < 0.3:
        photo = cv2.GaussianBlur(photo, (0, 0), rng.uniform(0.4, 1.2))
    noise = rng.standard_normal(photo.shape, dtype=np.float32)
    photo = np.clip(np.rint(photo + noise * rng.uniform(0.5, 6.0)), 0, 255).astype(np.uint8)
    return photo, encode_jpeg(photo, int(rng.integers(60, 96)))
