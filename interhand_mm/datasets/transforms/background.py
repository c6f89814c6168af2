"""Background replacement: photographs behind the hands, so that a network works outside the studio."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ...errors import BackgroundError, ConfigError
from ...registry import TRANSFORMS
from ...structures.camera import compose_affine
from ...structures.joints import HANDS, WRISTS
from ...utils.images import read_mask
from .background_pool import BackgroundPool
from .matte import can_be_drawn, hand_matte, nonzero_pixels, threshold_background

MASKS = ("matte", "threshold", "file")
_BRIGHTNESS_SPREAD = 0.4  # relative variation of a green cloth from sample to sample


@TRANSFORMS.register_module()
class RandomBackgroundReplace(BaseTransform):
    """Put a random photograph behind the hands. The transform comes after the crop and works at its resolution.

    With `mask="matte"`, a hand that is in the image but has no annotated bone could not be kept, so its sample stays
    without photograph.

    As in the published recipe (docs/spec/background_augmentation.md), a photograph is cut at random to the size of the
    image and then cropped, rotated and mirrored with it; a smaller photograph is enlarged first. Pixels outside the
    image stay black, as they are when the network is used.

    Args:
        backgrounds: Directory, list file, or list of photographs; see `BackgroundPool`.
        prob: Fraction of the samples that get a photograph.
        mask: How the foreground is found. "matte": from joints, skin color and forearm. "threshold": the published
            recipe, where pixels with all channels < `low` or all > `high` are background. "file": the mask stored at
            `mask_path`.
        low: Lower bound for "threshold".
        high: Upper bound for "threshold".
        fixed_seed: Draw from a hash of the sample id and this seed instead of the sample's generator. A test set then
            has the same photographs for everyone, without stored images.
    """

    def __init__(
        self,
        backgrounds: str | Path | Sequence[str] | None = None,
        prob: float = 0.5,
        mask: str = "matte",
        low: int = 30,
        high: int = 230,
        fixed_seed: int | None = None,
    ) -> None:
        if mask not in MASKS:
            raise ConfigError("RandomBackgroundReplace: mask is unknown", got=mask, want=" or ".join(MASKS))
        if not 0 <= prob <= 1:
            raise ConfigError("RandomBackgroundReplace: prob is out of range", got=prob, want="between 0 and 1")
        if backgrounds is None:
            raise BackgroundError("RandomBackgroundReplace needs photographs", fix="pass --backgrounds DIR")
        self.pool: BackgroundPool | _PlainSheets = BackgroundPool(backgrounds)
        self.prob, self.mask, self.low, self.high, self.fixed_seed = prob, mask, low, high, fixed_seed

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change `img`; add `background_alpha` (255 where the photograph shows), its path and the number of retries."""
        if results["skipped"]:
            return results
        rng = results["rng"]
        if self.fixed_seed is not None:
            rng = _sample_rng(results["sample_id"], self.fixed_seed)
        if rng.random() >= self.prob:
            return results
        alpha = self.background_alpha(results)
        if alpha is None:
            return results
        photo, retries, path = self.pool.draw(rng)
        crop = results["img"]
        size = (crop.shape[1], crop.shape[0])
        behind = warp_photo(photo, results["image_size"][::-1], results["warp"].stored_to_crop, size, rng)
        results["img"] = blend(crop, behind, alpha)
        results["background_alpha"] = alpha
        results["background_path"] = path
        results["background_retries"] = retries
        return results

    def background_alpha(self, results: dict[str, Any]) -> np.ndarray | None:
        """Return how much of the photograph each pixel of the crop shows, (H, W) uint8; 0 outside the image.

        None where a hand of `hand_type` has nothing to be kept by: no annotated bone, or an empty stored mask.
        """
        warp, frame_shape = results["warp"], tuple(results["image_size"][::-1])
        if self.mask == "threshold":
            return warp.crop_read(threshold_background(results["img_full"], self.low, self.high))
        if self.mask == "file":
            if "mask_path" not in results:
                raise BackgroundError(
                    f"sample {results['sample_id']} has no stored mask",
                    fix="set the data set's mask_root, or RandomBackgroundReplace(mask='matte')",
                )
            stored = read_mask(results["mask_path"])
            if stored.shape != frame_shape:
                raise BackgroundError(
                    f"mask {results['mask_path']} has another (height, width) than its image",
                    got=stored.shape,
                    want=frame_shape,
                )
            if results["hand_type"].any() and not stored.any():
                return None
            foreground = np.where(stored, 0, 255).astype(np.uint8)
            return warp.crop_stored(foreground)
        points, annotated, px_per_mm = crop_joints(results)
        if not can_be_drawn(annotated)[results["hand_type"][0] > 0].all():
            return None
        foreground = hand_matte(results["img"], points, annotated, px_per_mm)
        inside = warp.crop_stored(np.full(frame_shape, 255, np.uint8), flags=cv2.INTER_NEAREST)
        return cv2.bitwise_and(cv2.bitwise_not(foreground), inside)


def crop_joints(results: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return joints in the crop (42, 2) px, which are annotated (42,), and px per mm of the two hands (2,)."""
    warp, visible = results["warp"], results["keypoints_visible"][0]
    points = warp.to_crop(results["keypoints"][0, :, :2])
    annotated = results.get("keypoints_annotated", results["keypoints_visible"])[0]
    joints_z = results["keypoints_cam"][0, :, 2]
    depth = joints_z[list(WRISTS)].copy()
    for side, own in enumerate(HANDS):
        if annotated[own].any() and not visible[own].any():  # the wrist is not annotated, so its depth may be anything
            depth[side] = np.median(joints_z[own][annotated[own] > 0])
    return points, annotated, warp.zoom * results["focal"][0] / np.maximum(depth, 1.0)


def _sample_rng(sample_id: str, seed: int) -> np.random.Generator:
    digest = hashlib.blake2b(f"{sample_id}|{seed}".encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def warp_photo(
    photo: np.ndarray, frame_shape: tuple[int, int], warp: np.ndarray, size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """Cut a random part of the image's size out of a photograph and warp it to the crop.

    Args:
        photo: (H, W, 3) uint8 photograph.
        frame_shape: (height, width) px of the image that it goes behind.
        warp: (2, 3) affine from image to crop pixels.
        size: (width, height) px of the crop.
        rng: Source of randomness, for the position of the part.

    Returns:
        (height, width, 3) uint8.
    """
    height, width = frame_shape
    enlarge = max(1.0, width / photo.shape[1], height / photo.shape[0])
    room = np.array([photo.shape[1] * enlarge - width, photo.shape[0] * enlarge - height])
    left, top = rng.random(2) * np.maximum(room, 0)
    place = np.array([[enlarge, 0.0, -left], [0.0, enlarge, -top]])
    return cv2.warpAffine(photo, compose_affine(warp, place), size, flags=cv2.INTER_LINEAR)


def blend(front: np.ndarray, behind: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return ``front (1 - alpha) + behind alpha``, in rounded integers.

    Only the feathered edge is mixed; everywhere else one of the two images is copied.

    Args:
        front: (H, W, 3) uint8.
        behind: (H, W, 3) uint8.
        alpha: (H, W) uint8; 255 shows `behind`.
    """
    mixed = cv2.copyTo(behind, cv2.compare(alpha, 255, cv2.CMP_EQ), np.ascontiguousarray(front).copy())
    edge = nonzero_pixels(cv2.inRange(alpha, 1, 254))
    weight = alpha.reshape(-1).take(edge)[:, None].astype(np.uint16)
    own, other = front.reshape(-1, 3).take(edge, axis=0), behind.reshape(-1, 3).take(edge, axis=0)
    mixed.reshape(-1, 3)[edge] = (own * (255 - weight) + other * weight + 127) // 255
    return mixed


class _PlainSheets:
    """A pool of plain sheets instead of photographs, slightly uneven, as light on a cloth is."""

    def __init__(self, color: tuple[int, int, int]) -> None:
        self.color = color

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, int, str]:
        """Return a sheet (8, 8, 3) uint8 BGR, the number of retries (0) and a name."""
        brightness = 1 + _BRIGHTNESS_SPREAD * (2 * rng.random() - 1)
        (top, bottom), (left, right) = 1 + 0.3 * _BRIGHTNESS_SPREAD * (2 * rng.random((2, 2)) - 1)
        light = np.linspace(top, bottom, 8)[:, None] * np.linspace(left, right, 8)
        sheet = np.array(self.color) * (brightness * light)[..., None]
        return np.clip(np.rint(sheet), 0, 255).astype(np.uint8), 0, "green screen"


@TRANSFORMS.register_module()
class GreenScreen(RandomBackgroundReplace):
    """Put a green cloth behind the hand, as in FreiHAND's first version, for data with masks.

    Args:
        prob: Fraction of the samples that get the cloth.
        mask: How the foreground is found; see `RandomBackgroundReplace`.
        color: BGR color of the cloth.
        fixed_seed: Seed for a test set that is the same for everyone; see `RandomBackgroundReplace`.
    """

    def __init__(
        self,
        prob: float = 1.0,
        mask: str = "file",
        color: tuple[int, int, int] = (70, 150, 60),
        fixed_seed: int | None = None,
    ) -> None:
        super().__init__([""], prob=prob, mask=mask, fixed_seed=fixed_seed)
        self.pool = _PlainSheets(color)
