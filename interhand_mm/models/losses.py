"""Losses of InterNet; the plain sum of the three is its total (docs/spec/datasets.md, section 2.3)."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ..codecs.heatmap import PEAK, gaussian_axes
from ..registry import MODELS


class _GaussianMSE(torch.autograd.Function):
    """Mean squared error against separable Gaussians, its gradient written in the same pass.

    The difference volume is formed by one rank-1 update in the place where the gradient will live, summed in
    squares there and scaled there: nothing of the size of the volume is allocated but the gradient. Unlike
    p^2 - 2pt + t^2 this loses no digits when prediction and target are close.
    """

    @staticmethod
    def forward(ctx: Any, volume: Tensor, bins: Tensor, weights: Tensor, sigma: float) -> Tensor:
        depth, height, width = volume.shape[-3:]
        x, y, z = gaussian_axes(bins.float(), (width, height, depth), sigma)
        rows = (PEAK * z.unsqueeze(-1) * y.unsqueeze(-2)).reshape(-1, depth * height, 1)
        columns = x.reshape(-1, 1, width)
        flat = volume.detach().reshape(-1, depth * height, width)
        weights = weights.float().reshape(-1)
        squares = torch.zeros(len(flat), device=flat.device)
        gradient = torch.zeros_like(flat) if ctx.needs_input_grad[0] else None
        in_place = gradient is not None and gradient.dtype == torch.float32
        for part in _parts(weights):
            difference = torch.addcmul(
                flat[part].float(), rows[part], columns[part], value=-1, out=gradient[part] if in_place else None
            )
            squares[part] = torch.linalg.vector_norm(difference, dim=(1, 2)).square()
            if gradient is not None:
                difference.mul_(weights[part].view(-1, 1, 1) * (2 / volume.numel()))
                if not in_place:
                    gradient[part] = difference
        if gradient is not None:
            ctx.save_for_backward(gradient.view_as(volume))
        return ((squares.double() * weights.double()).sum() / volume.numel()).float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        # In place: a second backward through the same graph is refused by autograd's version counter.
        return gradient.mul_(grad_output.to(gradient.dtype)), None, None, None


def _parts(weights: Tensor) -> list[slice]:
    """Which joints to take together: one at a time stays in a CPU's cache, a GPU wants few large kernels.

    Joints of weight 0 (the absent hand of a single-hand picture) are left out on the CPU; asking a GPU which
    they are would cost more than they do.
    """
    if weights.device.type == "cpu":
        return [slice(i, i + 1) for i in weights.nonzero().flatten().tolist()]
    return [slice(0, len(weights))]


def gaussian_mse(volume: Tensor, bins: Tensor, weights: Tensor, sigma: float) -> Tensor:
    """InterNet's heatmap loss without the dense target (docs/spec/datasets.md, section 2.3).

    ``mean over (B, K, D, H, W) of weight * (volume - gaussian)^2``, the masked joints counted in the mean.

    Args:
        volume: (B, K, D, H, W) predicted heatmaps, float32, bfloat16 or float16.
        bins: (B, K, 3) x, y, z of the targets.
        weights: (B, K).
        sigma: Of the Gaussian, bins.

    Returns:
        () float32. The gradient goes to `volume` alone.
    """
    return _GaussianMSE.apply(volume, bins, weights, sigma)


def projected_mse(volume: Tensor, bins: Tensor, weights: Tensor, sigma: float) -> Tensor:
    """Heatmap loss of joints without a depth: the volume's largest value along depth against the Gaussian in x and y.

    That is what a target volume with its depth unknown has in common with every one that it could be. The sum is
    divided by the volume's size, as `gaussian_mse` does, so the two add up to one loss of a mixed batch.

    Args:
        volume: (B, K, D, H, W).
        bins: (B, K, 3); z is not read.
        weights: (B, K).
        sigma: Of the Gaussian, bins.

    Returns:
        () float32.
    """
    height, width = volume.shape[-2:]
    x, y, _ = gaussian_axes(bins.float(), (width, height, 1), sigma)
    target = PEAK * y.unsqueeze(-1) * x.unsqueeze(-2)
    squares = (volume.float().amax(dim=-3) - target).square().sum(dim=(-2, -1))
    return (squares * weights).sum() / volume.numel()


@MODELS.register_module()
class GaussianHeatmapLoss(BaseModule):
    """`gaussian_mse` times a weight, as a config component; `projected_mse` for samples without depth."""

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(
        self, volume: Tensor, bins: Tensor, weights: Tensor, sigma: float, depth_valid: Tensor | None = None
    ) -> Tensor:
        """See `gaussian_mse`; `depth_valid` (B,) is 0 where z is not known, None where it always is."""
        if depth_valid is None:
            return self.loss_weight * gaussian_mse(volume, bins, weights, sigma)
        flat = depth_valid == 0
        whole = gaussian_mse(volume, bins, weights * depth_valid[:, None], sigma)
        # Summed over the flat samples, divided by the whole batch's size.
        part = projected_mse(volume[flat], bins[flat], weights[flat], sigma) * (volume[flat].numel() / volume.numel())
        return self.loss_weight * (whole + part)


@MODELS.register_module()
class RootDepthLoss(BaseModule):
    """Mean over the batch of |predicted bin - target bin| where both wrists are known."""

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, root_bin: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """All (B,), bins; returns ()."""
        return self.loss_weight * ((root_bin.float() - target).abs() * weight).mean()


@MODELS.register_module()
class HandednessLoss(BaseModule):
    """Binary cross entropy of right and left, averaged over both, then over the batch with its mask."""

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, hand_type: Tensor, valid: Tensor) -> Tensor:
        """Logits and hand_type (B, 2), valid (B,); returns ()."""
        entropy = F.binary_cross_entropy_with_logits(logits.float(), hand_type.float(), reduction="none")
        return self.loss_weight * (entropy.mean(dim=1) * valid).mean()
