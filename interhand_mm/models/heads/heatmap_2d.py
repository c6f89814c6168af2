"""2D heatmaps of one hand, learned by their overlap with Gaussians that are never stored as dense targets."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseModule
from mmpose.models.heads import HeatmapHead
from torch import Tensor

from ...codecs.heatmap import gaussian_axis
from ...registry import MODELS


def gaussian_dice(heatmaps: Tensor, points: Tensor, sigma: float) -> Tensor:
    """Return the Dice coefficient of each heatmap with a Gaussian of height 1.

    ``2 sum(p t) / (sum(p^2) + sum(t^2))`` (Milletari et al., V-Net, 2016). With squares in the denominator the maximum,
    1, is reached only by p = t; with plain sums a disc would score higher. A Gaussian t is the product of a row and a
    column, so the sums do not need a target of the heatmap's size.

    Args:
        heatmaps: (B, K, H, W), 0 to 1.
        points: (B, K, 2) x, y in cells of the heatmap; integers are cell centers.
        sigma: Standard deviation of the Gaussian, cells.

    Returns:
        (B, K) float32.
    """
    heatmaps, points = heatmaps.float(), points.float()
    x = gaussian_axis(points[..., 0], heatmaps.shape[-1], sigma)
    y = gaussian_axis(points[..., 1], heatmaps.shape[-2], sigma)
    with torch.autocast(heatmaps.device.type, enabled=False):  # it would compute the product in 16 bits
        overlap = ((heatmaps @ x.unsqueeze(-1)).squeeze(-1) * y).sum(-1)
    squares = heatmaps.square().sum(dim=(-2, -1)) + x.square().sum(-1) * y.square().sum(-1)
    return 2 * overlap / squares.clamp_min(1e-6)


@MODELS.register_module()
class DiceHeatmapLoss(BaseModule):
    """Loss of heatmaps: 1 - Dice coefficient, averaged over the joints with weight.

    Args:
        loss_weight: Factor on the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, heatmaps: Tensor, points: Tensor, weights: Tensor, sigma: float) -> Tensor:
        """Return the loss (); 0 if no joint has weight. Arguments as in `gaussian_dice`, and weights (B, K)."""
        dice = gaussian_dice(heatmaps, points, sigma)
        return self.loss_weight * ((1 - dice) * weights).sum() / weights.sum().clamp_min(1.0)


@MODELS.register_module()
class HandHeatmapHead(HeatmapHead):
    """mmpose's `HeatmapHead` with heatmaps between 0 and 1 and a loss that takes joints instead of dense targets.

    Arguments are those of mmpose's head. The `loss` is called with (heatmaps, points, weights, sigma); the `decoder` is
    a codec with `scale_factor` and `sigma` (`mmpose.MSRAHeatmap`). Samples come from `PackHand2DInputs` without an
    `encoder`.
    """

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Map features to heatmaps (B, K, H, W), 0 to 1; the last feature (B, C, h, w) is used."""
        heatmaps: Tensor = super().forward(feats).float().sigmoid()
        return heatmaps

    def loss(self, feats: tuple[Tensor, ...], batch_data_samples: list, train_cfg: Any = None) -> dict[str, Tensor]:
        """Return the `loss_heatmap` of a batch."""
        heatmaps = self.forward(feats)
        labels = [sample.gt_instance_labels for sample in batch_data_samples]
        points = torch.cat([label.keypoints for label in labels]).to(heatmaps.device)
        weights = torch.cat([label.keypoint_weights for label in labels]).to(heatmaps.device)
        points = points / torch.as_tensor(self.decoder.scale_factor, device=points.device)
        return {"loss_heatmap": self.loss_module(heatmaps, points, weights, self.decoder.sigma)}
