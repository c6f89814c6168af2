"""Benchmark of the heatmap loss, forward and backward, in three forms: fused, separable and dense."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..structures.joints import NUM_JOINTS
from ..utils.provenance import provenance
from .measure import Task, add_ratios, interleaved, peak_mb

SIGMA, PEAK = 2.5, 255.0


def dense_mse(volume: Tensor, bins: Tensor, weights: Tensor, sigma: float = SIGMA) -> Tensor:
    """Compute the dense heatmap loss, with one exponential per voxel and autograd through the whole volume.

    The formula is in docs/spec/datasets.md, section 2.3.

    Args:
        volume: (B, K, D, H, W).
        bins: (B, K, 3) x, y, z in bins.
        weights: (B, K).
        sigma: Standard deviation of the Gaussian in bins.

    Returns:
        Scalar, the same number as `gaussian_mse`.
    """
    depth, height, width = (
        torch.arange(length, dtype=volume.dtype, device=volume.device) for length in volume.shape[-3:]
    )
    zz, yy, xx = torch.meshgrid(depth, height, width, indexing="ij")
    x, y, z = (bins[..., axis, None, None, None] for axis in range(3))
    target = PEAK * torch.exp(
        -(((xx - x) / sigma) ** 2) / 2 - (((yy - y) / sigma) ** 2) / 2 - (((zz - z) / sigma) ** 2) / 2
    )
    return ((volume - target) ** 2 * weights[..., None, None, None]).mean()


def separable_mse(volume: Tensor, bins: Tensor, weights: Tensor, sigma: float = SIGMA) -> Tensor:
    """Compute the same loss with a target that is the product of three 1D Gaussians; target and autograd are dense."""
    from ..codecs.heatmap import gaussian_volume

    size = (volume.shape[-1], volume.shape[-2], volume.shape[-3])
    return ((volume - gaussian_volume(bins, size, sigma)) ** 2 * weights[..., None, None, None]).mean()


def benchmark_loss(
    batch: int = 8, bins: int = 64, repeat: int = 3, device: str = "cpu", clock: str = "ms"
) -> dict[str, Any]:
    """Time a forward and backward pass of each form on the same volume.

    Args:
        batch: Number of samples, each with the joints of two hands.
        bins: Number of bins along each axis.
        repeat: Number of rounds; the median is reported.
        device: Device name for torch.
        clock: Time from which the ratios are computed: "ms" (wall clock) or "cpu_ms". With one thread, CPU time stays
            correct on a busy machine.

    Returns:
        "rows": {name: {"ms", "peak_mb", ...}}, "ratios" and "memory_ratios" to the fused loss, and "gradient_mb".
        `peak_mb` includes the gradient.
    """
    from ..models.losses import gaussian_mse

    generator = torch.Generator().manual_seed(0)
    volume = torch.randn(batch, NUM_JOINTS, bins, bins, bins, generator=generator).to(device).requires_grad_()
    centers = (torch.rand(batch, NUM_JOINTS, 3, generator=generator) * bins).to(device)
    weights = torch.ones(batch, NUM_JOINTS, device=device)

    def task(loss: Any) -> Task:
        def run() -> None:
            volume.grad = None
            loss(volume, centers, weights, SIGMA).backward()

        return run

    losses = {"fused (this project)": gaussian_mse, "separable": separable_mse, "dense": dense_mse}
    tasks = {name: task(loss) for name, loss in losses.items()}
    rows = interleaved(tasks, repeat)
    for name, run in tasks.items():
        volume.grad = None
        rows[name]["peak_mb"] = peak_mb(run, device)
    first = next(iter(rows))
    return {
        "benchmark": "loss",
        "title": f"heatmap loss, forward and backward, batch {batch}, {bins}^3 bins, {device}",
        "base": first,
        "rows": rows,
        "ratios": add_ratios(rows, first, clock),
        "memory_ratios": add_ratios(rows, first, "peak_mb"),
        "gradient_mb": volume.numel() * 4 / 1e6,
        "provenance": provenance(),
    }
