"""The last transform: a sample as mmengine's loops and mmpose's estimators take it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from ...registry import TRANSFORMS

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
