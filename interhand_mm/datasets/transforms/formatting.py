"""The last transform: a sample as mmengine's loops and mmpose's estimators take it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData, PixelData
from mmpose.structures import PoseDataSample

from ...codecs import build_codec
from ...registry import TRANSFORMS
from ...structures.camera import apply_affine
from ...structures.sample import present_hand_slice

META = (
    "img_path", "ann_id", "sample_idx", "dataset_name", "skipped", "background_retries", "flipped", "affine",
    "image_size", "hand_type_valid", "rel_root_valid", "abs_depth", "focal", "principal_pt", "occlusion",
    "depth_valid", "bone_mm",
)  # fmt: skip


@TRANSFORMS.register_module()
class PackHandInputs(BaseTransform):
    """Pack `inputs` (3, H, W) uint8 BGR and a PoseDataSample.

    `gt_instances` holds the ground truth in full-image coordinates (numpy, for metrics and pictures),
    `gt_instance_labels` the targets (tensors, for losses; where `EncodeHand` ran), `masks` the crop's amodal masks
    (where `CropHandMasks` ran), and the metainfo the rest.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return {"inputs", "data_samples"}."""
        sample = PoseDataSample()
        for key in META:
            if key in results:  # one by one: given all at once they would be deep-copied
                sample.set_field(results[key], key, field_type="metainfo")
        sample.gt_instances = one_instance(
            bboxes=results["bbox"][None],
            keypoints=results["keypoints"],
            keypoints_cam=results["keypoints_cam"],
            keypoints_visible=results["keypoints_visible"],
            hand_type=results["hand_type"],
            rel_root_depth=np.atleast_1d(results["rel_root_depth"]),
        )
        if "bins" in results:
            sample.gt_instance_labels = one_instance(
                bins=torch.from_numpy(results["bins"])[None],
                bin_weights=torch.from_numpy(results["bin_weights"])[None],
                root_bin=torch.tensor([float(results["root_bin"])]),
                root_weight=torch.tensor([float(results["root_weight"])]),
                hand_type=torch.from_numpy(results["hand_type"]),
                hand_type_valid=torch.tensor([float(results["hand_type_valid"])]),
            )
        if "masks" in results:
            sample.set_field(results["masks"], "masks", dtype=torch.Tensor)
        return {"inputs": torch.from_numpy(np.stack(cv2.split(results["img"]))), "data_samples": sample}


def one_instance(**columns: Any) -> InstanceData:
    """`InstanceData(**columns)` of arrays that have one row each; not counted again at each, which took its time."""
    instance = InstanceData()
    for name, values in columns.items():
        instance.set_field(values, name)
    return instance


@TRANSFORMS.register_module()
class PackHand2DInputs(PackHandInputs):
    """`PackHandInputs` and the 21 joints of the one hand as 2D labels.

    `gt_instance_labels` holds `keypoints` (1, 21, 2) px of the crop and `keypoint_weights` (1, 21), 0 for a joint that
    is not annotated or lies outside the crop.

    Args:
        encoder: mmpose's codec for one of mmpose's heads, which then finds its own labels and heatmaps too. None for
            heads that make their targets on their device (`HandHeatmapHead`): a sample stays under 1 KB.
    """

    def __init__(self, encoder: dict[str, Any] | None = None) -> None:
        self.codec = build_codec(encoder) if encoder is not None else None

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return {"inputs", "data_samples"}."""
        packed = super().transform(results)
        slots = present_hand_slice(results["hand_type"][0], results["img_path"])
        points = apply_affine(results["keypoints"][:, slots, :2].astype(np.float64), results["affine"])
        height, width = results["img"].shape[:2]
        inside = ((points >= 0) & (points < (width, height))).all(axis=-1)
        weights = (results["keypoints_visible"][:, slots] * inside).astype(np.float32)
        self._add_labels(packed["data_samples"], points.astype(np.float32), weights)
        return packed

    def _add_labels(self, sample: Any, points: np.ndarray, weights: np.ndarray) -> None:
        labels = InstanceData(keypoints=torch.from_numpy(points), keypoint_weights=torch.from_numpy(weights))
        if self.codec is not None:
            encoded = self.codec.encode(keypoints=points, keypoints_visible=weights)
            for key, name in self.codec.label_mapping_table.items():
                labels.set_field(torch.from_numpy(np.ascontiguousarray(encoded[key])), name)
            dense = {name: encoded[key] for key, name in self.codec.field_mapping_table.items()}
            if dense:
                sample.gt_fields = PixelData(**{name: torch.from_numpy(value) for name, value in dense.items()})
        sample.gt_instance_labels = labels
