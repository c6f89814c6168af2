"""What every 42-joint head shares: root depth and handedness, packing of losses and predictions, mirror test."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor

from ...registry import MODELS
from ...structures.sample import FIELDS, with_roles

Outputs = tuple[Any, Tensor, Tensor]  # keypoint outputs, root (B,) bins, handedness (B, 2) logits


class HandHead(BaseModule):
    """Parent of heads that predict 42 joints in bins, a relative root depth and handedness.

    A child gives `forward`, `keypoint_losses`, `decode_keypoints` and `merge_mirrored`.
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
        """Losses of the keypoints alone; outputs as `forward` gives them.

        `depth_valid` (B,) is 0 for samples whose x and y bins alone are known; None where there is none such.
        """

    @abstractmethod
    def decode_keypoints(self, outputs: Any) -> tuple[Tensor, Tensor]:
        """Bins (B, 42, 3) and scores (B, 42)."""

    @abstractmethod
    def merge_mirrored(self, outputs: Any, mirrored: Any) -> Any:
        """Outputs averaged with those of the mirrored crop."""

    def loss(self, feats: Any, data_samples: list, train_cfg: dict | None = None) -> dict[str, Tensor]:
        """Return all losses of a batch, from the `gt_instance_labels` and the `depth_valid` of its samples."""
        keypoints, root_bin, logits = self.forward(feats)
        labels = stack_labels(data_samples, logits.device)
        known = depth_known(data_samples, logits.device)
        losses = self.keypoint_losses(keypoints, labels["bins"], labels["bin_weights"], known)
        losses["loss_root_depth"] = self.loss_root_depth(root_bin, labels["root_bin"], labels["root_weight"])
        losses["loss_handedness"] = self.loss_handedness(logits, labels["hand_type"], labels["hand_type_valid"])
        return losses

    def predict(self, feats: Any, data_samples: list, test_cfg: dict | None = None) -> list[InstanceData]:
        """Decode a batch.

        Args:
            feats: Backbone stages, or with `flip_test` the pair (stages, stages of the mirrored crops).
            data_samples: The batch's samples; their number only is used.
            test_cfg: flip_test (bool).

        Returns:
            One InstanceData a sample with `keypoints` (1, 42, 3) u, v px of the CROP and d mm,
            `keypoint_scores` (1, 42), `bins` (1, 42, 3), `rel_root_depth` (1,) mm, `hand_prob` (1, 2).
        """
        columns = {name: values.cpu().numpy() for name, values in self.infer(feats, test_cfg).items()}
        return [
            InstanceData(**{name: values[i : i + 1] for name, values in columns.items()})
            for i in range(len(columns["keypoints"]))
        ]

    def infer(self, feats: Any, test_cfg: dict | None = None) -> dict[str, Tensor]:
        """Predictions as tensors on the network's device; a graph that exports.

        Args:
            feats: As for `predict`.
            test_cfg: flip_test (bool).

        Returns:
            float32: `keypoints` (B, 42, 3) u, v px of the CROP and d mm, `keypoint_scores` (B, 42), `bins` (B, 42, 3),
            `rel_root_depth` (B,) mm, `hand_prob` (B, 2).
        """
        if (test_cfg or {}).get("flip_test"):
            outputs = self._merge(self.forward(feats[0]), self.forward(feats[1]))
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

    def _merge(self, plain: Outputs, mirrored: Outputs) -> Outputs:
        """Mirror test: joints by the child, the root bin reflected about its middle, the logits swapped."""
        return (
            self.merge_mirrored(plain[0], mirrored[0]),
            (plain[1] + self.codec.root_bins - mirrored[1]) / 2,
            (plain[2] + mirrored[2].flip(-1)) / 2,
        )


_LABELS = with_roles("label")


def stack_labels(data_samples: list, device: torch.device) -> dict[str, Tensor]:
    """Stack the samples' `gt_instance_labels` into (B, ...) tensors on `device`."""
    columns = {name: [sample.gt_instance_labels.get(name) for sample in data_samples] for name in _LABELS}
    return {name: torch.cat(values).to(device, non_blocking=True) for name, values in columns.items()}


def depth_known(data_samples: list, device: torch.device) -> Tensor | None:
    """`depth_valid` (B,) of the samples, or None where every depth is to be learned; asks nothing of a GPU."""
    default = FIELDS["depth_valid"].default
    valid = [float(sample.metainfo.get("depth_valid", default)) for sample in data_samples]
    return None if min(valid) > 0 else torch.tensor(valid, device=device)
