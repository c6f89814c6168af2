"""The pose estimator: backbone, head, and the way back to the full image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.models.pose_estimators import TopdownPoseEstimator
from torch import Tensor

from ..codecs.heatmap import mirror_inputs
from ..errors import ConfigError, DataContractError
from ..registry import MODELS
from ..structures.joints import NUM_HAND_JOINTS
from .plugin import HandPlugin, ReplacedHands, build_plugin, merge_hands
from .preprocessing import denormalize


@MODELS.register_module()
class InterHandEstimator(TopdownPoseEstimator):
    """mmpose's top-down estimator with this project's crop affine and a flip test on whole bins.

    Its predictions are u, v in px of the FULL image and d in mm relative to the joint's own wrist.

    Args:
        channels_last: Run the convolutions in channels-last memory, which is faster with bfloat16 on CPUs and GPUs.
        hdr: Config of a plugin (see `models.plugin`). The hands that it estimates replace this network's.
        **kwargs: Arguments of `mmpose.TopdownPoseEstimator`: backbone, neck, head, data_preprocessor, test_cfg, ...
    """

    def __init__(self, channels_last: bool = False, hdr: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # In a tuple, so that the plugin's frozen networks stay out of this model's state, training and checkpoints.
        self._plugin: tuple[HandPlugin, ...] = (build_plugin(hdr),) if hdr else ()
        self.channels_last = channels_last
        if channels_last:
            self.to(memory_format=torch.channels_last)

    @property
    def plugin(self) -> HandPlugin | None:
        """The plugin, or None."""
        return self._plugin[0] if self._plugin else None

    @property
    def crop_scale(self) -> int:
        """Number of crop pixels per pixel of the network's input; 1 without a plugin."""
        return self.plugin.crop_scale if self.plugin is not None else 1

    @property
    def crop_size(self) -> tuple[int, int]:
        """(width, height) px of the crops that `predict` takes."""
        width, height = self.head.codec.input_size
        return width * self.crop_scale, height * self.crop_scale

    @property
    def single_hand_size(self) -> int:
        """Side in px of the crops that `single_hand` takes."""
        return self.head.codec.input_size[0]

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the features of the backbone (and neck) for normalized crops (B, 3, H, W)."""
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return super().extract_feat(inputs)

    def predict(self, inputs: Tensor, data_samples: list) -> list:
        """Predict a batch of normalized crops of `crop_size`. See `HandHead.predict` for what the samples receive.

        With a plugin they also receive `replaced` (1, 2), 1 for a right and a left hand whose keypoints are the
        plugin's. Relative root depth and handedness are always this network's.
        """
        replaced = None if self.plugin is None else self.replace_hands(inputs, data_samples)
        return self.predict_with(inputs, data_samples, replaced)

    def predict_with(self, inputs: Tensor, data_samples: list, replaced: ReplacedHands | None) -> list:
        """Predict like `predict`, with a plugin result that is given: None for this network's hands alone."""
        instances = self._instances(inputs, data_samples)
        if replaced is not None:
            merge_hands(instances, replaced, self.crop_scale, self.head.codec)
        return self.add_pred_to_datasample(instances, None, data_samples)

    def replace_hands(self, inputs: Tensor, data_samples: Sequence[Any] = (), **options: Any) -> ReplacedHands:
        """Run the plugin alone.

        Args:
            inputs: (B, 3, H, W) normalized crops of `crop_size`.
            data_samples: The crops' samples, where they come from a data set.
            **options: Keyword arguments of the plugin's forward pass.

        Raises:
            ConfigError: The model has no plugin.
            DataContractError: The crops have another size.
        """
        if self.plugin is None:
            raise ConfigError("the model has no plugin", fix="model.hdr=dict(type=..., ...) in the config")
        size = (inputs.shape[-1], inputs.shape[-2])
        if size != self.crop_size:
            raise DataContractError(
                "the crops for the plugin have the wrong size: (width, height)",
                got=size,
                want=self.crop_size,
                fix=f"HandCrop(crop_scale={self.crop_scale}) in the test pipeline; load_config writes it",
            )
        self.plugin.to(inputs.device)
        return self.plugin(denormalize(inputs, self.data_preprocessor), data_samples, **options)

    def _instances(self, inputs: Tensor, data_samples: list) -> list[InstanceData]:
        """Return this network's predictions in px of the crops, of which it receives every `crop_scale`-th pixel."""
        scale = self.crop_scale
        feats = self._tested_feats(inputs[..., ::scale, ::scale])
        instances: list[InstanceData] = self.head.predict(feats, data_samples, test_cfg=self.test_cfg)
        for each in instances:
            each.keypoints[..., :2] *= scale
        return instances

    def single_hand(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Predict the right hand of crops with one hand each.

        Args:
            inputs: (N, 3, H, W) normalized crops.

        Returns:
            Keypoints (N, 21, 3), x, y px of the crop and d mm relative to the wrist, and scores (N, 21).
        """
        bins, scores = self.head.decode_keypoints(self.head.forward(self.extract_feat(inputs))[0])
        own = slice(0, NUM_HAND_JOINTS)
        return self.head.codec.from_bins(bins.float())[:, own], scores[:, own]

    def infer(self, inputs: Tensor) -> dict[str, Tensor]:
        """Predict normalized crops (B, 3, H, W) as tensors in CROP coordinates; see `HandHead.infer`.

        With a plugin the result also contains `replaced` (B, 2), as `predict` gives it.
        """
        if self.plugin is None:
            return self.head.infer(self._tested_feats(inputs), self.test_cfg)
        instances = self._instances(inputs, [])
        merge_hands(instances, self.replace_hands(inputs), self.crop_scale, self.head.codec)
        names = list(instances[0].keys())
        return {name: torch.from_numpy(np.concatenate([each[name] for each in instances])) for name in names}

    def _tested_feats(self, inputs: Tensor) -> Any:
        """Return the features, or with `flip_test` the pair with those of the mirrored crops."""
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
