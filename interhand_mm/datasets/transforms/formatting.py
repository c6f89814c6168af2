"""The last transform: a sample in the form that mmengine's loops and mmpose's estimators expect."""

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
from ...structures.sample import FIELDS, present_hand_slice, with_roles

_METAINFO, _DATA = with_roles("metainfo"), with_roles("data")
_TRUTH, _LABELS = with_roles("truth"), with_roles("label")


@TRANSFORMS.register_module()
class PackHandInputs(BaseTransform):
    """Pack a sample into `inputs` (3, H, W) uint8 BGR and a PoseDataSample.

    The roles in `structures/sample.py` decide where a field goes: `gt_instances` holds the ground truth in full-image
    coordinates as NumPy arrays, `gt_instance_labels` the targets as tensors (if `EncodeHand` ran), and the metainfo the
    rest. A packer for another kind of target overrides `truth` or `labels`.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return {"inputs", "data_samples"}."""
        sample = PoseDataSample()
        for name in _METAINFO:
            if name in results:  # one by one, because a set that is given at once is deep-copied
                sample.set_field(results[name], name, field_type="metainfo")
        sample.gt_instances = one_instance(**self.truth(results))
        labels = self.labels(results)
        if labels:
            sample.gt_instance_labels = one_instance(**labels)
        for name in _DATA:
            if name in results:
                sample.set_field(torch.from_numpy(results[name]), name, dtype=torch.Tensor)
        return {"inputs": torch.from_numpy(np.stack(cv2.split(results["img"]))), "data_samples": sample}

    def truth(self, results: dict[str, Any]) -> dict[str, np.ndarray]:
        """Return the columns of `gt_instances`, arrays with one row; mmpose's name of a box is "bboxes"."""
        return {"bboxes" if name == "bbox" else name: _one_row(name, results[name]) for name in _TRUTH}

    def labels(self, results: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return the columns of `gt_instance_labels`, tensors with one row; empty without targets."""
        if not all(name in results for name in _LABELS):
            return {}
        return {name: torch.from_numpy(_one_row(name, results[name])) for name in _LABELS}


def _one_row(name: str, value: Any) -> np.ndarray:
    """Give a field a leading axis of 1, unless it has one."""
    array = np.asarray(value)
    return array if (FIELDS[name].shape or ())[:1] == (1,) else array[None]


def one_instance(**columns: Any) -> InstanceData:
    """Return ``InstanceData(**columns)`` for columns of one row each, without the slow length check for each column."""
    instance = InstanceData()
    for name, values in columns.items():
        instance.set_field(values, name)
    return instance


@TRANSFORMS.register_module()
class PackHand2DInputs(PackHandInputs):
    """Pack a sample of one hand with its 21 joints as 2D labels.

    `gt_instance_labels` holds `keypoints` (1, 21, 2) px of the crop and `keypoint_weights` (1, 21), which is 0 for a
    joint that is not annotated or lies outside the crop.

    Args:
        encoder: Config of mmpose's codec, for a head of mmpose; the sample then also holds that codec's labels and
            heatmaps. None: the head makes its targets on its device (`HandHeatmapHead`), and a sample stays below 1 KB.
    """

    def __init__(self, encoder: dict[str, Any] | None = None) -> None:
        self.codec = build_codec(encoder) if encoder is not None else None

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return {"inputs", "data_samples"}."""
        packed = super().transform(results)
        if self.codec is not None:
            self._encode(self.codec, packed["data_samples"])
        return packed

    def labels(self, results: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return the joints of the one hand in the crop, and their weights."""
        slots = present_hand_slice(results["hand_type"][0], results["img_path"])
        points = results["warp"].to_crop(results["keypoints"][:, slots, :2])
        height, width = results["img"].shape[:2]
        inside = ((points >= 0) & (points < (width, height))).all(axis=-1)
        weights = (results["keypoints_visible"][:, slots] * inside).astype(np.float32)
        return {
            "keypoints": torch.from_numpy(points.astype(np.float32)),
            "keypoint_weights": torch.from_numpy(weights),
        }

    @staticmethod
    def _encode(codec: Any, sample: PoseDataSample) -> None:
        """Add the labels and heatmaps of mmpose's codec."""
        labels = sample.gt_instance_labels
        encoded = codec.encode(keypoints=labels.keypoints.numpy(), keypoints_visible=labels.keypoint_weights.numpy())
        for key, name in codec.label_mapping_table.items():
            labels.set_field(torch.from_numpy(np.ascontiguousarray(encoded[key])), name)
        dense = {name: encoded[key] for key, name in codec.field_mapping_table.items()}
        if dense:
            sample.gt_fields = PixelData(**{name: torch.from_numpy(value) for name, value in dense.items()})
