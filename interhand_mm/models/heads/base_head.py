"""What all 42-joint heads share: root depth, handedness, losses, predictions, and testing on the mirrored image."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ...registry import MODELS
from ...structures.sample import FIELDS, with_roles

# Keypoint outputs of any form, root (B,) in bins, and handedness logits (B, 2).
Outputs = tuple[Any, Tensor, Tensor]
_LABELS = with_roles("label")


class VectorBranch(BaseModule):
    """A hidden layer and an output layer on a feature vector.

    Args:
        in_channels: Length of the vector.
        out_channels: Number of outputs.
        hidden: Width of the hidden layer.
    """

    def __init__(self, in_channels: int, out_channels: int, hidden: int = 512) -> None:
        super().__init__(init_cfg=dict(type="Normal", layer="Linear", std=0.01))
        self.fc = nn.Sequential(nn.Linear(in_channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, out_channels))

    def forward(self, vector: Tensor) -> Tensor:
        """Map (B, in_channels) to (B, out_channels)."""
        return self.fc(vector)


class HandHead(BaseModule):
    """Parent of the heads that predict 42 joints in bins, a relative root depth and handedness.

    A child implements `forward`, `keypoint_losses`, `decode_keypoints` and `merge_mirrored`. docs/how-to/head.md shows
    a complete head.

    Args:
        codec: Codec that relates bins to pixels and millimeters.
        loss_root_depth: Config of the loss of the relative root depth. Default: `RootDepthLoss`.
        loss_handedness: Config of the loss of the handedness. Default: `HandednessLoss`.
    """

    def __init__(self, codec: Any, loss_root_depth: dict | None, loss_handedness: dict | None) -> None:
        super().__init__()
        self.codec = codec
        self.loss_root_depth = MODELS.build(loss_root_depth or dict(type="RootDepthLoss"))
        self.loss_handedness = MODELS.build(loss_handedness or dict(type="HandednessLoss"))

    @abstractmethod
    def keypoint_losses(
        self, outputs: Any, bins: Tensor, weights: Tensor, depth_valid: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the losses of the keypoints.

        Args:
            outputs: Keypoint outputs of `forward`.
            bins: (B, 42, 3) targets x, y, z.
            weights: (B, 42), 0 for a joint that must not be learned.
            depth_valid: (B,), 0 for samples whose depth must not be learned. None: all depths are learned.
        """

    @abstractmethod
    def decode_keypoints(self, outputs: Any) -> tuple[Tensor, Tensor]:
        """Return the bins (B, 42, 3) and the scores (B, 42) of keypoint outputs."""

    @abstractmethod
    def merge_mirrored(self, outputs: Any, mirrored: Any) -> Any:
        """Return the average of the keypoint outputs of a crop and of its mirror image."""

    def loss(self, feats: Any, data_samples: list, train_cfg: dict | None = None) -> dict[str, Tensor]:
        """Return all losses of a batch, from the `gt_instance_labels` and the `depth_valid` of its samples."""
        keypoints, root_bin, logits = self.forward(feats)
        labels = stack_labels(data_samples, logits.device)
        depth_valid = stack_depth_valid(data_samples, logits.device)
        losses = self.keypoint_losses(keypoints, labels["bins"], labels["bin_weights"], depth_valid)
        losses["loss_root_depth"] = self.loss_root_depth(root_bin, labels["root_bin"], labels["root_weight"])
        losses["loss_handedness"] = self.loss_handedness(logits, labels["hand_type"], labels["hand_type_valid"])
        return losses

    def predict(self, feats: Any, data_samples: list, test_cfg: dict | None = None) -> list[InstanceData]:
        """Decode a batch.

        Args:
            feats: Stages of the backbone, or with `flip_test` the pair (stages, stages of the mirrored crops).
            data_samples: Not used; mmpose passes them.
            test_cfg: May hold `flip_test` (bool).

        Returns:
            One InstanceData per sample with `keypoints` (1, 42, 3) u, v px of the CROP and d mm,
            `keypoint_scores` (1, 42), `bins` (1, 42, 3), `rel_root_depth` (1,) mm, `hand_prob` (1, 2).
        """
        columns = {name: values.cpu().numpy() for name, values in self.infer(feats, test_cfg).items()}
        return [
            InstanceData(**{name: values[i : i + 1] for name, values in columns.items()})
            for i in range(len(columns["keypoints"]))
        ]

    def infer(self, feats: Any, test_cfg: dict | None = None) -> dict[str, Tensor]:
        """Return the predictions as tensors on the device of the network; the graph can be exported.

        Args:
            feats: Stages of the backbone, or with `flip_test` a pair; see `predict`.
            test_cfg: May hold `flip_test` (bool).

        Returns:
            float32: `keypoints` (B, 42, 3) u, v px of the CROP and d mm, `keypoint_scores` (B, 42), `bins` (B, 42, 3),
            `rel_root_depth` (B,) mm, `hand_prob` (B, 2).
        """
        if (test_cfg or {}).get("flip_test"):
            outputs = self.merge_outputs(self.forward(feats[0]), self.forward(feats[1]))
        else:
            outputs = self.forward(feats)
        keypoints, root_bin, logits = outputs
        bins, scores = (values.float() for values in self.decode_keypoints(keypoints))
        return {
            "keypoints": self.codec.from_bins(bins),
            "keypoint_scores": scores,
            "bins": bins,
            "rel_root_depth": self.codec.root_from_bin(root_bin.float()),
            "hand_prob": logits.float().sigmoid(),
        }

    def merge_outputs(self, plain: Outputs, mirrored: Outputs) -> Outputs:
        """Average all outputs with those of the mirrored crop: the root bin is reflected, the logits are swapped."""
        return (
            self.merge_mirrored(plain[0], mirrored[0]),
            (plain[1] + self.codec.root_bins - mirrored[1]) / 2,
            (plain[2] + mirrored[2].flip(-1)) / 2,
        )


def stack_labels(data_samples: list, device: torch.device) -> dict[str, Tensor]:
    """Stack the `gt_instance_labels` of the samples into (B, ...) tensors on `device`."""
    columns = {name: [sample.gt_instance_labels.get(name) for sample in data_samples] for name in _LABELS}
    return {name: torch.cat(values).to(device, non_blocking=True) for name, values in columns.items()}


def stack_depth_valid(data_samples: list, device: torch.device) -> Tensor | None:
    """Return `depth_valid` (B,) of the samples, or None if all depths are learned, without waiting for a GPU."""
    default = FIELDS["depth_valid"].default
    valid = [float(sample.metainfo.get("depth_valid", default)) for sample in data_samples]
    return None if min(valid) > 0 else torch.tensor(valid, device=device)
