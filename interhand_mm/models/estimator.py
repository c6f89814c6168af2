"""The pose estimator: backbone, head, and the way back to the full image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.models.pose_estimators import TopdownPoseEstimator
from torch import Tensor

from ..codecs.heatmap import mirror_inputs
from ..registry import MODELS
from ..structures.camera import apply_affine, invert_affine


@MODELS.register_module()
class InterHandEstimator(TopdownPoseEstimator):
    """mmpose's top-down estimator with this project's crop affine and a mirror test on whole bins.

    Predictions leave as u, v px of the FULL image and d mm relative to the own wrist.

    Args:
        channels_last: Run the convolutions in channels-last memory (faster with bf16 on CPUs and GPUs).
        **kwargs: As `mmpose.TopdownPoseEstimator`: backbone, neck, head, data_preprocessor, test_cfg, ...
    """

    def __init__(self, channels_last: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels_last = channels_last
        if channels_last:
            self.to(memory_format=torch.channels_last)

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Backbone (and neck) features of normalised crops (B, 3, H, W)."""
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return super().extract_feat(inputs)

    def predict(self, inputs: Tensor, data_samples: list) -> list:
        """Predict a batch of normalised crops; see `HandHead.predict` for what is added to the samples."""
        instances = self.head.predict(self._tested_feats(inputs), data_samples, test_cfg=self.test_cfg)
        return self.add_pred_to_datasample(instances, None, data_samples)

    def infer(self, inputs: Tensor) -> dict[str, Tensor]:
        """Predictions of normalised crops (B, 3, H, W) as tensors in CROP coordinates; see `HandHead.infer`."""
        return self.head.infer(self._tested_feats(inputs), self.test_cfg)

    def _tested_feats(self, inputs: Tensor) -> Any:
        """Features, or with `flip_test` the pair with those of the mirrored crops."""
        feats = self.extract_feat(inputs)
        if not self.test_cfg.get("flip_test"):
            return feats
        codec = self.head.codec
        stride = codec.input_size[0] // codec.heatmap_size[0]
        return feats, self.extract_feat(mirror_inputs(inputs, stride))

    def add_pred_to_datasample(
        self, batch_pred_instances: list[InstanceData], batch_pred_fields: list | None, batch_data_samples: list
    ) -> list:
        """Move keypoints from crop to full image with the exact inverse of the crop affine."""
        for instances, sample in zip(batch_pred_instances, batch_data_samples, strict=True):
            points = instances.keypoints.astype(np.float64)
            points[..., :2] = apply_affine(points[..., :2], invert_affine(sample.metainfo["affine"]))
            instances.keypoints = points.astype(np.float32)
            instances.bboxes = sample.gt_instances.bboxes
            sample.pred_instances = instances
        return batch_data_samples
