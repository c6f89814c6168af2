"""The crop of one hand, cut as the HDR plugin cuts it, and its packing for the published single-hand network."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ....datasets.transforms.formatting import PackHandInputs
from ....datasets.transforms.geometry import HandCropAugment, crop_sample, draw_augment
from ....registry import TRANSFORMS
from ....structures.joints import RIGHT_HAND
from ....structures.sample import check_sample, checks_enabled, is_flipped
from ...hand_crop import hand_bbox
from ...masks import MaskPart
from .hand_masks import read_hand_masks


def _inside(box: np.ndarray, width: int, height: int) -> tuple[slice, slice]:
    """Return the rows and columns of an image whose pixel centers lie inside a box."""
    x1, y1 = (max(0, int(np.ceil(value))) for value in box[:2])
    x2, y2 = min(width - 1, int(np.floor(box[2]))), min(height - 1, int(np.floor(box[3])))
    return slice(y1, max(y1, y2 + 1)), slice(x1, max(x1, x2 + 1))


@TRANSFORMS.register_module()
class OneHandCrop(HandCropAugment):
    """Cut out one right hand as the plugin does: by its amodal mask inside the crop of both hands.

    Pixels outside the crop of both hands are black, as in the plugin. An image of a single hand has no crop of both
    hands, so `context` draws one around the annotated box. Without a mask file the annotated box is cut out.

    Args:
        encoder: Config of the codec, which defines the size of the crop. `load_config` fills it in.
        enlarge: Factor on the tight box of the mask.
        part: "hand", or "limb" for the mask of the hand with its arm.
        context: Largest size of the crop of both hands. It is the annotated box times a factor uniform between 1 and
            this number, at a random place around the box.
        **ranges: Ranges of `HandCropAugment`. There is no `flip_prob`, because all hands are right ones.
    """

    def __init__(
        self,
        encoder: dict[str, Any],
        enlarge: float = 1.25,
        part: MaskPart = "limb",
        context: float = 1.0,
        **ranges: Any,
    ) -> None:
        none = dict(shift=0.0, scale=0.0, rotation_deg=0.0, rotation_prob=0.0)
        super().__init__(encoder, **{**none, **ranges, "flip_prob": 0.0})
        self.enlarge, self.part, self.context = enlarge, part, context

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change `bbox` and `img`, and crop; see `crop_sample`."""
        rng = results["rng"]
        factor, where = rng.uniform(1.0, self.context), rng.uniform(-0.5, 0.5, 2)
        if "mask_path" in results:
            self._cut(results, factor, where)
        crop_sample(results, draw_augment(rng, **self.ranges), self.size)
        if checks_enabled():
            check_sample(results, "crop", type(self).__name__)
        return results

    def _cut(self, results: dict[str, Any], factor: float, where: np.ndarray) -> None:
        width, height = results["image_size"]
        x1, y1, x2, y2 = results["bbox"].astype(np.float64)
        side = np.array([x2 - x1, y2 - y1])
        middle = np.array([x1 + x2, y1 + y2]) / 2 + where * (factor - 1) * side
        both = np.concatenate([middle - factor * side / 2, middle + factor * side / 2])
        rows, columns = _inside(both, width, height)
        mask = np.zeros((height, width), np.uint8)
        mask[rows, columns] = read_hand_masks(results, self.part)[0][rows, columns]
        box = hand_bbox(mask, self.enlarge)
        if box is None:  # the hand lies outside the crop of both
            return
        results["bbox"] = box.astype(np.float32)
        if is_flipped(results):  # only the warp mirrors the pixels
            columns = slice(width - columns.stop, width - columns.start)
        image = np.zeros_like(results["img"])
        image[rows, columns] = results["img"][rows, columns]
        results["img"] = image


@TRANSFORMS.register_module()
class PackOneHand(PackHandInputs):
    """Pack a sample of one right hand for `SingleHandPose`.

    `gt_instances` holds the 21 joints alone. `gt_instance_labels` holds `keypoints_crop` (1, 21, 2) px of the crop,
    `keypoints_cam` (1, 21, 3) mm in the frame in which the crop stands upright, and `visible` (1, 21).
    """

    def truth(self, results: dict[str, Any]) -> dict[str, np.ndarray]:
        """Return the hand's own joints and `hand_type`."""
        joints = {name: results[name][:, RIGHT_HAND] for name in ("keypoints_cam", "keypoints_visible")}
        return {**joints, "hand_type": results["hand_type"]}

    def labels(self, results: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return the joints in the crop, in the rotated camera frame, and their visibility."""
        warp = results["warp"]
        points = warp.to_crop(results["keypoints"][:, RIGHT_HAND, :2])
        upright = results["keypoints_cam"][:, RIGHT_HAND].astype(np.float64)
        # The crop is rotated and scaled alike in x and y, so its linear part divided by its scale is the rotation.
        upright[..., :2] = upright[..., :2] @ (warp.full_to_crop[:, :2] / warp.zoom).T
        return {
            "keypoints_crop": torch.from_numpy(points.astype(np.float32)),
            "keypoints_cam": torch.from_numpy(upright.astype(np.float32)),
            "visible": torch.from_numpy(results["keypoints_visible"][:, RIGHT_HAND].copy()),
        }
