"""Losses of InterNet; the total loss is the plain sum of the three (docs/spec/datasets.md, section 2.3)."""

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
    """Mean squared error against separable Gaussians, with the gradient computed in the same pass.

    A rank-1 update writes the difference into the memory of the gradient, where it is squared and summed. The
    gradient is the only allocation of the size of the volume. Unlike p^2 - 2pt + t^2 this loses no digits when
    prediction and target are close.

    The backward pass divides by the size of the volume, together with the factor of the loss scale. Without that factor
    the quotient (2e-8 per unit of difference) would be 0 in float16.
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
                flat[part].float(),
                rows[part],
                columns[part],
                value=-1,
                out=gradient[part] if gradient is not None and in_place else None,
            )
            if len(difference) > 1:  # also joints without weight; 0 times an infinite prediction would be NaN
                difference.masked_fill_(weights[part].view(-1, 1, 1) == 0, 0)
            squares[part] = torch.linalg.vector_norm(difference, dim=(1, 2)).square()
            if gradient is not None:
                difference.mul_(weights[part].view(-1, 1, 1))
                if not in_place:
                    gradient[part] = difference
        if gradient is not None:
            ctx.save_for_backward(gradient.view_as(volume))
        exact = torch.float32 if flat.device.type == "mps" else torch.float64  # Apple GPUs have no float64
        return ((squares.to(exact) * weights.to(exact)).sum() / volume.numel()).float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        # In place is safe: autograd's version counter refuses a second backward pass through the same graph.
        factor = grad_output * (2 / gradient.numel())
        return gradient.mul_(factor.to(gradient.dtype)), None, None, None


def _parts(weights: Tensor) -> list[slice]:
    """Return the slices of joints to process together: one joint on a CPU, to stay in its cache; all on a GPU.

    On the CPU, joints with weight 0 (the absent hand of a single-hand image) are left out. On a GPU, finding out which
    they are would cost more than computing them.
    """
    if weights.device.type == "cpu":
        return [slice(i, i + 1) for i in weights.nonzero().flatten().tolist()]
    return [slice(0, len(weights))]


def gaussian_mse(volume: Tensor, bins: Tensor, weights: Tensor, sigma: float) -> Tensor:
    """Return InterNet's heatmap loss, without a dense target (docs/spec/datasets.md, section 2.3).

    ``mean over (B, K, D, H, W) of weight * (volume - gaussian)^2``; joints with weight 0 count in the mean.

    Args:
        volume: (B, K, D, H, W) predicted heatmaps, float32, bfloat16 or float16.
        bins: (B, K, 3) x, y, z of the targets.
        weights: (B, K) factors.
        sigma: Standard deviation of the Gaussian, bins.

    Returns:
        () float32. Only `volume` receives a gradient.
    """
    return _GaussianMSE.apply(volume, bins, weights, sigma)


def projected_mse(volume: Tensor, bins: Tensor, weights: Tensor, sigma: float) -> Tensor:
    """Return the heatmap loss of joints without depth: the maximum over depth against the Gaussian in x and y.

    All target volumes that differ only in depth have the same maximum over depth. The sum is divided by the size of the
    volume, as in `gaussian_mse`, so both add up to one loss of a mixed batch.

    Args:
        volume: (B, K, D, H, W) predicted heatmaps.
        bins: (B, K, 3) targets; z is not used.
        weights: (B, K) factors.
        sigma: Standard deviation of the Gaussian, bins.

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
    """Heatmap loss: `gaussian_mse`, and `projected_mse` for samples without depth.

    Args:
        loss_weight: Factor on the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(
        self, volume: Tensor, bins: Tensor, weights: Tensor, sigma: float, depth_valid: Tensor | None = None
    ) -> Tensor:
        """Return the loss (); see `gaussian_mse`. `depth_valid` (B,) is 0 where z is unknown; None: z is known."""
        if depth_valid is None:
            return self.loss_weight * gaussian_mse(volume, bins, weights, sigma)
        flat = depth_valid == 0
        whole = gaussian_mse(volume, bins, weights * depth_valid[:, None], sigma)
        # The sum over the samples without depth is divided by the size of the whole batch.
        part = projected_mse(volume[flat], bins[flat], weights[flat], sigma) * (volume[flat].numel() / volume.numel())
        return self.loss_weight * (whole + part)


@MODELS.register_module()
class RootDepthLoss(BaseModule):
    """L1 loss of the relative root depth in bins, where both wrists are known; the mean is over the whole batch.

    Args:
        loss_weight: Factor on the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, root_bin: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Return the loss (); `root_bin`, `target` and `weight` are (B,)."""
        return self.loss_weight * ((root_bin.float() - target).abs() * weight).mean()


@MODELS.register_module()
class HandednessLoss(BaseModule):
    """Binary cross entropy of the right and the left hand; samples without a known hand type count as 0 in the mean.

    Args:
        loss_weight: Factor on the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, hand_type: Tensor, valid: Tensor) -> Tensor:
        """Return the loss (); `logits` and `hand_type` are (B, 2), `valid` is (B,)."""
        entropy = F.binary_cross_entropy_with_logits(logits.float(), hand_type.float(), reduction="none")
        return self.loss_weight * (entropy.mean(dim=1) * valid).mean()
