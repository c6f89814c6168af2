"""Mirror and crop of a sample, with and without augmentation (docs/spec/datasets.md, section 2.2)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from mmcv.transforms import BaseTransform

from ...codecs import build_codec
from ...errors import ConfigError
from ...registry import TRANSFORMS
from ...structures.joints import FLIP_INDICES
from ...structures.sample import check_sample, checks_enabled, present_hand_slice
from ...structures.warp import Warp

# For `EmptyCrop`: flesh around the joints and the smallest box, by the side of the box of the hands; how far an
# augmented crop reaches from the center of its box, by its side (shift 0.15, scale 1.25, any rotation); tries.
_FLESH, _EMPTY_SIDE, _EMPTY_REACH, _EMPTY_TRIES = 0.08, 0.15, (0.15 + 0.5 * 1.25) * 2**0.5, 20


class Augment(NamedTuple):
    """One draw of the geometric augmentation; the default leaves a sample as it is.

    Attributes:
        shift: Shift of the box in x and y, as a fraction of its sides, before a mirror.
        scale: Factor on the box; above 1 shows more of the image.
        rotation_deg: Rotation of the crop; see `crop_affine`.
        flip: Whether the sample is mirrored.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    rotation_deg: float = 0.0
    flip: bool = False


def draw_augment(
    rng: np.random.Generator, shift: float, scale: float, rotation_deg: float, rotation_prob: float, flip_prob: float
) -> Augment:
    """Draw from the official distributions (docs/spec/datasets.md, section 2.2, step 3).

    Every call draws the same number of values, whatever the ranges are.

    Args:
        rng: Source of randomness.
        shift: The shift is uniform in +-`shift`.
        scale: The factor is ``1 + scale * clip(N(0, 1), -1, 1)``.
        rotation_deg: The rotation is ``rotation_deg * clip(N(0, 1), -2, 2)``.
        rotation_prob: Probability of a rotation.
        flip_prob: Probability of a mirror.
    """
    shift_x, shift_y = rng.uniform(-shift, shift, 2) if shift else (0.0, 0.0)
    size, turn = rng.standard_normal(2)
    turned, flipped = rng.random(2) < (rotation_prob, flip_prob)
    return Augment(
        (float(shift_x), float(shift_y)),
        1.0 + scale * float(np.clip(size, -1, 1)),
        rotation_deg * float(np.clip(turn, -2, 2)) if turned else 0.0,
        bool(flipped),
    )


def flip_sample(sample: dict[str, Any]) -> dict[str, Any]:
    """Mirror all fields of a sample in place, except its pixels, and toggle `flipped`.

    The crop mirrors the pixels later. Flipping twice is the identity, and the projection of keypoints_cam stays
    keypoints[..., :2].

    Args:
        sample: A sample of stage "dataset".
    """
    last = sample["image_size"][0] - 1
    x1, y1, x2, y2 = sample["bbox"]
    sample["bbox"] = np.array([last - x2, y1, last - x1, y2], sample["bbox"].dtype)
    for key in ("keypoints", "keypoints_cam", "keypoints_visible", "keypoints_annotated"):
        if key in sample:
            sample[key] = sample[key][:, FLIP_INDICES].copy()
    sample["keypoints"][..., 0] = last - sample["keypoints"][..., 0]
    sample["keypoints_cam"][..., 0] *= -1
    sample["principal_pt"] = np.array([last - sample["principal_pt"][0], sample["principal_pt"][1]], np.float32)
    sample["hand_type"] = sample["hand_type"][:, ::-1].copy()
    sample["abs_depth"] = sample["abs_depth"][::-1].copy()
    sample["rel_root_depth"] = -sample["rel_root_depth"]
    sample["flipped"] = not sample.get("flipped", False)
    return sample


def crop_sample(sample: dict[str, Any], augment: Augment, size: tuple[int, int]) -> dict[str, Any]:
    """Shift the box, mirror, and cut the crop out of the image with one warp.

    This is docs/spec/datasets.md, section 2.2, steps 4 to 9.

    Args:
        sample: A sample of stage "dataset" with `img`, the image as read.
        augment: The shift, scale, rotation and mirror to apply.
        size: (width, height) px of the crop.

    Returns:
        The same sample at stage "crop": `img` is the crop, `img_full` the image as read, and `warp` relates them. The
        fields `flipped` and `read_to_stored` move into `warp`.
    """
    x1, y1, x2, y2 = sample["bbox"]
    move_x, move_y = augment.shift[0] * (x2 - x1), augment.shift[1] * (y2 - y1)
    sample["bbox"] = (sample["bbox"] + np.array([move_x, move_y, move_x, move_y])).astype(np.float32)
    if augment.flip:
        flip_sample(sample)
    sample["warp"] = Warp.from_box(
        sample["bbox"],
        size,
        sample["image_size"],
        scale=augment.scale,
        rotation_deg=augment.rotation_deg,
        flipped=sample.pop("flipped", False),
        read_to_stored=sample.pop("read_to_stored", None),
    )
    sample["img_full"] = sample["img"]
    sample["img"] = sample["warp"].crop_read(sample["img_full"])
    return sample


@TRANSFORMS.register_module()
class HandCropAugment(BaseTransform):
    """Cut the hands out with InterNet's random shift, scale, rotation and mirror.

    Args:
        encoder: Codec config, which gives the size of the crop; `load_config` writes the one `codec` here.
        shift: Largest shift of the box, as a fraction of its sides.
        scale: Largest change of the box's size, as a fraction.
        rotation_deg: Standard deviation of the rotation.
        rotation_prob: Fraction of the samples that are rotated.
        flip_prob: Fraction of the samples that are mirrored.
        flip_left_to_right: Mirror exactly the left hands, for networks that know right hands only (2D, FreiHAND).
    """

    def __init__(
        self,
        encoder: dict[str, Any],
        shift: float = 0.15,
        scale: float = 0.25,
        rotation_deg: float = 45.0,
        rotation_prob: float = 0.6,
        flip_prob: float = 0.5,
        flip_left_to_right: bool = False,
    ) -> None:
        width, height = build_codec(encoder).input_size
        self.size, self.flip_left_to_right = (width, height), flip_left_to_right
        self.ranges = dict(
            shift=shift, scale=scale, rotation_deg=rotation_deg, rotation_prob=rotation_prob, flip_prob=flip_prob
        )

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Bring a sample to stage "crop"; see `crop_sample`."""
        augment = draw_augment(results["rng"], **self.ranges)
        if self.flip_left_to_right:
            left = present_hand_slice(results["hand_type"][0], results["img_path"]).start > 0
            augment = augment._replace(flip=left)
        crop_sample(results, augment, self.size)
        if checks_enabled():
            check_sample(results, "crop", type(self).__name__)
        return results


@TRANSFORMS.register_module()
class HandCrop(HandCropAugment):
    """Cut the hands out as annotated, for validation and test.

    Args:
        encoder: Codec config, which gives the size of the network's input; `load_config` writes the one `codec` here.
        flip_left_to_right: Mirror the left hands, for networks that know right hands only.
        crop_scale: Crop pixels per pixel of the network's input. `load_config` writes the value that the config's
            plugin asks for.
    """

    def __init__(self, encoder: dict[str, Any], flip_left_to_right: bool = False, crop_scale: int = 1) -> None:
        still = dict(shift=0.0, scale=0.0, rotation_deg=0.0, rotation_prob=0.0, flip_prob=0.0)
        super().__init__(encoder, **still, flip_left_to_right=flip_left_to_right)
        self.size = (self.size[0] * crop_scale, self.size[1] * crop_scale)


@TRANSFORMS.register_module()
class EmptyCrop(BaseTransform):
    """Move the box of some samples beside the hands, so that a network also learns what shows no hand.

    It stands before the crop. The sample becomes one without hands: `hand_type` is (0, 0), and no joint and no depth
    counts. The new box keeps so much distance that no hand enters it by the official augmentation. A sample whose image
    has no such place stays as it is, and so does one whose hands are not all annotated (`hand_type_valid`). Forearms
    may remain visible. Do not use it with data sets that show hands which they do not annotate, such as RHD's second
    hand, nor with networks for one hand.

    Args:
        prob: Fraction of the samples.
    """

    def __init__(self, prob: float = 0.08) -> None:
        if not 0 <= prob <= 1:
            raise ConfigError("EmptyCrop: prob is out of range", got=prob, want="between 0 and 1")
        self.prob = prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change `bbox` and the fields about hands, or nothing."""
        rng = results["rng"]
        if rng.random() >= self.prob or results["skipped"] or not results["hand_type_valid"]:
            return results
        box = self._free_box(results, rng)
        if box is None:
            return results
        results["bbox"] = box
        for key in ("keypoints_visible", "keypoints_annotated", "hand_type", "rel_root_valid"):
            if key in results:
                results[key] = np.zeros_like(results[key])
        return results

    @staticmethod
    def _free_box(results: dict[str, Any], rng: np.random.Generator) -> np.ndarray | None:
        """Return a square (4,) px that no hand enters, or None."""
        annotated = results.get("keypoints_annotated", results["keypoints_visible"])[0] > 0
        if not annotated.any() or not results["keypoints_visible"].any():
            return None
        points = results["keypoints"][0, annotated, :2]
        x1, y1, x2, y2 = results["bbox"]
        side = float(max(x2 - x1, y2 - y1))
        low, high = points.min(axis=0) - _FLESH * side, points.max(axis=0) + _FLESH * side
        for center in rng.random((_EMPTY_TRIES, 2)) * np.array(results["image_size"]):
            away = float(np.linalg.norm(np.maximum(np.maximum(low - center, center - high), 0)))
            half = min(side * rng.uniform(0.3, 1.0), away / _EMPTY_REACH) / 2
            if half >= _EMPTY_SIDE / 2 * side:
                return np.array([*(center - half), *(center + half)], results["bbox"].dtype)
        return None
