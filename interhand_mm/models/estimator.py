"""The pose estimator: backbone, head, and the way back to the full image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.models.pose_estimators import TopdownPoseEstimator
from torch import Tensor

from ..codecs.heatmap import mirror_inputs
from ..errors import DataContractError
from ..registry import MODELS
from ..structures.joints import NUM_HAND_JOINTS
from .plugin import RestoredHands, merge_hands
from .preprocessing import to_bgr


@MODELS.register_module()
class InterHandEstimator(TopdownPoseEstimator):
    """mmpose's top-down estimator with this project's crop affine and a mirror test on whole bins.

    Predictions leave as u, v px of the FULL image and d mm relative to the own wrist.

    Args:
        channels_last: Run the convolutions in channels-last memory (faster with bf16 on CPUs and GPUs).
        hdr: Config of an `HDRPlugin`: predictions of the hands that it restores replace this network's.
        **kwargs: As `mmpose.TopdownPoseEstimator`: backbone, neck, head, data_preprocessor, test_cfg, ...
    """

    def __init__(self, channels_last: bool = False, hdr: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # In a tuple: the plugin's frozen networks are no part of this one's state, training or checkpoints.
        self._hdr: tuple[Any, ...] = (MODELS.build(hdr),) if hdr else ()
        self.channels_last = channels_last
        if channels_last:
            self.to(memory_format=torch.channels_last)

    @property
    def hdr(self) -> Any:
        """The plugin, if there is one."""
        return self._hdr[0] if self._hdr else None

    @property
    def crop_size(self) -> tuple[int, int]:
        """(width, height) px of the crops that `predict` takes."""
        width, height = self.head.codec.input_size
        crop_scale = self.hdr.crop_scale if self.hdr else 1
        return width * crop_scale, height * crop_scale

    @property
    def single_hand_size(self) -> int:
        """Side px of the crops that `single_hand` takes."""
        return self.head.codec.input_size[0]

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Backbone (and neck) features of normalized crops (B, 3, H, W)."""
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return super().extract_feat(inputs)

    def predict(self, inputs: Tensor, data_samples: list) -> list:
        """Predict a batch of normalized crops; see `HandHead.predict` for what is added to the samples.

        With a plugin also `pred_hdr` (1, 2), 1 for a right and a left hand whose keypoints are the plugin's. Relative
        root depth and handedness are always this network's.
        """
        if self.hdr is None:
            return self.predict_base(inputs, data_samples)
        step = self.hdr.crop_scale
        if (inputs.shape[-1], inputs.shape[-2]) != self.crop_size:
            raise DataContractError(
                "crops for the HDR plugin: (width, height)",
                got=(inputs.shape[-1], inputs.shape[-2]),
                want=self.crop_size,
                fix=f"HandCrop(crop_scale={step}) in the test pipeline; load_config writes it",
            )
        instances = self._instances(inputs[..., ::step, ::step], data_samples)
        truth = [sample.get("masks") for sample in data_samples]
        known = torch.stack(truth) if all(masks is not None for masks in truth) else None
        found = self.restore(inputs, known)
        merge_hands(instances, found, step, self.head.codec)
        return self.add_pred_to_datasample(instances, None, data_samples)

    def restore(self, inputs: Tensor, truth: Tensor | None = None) -> RestoredHands:
        """What the plugin makes of normalized crops, stage by stage; `truth` are masks (B, 4, S, S)."""
        assert self.hdr is not None
        self.hdr.to(inputs.device)
        return self.hdr(to_bgr(inputs, self.data_preprocessor), truth)

    def predict_base(self, inputs: Tensor, data_samples: list) -> list:
        """`predict` without the plugin, from crops of `crop_size` as well."""
        step = self.hdr.crop_scale if self.hdr else 1
        instances = self._instances(inputs[..., ::step, ::step], data_samples)
        for each in instances:
            each.keypoints[..., :2] *= step
        return self.add_pred_to_datasample(instances, None, data_samples)

    def _instances(self, inputs: Tensor, data_samples: list) -> list[InstanceData]:
        return self.head.predict(self._tested_feats(inputs), data_samples, test_cfg=self.test_cfg)

    def single_hand(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Right hands of crops with one hand each, for the HDR plugin.

        Args:
            inputs: (N, 3, H, W) normalized crops.

        Returns:
            (N, 21, 3) x, y px of the crop and d mm relative to the wrist, and scores (N, 21).
        """
        bins, scores = self.head.decode_keypoints(self.head.forward(self.extract_feat(inputs))[0])
        own = slice(0, NUM_HAND_JOINTS)
        return self.head.codec.from_bins(bins.float())[:, own], scores[:, own]

    def infer(self, inputs: Tensor) -> dict[str, Tensor]:
        """Predictions of normalized crops (B, 3, H, W) as tensors in CROP coordinates; see `HandHead.infer`.

        With a plugin also `pred_hdr` (B, 2), as `predict` gives it.
        """
        if self.hdr is None:
            return self.head.infer(self._tested_feats(inputs), self.test_cfg)
        step = self.hdr.crop_scale
        instances = self._instances(inputs[..., ::step, ::step], [])
        merge_hands(instances, self.restore(inputs), step, self.head.codec)
        names = list(instances[0].keys())
        return {name: torch.from_numpy(np.concatenate([each[name] for each in instances])) for name in names}

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
        """Move keypoints from crop to full image with the exact inverse of the crop."""
        for instances, sample in zip(batch_pred_instances, batch_data_samples, strict=True):
            points = instances.keypoints.astype(np.float64)
            points[..., :2] = sample.metainfo["warp"].to_full(points[..., :2])
            instances.keypoints = points.astype(np.float32)
            instances.bboxes = sample.gt_instances.bboxes
            sample.pred_instances = instances
        return batch_data_samples
