"""Reading, cropping, mirroring, coloring and packing of samples with amodal masks. See `AIHDataset` for their keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import BaseDataElement

from ....datasets.transforms.geometry import draw_augment
from ....errors import ConfigError, ImageError
from ....registry import TRANSFORMS
from ....structures.sample import with_roles
from ....structures.warp import Warp
from ....utils.images import BLACK_LEVEL, CHECK_DOWNLOAD, read_image, resize_image
from ...hand_crop import hand_bbox
from ...masks import IGNORED, MASK_NAMES, SWAP_SIDES, mirror_masks, stack_visible, unpack_masks, warp_mask
from ..amodal_sample import AMODAL_FIELDS

_CROP_TRIES = 10

_METAINFO, _DATA = (with_roles(role, fields=AMODAL_FIELDS) for role in ("metainfo", "data"))


def read_shown(path: str) -> np.ndarray:
    """Read an image (H, W, 3) uint8 BGR; an image that is all black is an `ImageError`."""
    image = read_image(path)
    if image.max() < BLACK_LEVEL:
        raise ImageError(f"image {path} is all black", fix=CHECK_DOWNLOAD)
    return image


def read_label(path: str, shape: tuple[int, ...], largest: int) -> np.ndarray:
    """Read a label image (H, W) uint8 with values 0 to `largest`; anything else is an `ImageError`."""
    label = read_image(path, cv2.IMREAD_UNCHANGED)
    if label.shape != shape:
        raise ImageError(
            f"the label image {path} has the wrong (height, width)", got=label.shape, want=shape, fix=CHECK_DOWNLOAD
        )
    if label.dtype != np.uint8 or label.max() > largest:
        raise ImageError(
            f"the label image {path} has wrong values",
            got=f"{label.dtype} up to {label.max()}",
            want=f"uint8, 0 to {largest}",
        )
    return label


@TRANSFORMS.register_module()
class LoadAIH(BaseTransform):
    """Read the files of an item of `AIHDataset`: both `sources` of AIH_Syn, or a triple of AIH_Render.

    Args:
        both: For AIH_Render: also read the other hand's clean image and amodal mask, if the files of the same name show
            the same view, which is the case if the visible labels of both sides are equal.
    """

    def __init__(self, both: bool = True) -> None:
        self.both = both

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the pixels. A sample that was blanked before is not changed.

        Raises:
            ImageError: A file is missing, unreadable, black or of another size, its labels are out of range, or a
                single-hand crop shows no hand.
        """
        if "img" in results:
            return results
        if "sources" in results:
            for source in results["sources"]:
                source["img"] = read_shown(source["img_path"])
                source["amodal"] = read_label(source["amodal_path"], source["img"].shape[:2], 1)
                if not source["amodal"].any():
                    raise ImageError(f"the mask {source['amodal_path']} is empty", fix="remove the crop from its list")
            return results
        image = read_shown(results["img_path"])
        shape, target = image.shape[:2], results["target"]
        masks, clean = np.zeros((len(MASK_NAMES), *shape), np.uint8), np.zeros((2, *image.shape), np.uint8)
        known = np.zeros(2, np.float32)
        visible = read_label(results["visible_path"], shape, 2)
        masks[1], masks[3] = stack_visible(visible)
        for side, names in ((target, results), (1 - target, self._partner(results, visible))):
            if names is None:
                continue
            alone = read_shown(names["clean_path"])
            if alone.shape != image.shape:
                raise ImageError(
                    f"the image {names['clean_path']} has the wrong shape", got=alone.shape, want=image.shape
                )
            clean[side], masks[2 * side], known[side] = alone, read_label(names["amodal_path"], shape, 1), 1
        masks_valid = np.array([known[0], 1, known[1], 1], np.float32)
        results.update(img=image, masks=masks, masks_valid=masks_valid, clean=clean, clean_valid=known)
        return results

    def _partner(self, results: dict[str, Any], visible: np.ndarray) -> dict[str, str] | None:
        """Return the other side's files of the same name, or None if they do not show the same view."""
        if not self.both:
            return None
        own, other = "rl"[results["target"]], "lr"[results["target"]]
        names = {}
        for key in ("clean_path", "amodal_path", "visible_path"):
            folder = Path(results[key]).parent  # .../{in_,}r_images/{DR_gt,r_amodal,rl_visible}
            side = folder.parent.with_name(folder.parent.name.replace(f"{own}_images", f"{other}_images"))
            kind = folder.name.replace(f"{own}_amodal", f"{other}_amodal")
            names[key] = str(side / kind / Path(results[key]).name)
        if not all(Path(path).is_file() for path in names.values()):
            return None
        return names if np.array_equal(read_label(names["visible_path"], visible.shape, 2), visible) else None


@TRANSFORMS.register_module()
class LoadLimbMasks(BaseTransform):
    """Read the masks of both limbs from `mask_path`, a file of our renderer, and crop them like the image.

    This transform must follow `HandCrop` or `HandCropAugment`. In frames of one hand the masks of the other hand are
    valid and empty, which teaches a network not to invent a second hand.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add `masks` and `masks_valid` (see `AIHDataset`). Both are 0 for a sample that was blanked.

        Raises:
            ConfigError: The data set has no masks.
            ImageError: The file is missing or of another size than the frame.
        """
        if "mask_path" not in results:
            raise ConfigError("LoadLimbMasks: the data set has no mask files", fix="set its mask_root")
        height, width = results["img"].shape[:2]
        known, full = not results["skipped"], results["img_full"].shape[:2]
        bits = read_label(results["mask_path"], full, 255) if known else np.zeros(full, np.uint8)
        masks = warp_mask(unpack_masks(bits, "limb"), results["warp"].stored_to_crop, (width, height))
        if results["warp"].flipped:
            masks = masks[list(SWAP_SIDES)]
        results.update(masks=masks, masks_valid=np.full(len(MASK_NAMES), known, np.float32))
        return results


@TRANSFORMS.register_module()
class CropTarget(BaseTransform):
    """Crop the image, masks and clean images to a square around the amodal mask of the target hand.

    If that mask is empty, the crop is the whole image (docs/spec/hdr.md, section 1.1).

    Args:
        size: (width, height) px of the crop.
        padding: Factor on the longer side of the tight box.
        shift: Range of the random shift; see `draw_augment`. The default 0 gives the crop for a test.
        scale: Range of the random scale; see `draw_augment`.
        rotation_deg: Range of the random rotation; see `draw_augment`.
        rotation_prob: Probability of a rotation.
    """

    def __init__(
        self,
        size: tuple[int, int],
        padding: float = 1.25,
        shift: float = 0.0,
        scale: float = 0.0,
        rotation_deg: float = 0.0,
        rotation_prob: float = 0.0,
    ) -> None:
        self.size, self.padding = (size[0], size[1]), padding
        self.ranges = dict(
            shift=shift, scale=scale, rotation_deg=rotation_deg, rotation_prob=rotation_prob, flip_prob=0.0
        )

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change `img`, `masks`, `clean` and any `pred_masks`; add the `warp`, from the image to the crop."""
        draw = draw_augment(results["rng"], **self.ranges)
        height, width = results["img"].shape[:2]
        bbox = hand_bbox(results["masks"][2 * results["target"]], self.padding)
        if bbox is None:
            bbox = np.array([0.0, 0.0, width, height])
        side = np.array([bbox[2] - bbox[0], bbox[3] - bbox[1]]) * draw.shift
        warp = Warp.from_box(
            bbox + np.tile(side, 2), self.size, (width, height), scale=draw.scale, rotation_deg=draw.rotation_deg
        )
        for key in ("masks", "pred_masks"):
            if key in results:
                results[key] = warp_mask(results[key], warp.full_to_crop, self.size)
        results.update(
            img=warp.crop_read(results["img"]),
            clean=np.stack([warp.crop_read(alone) for alone in results["clean"]]),
            warp=warp,
        )
        return results


@TRANSFORMS.register_module()
class MirrorHands(BaseTransform):
    """Mirror the image, masks and clean images, and exchange right and left.

    Args:
        prob: Share of the samples that are mirrored. None mirrors exactly those whose target is the left hand, for
            networks that only know right hands.
    """

    def __init__(self, prob: float | None = None) -> None:
        if prob is not None and not 0 <= prob <= 1:
            raise ConfigError("MirrorHands.prob must be None or between 0 and 1", got=prob)
        self.prob = prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Mirror all keys of `AIHDataset`. `mirrored` says whether the image is mirrored compared to its file."""
        mirror = results["target"] == 1 if self.prob is None else results["rng"].random() < self.prob
        if not mirror:
            return results
        results.update(
            img=np.ascontiguousarray(results["img"][:, ::-1]),
            masks=mirror_masks(results["masks"]),
            masks_valid=np.roll(results["masks_valid"], 2),
            clean=np.ascontiguousarray(results["clean"][::-1, :, ::-1]),
            clean_valid=results["clean_valid"][::-1].copy(),
            target=1 - results["target"],
            mirrored=not results.get("mirrored", False),
        )
        return results


@TRANSFORMS.register_module()
class JointColorJitter(BaseTransform):
    """Change the colors of an image and of its clean images in the same way: a gain, then the published "less" variant.

    This is docs/spec/hdr.md, section 5.2, steps 2 and 5.

    Args:
        gain: Each channel is multiplied by a factor uniform in 1 +- gain.
        shift: With probability 1/2, a value uniform in +- shift (of 255) is added to each channel.
        contrast: With probability 1/2, values are multiplied by a factor uniform in 1 +- contrast, and 255 times a
            number uniform in +- contrast is added.
    """

    def __init__(self, gain: float = 0.2, shift: float = 20.0, contrast: float = 0.2) -> None:
        self.gain, self.shift, self.contrast = gain, shift, contrast

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change `img` and `clean`. Every sample draws the same number of values."""
        rng = results["rng"]
        gain, shift = rng.uniform(-self.gain, self.gain, 3), rng.uniform(-self.shift, self.shift, 3)
        (shifted, lit), (light, contrast) = rng.random(2) < 0.5, rng.uniform(-self.contrast, self.contrast, 2)
        levels = np.clip(np.arange(256)[:, None] * (1 + gain), 0, 255)
        levels = np.clip(levels + shift, 0, 255) if shifted else levels
        levels = np.clip(levels * (1 + contrast) + 255 * light, 0, 255) if lit else levels
        table = (levels + 0.5).astype(np.uint8)[None]
        results["img"] = cv2.LUT(results["img"], table)
        clean = results["clean"]
        # A clean image that does not exist stays black.
        results["clean"] = np.stack(
            [cv2.LUT(c, table) if known else c for c, known in zip(clean, results["clean_valid"], strict=True)]
        )
        return results


@TRANSFORMS.register_module()
class ResizeAndCropHands(BaseTransform):
    """Resize a sample by a random factor, and cut out a random part of at most `size` (docs/spec/hdr.md, section 2).

    A part of which one class, hand or background, covers too much is drawn again, up to ten times. The classes are
    counted over all four masks. `PadHands` fills up samples that are smaller than `size`.

    Args:
        size: (width, height) px.
        ratio: Range of the factor. 1 scales the longer side of the image to that of `size`.
        max_share: Largest share of one class.
    """

    def __init__(
        self, size: tuple[int, int] = (256, 256), ratio: tuple[float, float] = (0.5, 2.0), max_share: float = 0.75
    ) -> None:
        self.size, self.ratio, self.max_share = (size[0], size[1]), (ratio[0], ratio[1]), max_share

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change `img`, `masks` and `clean`. Every sample draws the same number of values."""
        factor, draws = results["rng"].uniform(*self.ratio), results["rng"].random((_CROP_TRIES, 2))
        height, width = results["img"].shape[:2]
        factor *= max(self.size) / max(height, width)
        scaled = (max(1, round(width * factor)), max(1, round(height * factor)))
        masks = np.stack([cv2.resize(mask, scaled, interpolation=cv2.INTER_NEAREST) for mask in results["masks"]])
        room = np.maximum(np.subtract(scaled, self.size), 0)
        for draw in draws:
            x, y = (draw * (room + 1)).astype(int)
            part = (slice(y, y + self.size[1]), slice(x, x + self.size[0]))
            share = masks[:, *part].mean()
            if max(share, 1 - share) < self.max_share:
                break
        results.update(
            img=np.ascontiguousarray(resize_image(results["img"], scaled)[part]),
            masks=np.ascontiguousarray(masks[:, *part]),
            clean=np.stack([resize_image(image, scaled)[part] for image in results["clean"]]),
        )
        return results


@TRANSFORMS.register_module()
class PadHands(BaseTransform):
    """Fill up a sample on the right and below. The masks are 255 there, which losses ignore.

    Args:
        size: (width, height) px.
        color: BGR of the new pixels. Default: ImageNet's mean, which is 0 after the normalization.
    """

    def __init__(self, size: tuple[int, int] = (256, 256), color: tuple[int, int, int] = (104, 116, 124)) -> None:
        self.size, self.color = (size[0], size[1]), np.array(color, np.uint8)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change `img`, `masks` and `clean`."""
        height, width = results["img"].shape[:2]
        image = np.broadcast_to(self.color, (self.size[1], self.size[0], 3)).copy()
        clean = np.zeros((2, *image.shape), np.uint8)
        masks = np.full((len(MASK_NAMES), *image.shape[:2]), IGNORED, np.uint8)
        image[:height, :width], masks[:, :height, :width] = results["img"], results["masks"]
        clean[:, :height, :width] = results["clean"]
        results.update(img=image, masks=masks, clean=clean)
        return results


@TRANSFORMS.register_module()
class PhotometricDistortion(BaseTransform):
    """Change brightness, contrast, saturation and hue, each with probability 1/2 (docs/spec/hdr.md, section 2).

    Args:
        brightness: Largest value that is added or subtracted, of 255.
        contrast: Range of the factor on all values.
        saturation: Range of the factor on the saturation.
        hue: Largest shift of the hue, in steps of 2 degrees.
    """

    def __init__(
        self,
        brightness: float = 32.0,
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: float = 18.0,
    ) -> None:
        self.low = np.array([-brightness, contrast[0], saturation[0], -hue])
        self.high = np.array([brightness, contrast[1], saturation[1], hue])

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change `img`, and the clean images that exist in the same way."""
        used, drawn = results["rng"].random(4) < 0.5, results["rng"].uniform(self.low, self.high)
        change = np.where(used, drawn, [0.0, 1.0, 1.0, 0.0])
        results["img"] = _distorted(results["img"], *change)
        pairs = zip(results["clean"], results["clean_valid"], strict=True)
        results["clean"] = np.stack([_distorted(image, *change) if known else image for image, known in pairs])
        return results


def _distorted(image: np.ndarray, brightness: float, contrast: float, saturation: float, hue: float) -> np.ndarray:
    levels = np.clip(np.clip(np.arange(256) + brightness, 0, 255) * contrast, 0, 255)
    image = cv2.LUT(image, levels.round().astype(np.uint8))
    if saturation == 1 and hue == 0:
        return image
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV).astype(np.float64)
    hsv[..., 0] = (hsv[..., 0] + round(hue)) % 180
    hsv[..., 1] = np.clip(hsv[..., 1] * saturation, 0, 255)
    return cv2.cvtColor(hsv.round().astype(np.uint8), cv2.COLOR_HSV2BGR)


@TRANSFORMS.register_module()
class PackAmodalInputs(BaseTransform):
    """Pack a sample into `inputs` (3, H, W) uint8 BGR and a BaseDataElement.

    The roles in `AmodalSample` decide where a field goes: masks and clean images (2, 3, H, W) are tensors, next to the
    `image` (3, H, W) uint8 BGR for composing, and the rest is metainfo.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return {"inputs", "data_samples"}."""
        image = torch.from_numpy(np.ascontiguousarray(results["img"].transpose(2, 0, 1)))
        data = {name: torch.from_numpy(_channels_first(name, results[name])) for name in _DATA if name in results}
        metainfo = {name: results[name] for name in _METAINFO if name in results}
        return {"inputs": image, "data_samples": BaseDataElement(metainfo=metainfo, image=image, **data)}


def _channels_first(name: str, array: np.ndarray) -> np.ndarray:
    """Move the color axis of images in front of their rows; other arrays stay as they are."""
    is_image = (AMODAL_FIELDS[name].shape or ())[-1:] == (3,)
    return np.ascontiguousarray(np.moveaxis(array, -1, -3)) if is_image else array
