"""Volumes of bins: separable Gaussian targets, argmax, soft-argmax, sub-voxel refinement, mirror.

A volume is (..., D, H, W); bin coordinates are x, y, z in the order W, H, D; voxel i stands at coordinate i.
"""

from __future__ import annotations

import torch
from torch import Tensor

PEAK = 255.0  # height of InterNet's targets (docs/spec/datasets.md, section 2.3)


def gaussian_axis(positions: Tensor, length: int, sigma: float) -> Tensor:
    """``exp(-(i - position)^2 / (2 sigma^2))`` for i = 0 .. length - 1: positions (...) to (..., length)."""
    grid = torch.arange(length, dtype=positions.dtype, device=positions.device)
    return torch.exp((grid - positions[..., None]).square() / (-2 * sigma * sigma))


def gaussian_axes(bins: Tensor, size: tuple[int, int, int], sigma: float) -> tuple[Tensor, Tensor, Tensor]:
    """The three factors whose outer product, times `PEAK`, is the target Gaussian.

    ``255 exp(-((i-x)^2 + (j-y)^2 + (k-z)^2) / (2 sigma^2))``: not truncated, not normalized.

    Args:
        bins: (..., 3) x, y, z.
        size: (width, height, depth) of the volume.
        sigma: Bins.

    Returns:
        (..., W), (..., H) and (..., D), in the dtype of `bins`.
    """
    x, y, z = (gaussian_axis(bins[..., axis], length, sigma) for axis, length in enumerate(size))
    return x, y, z


def gaussian_volume(bins: Tensor, size: tuple[int, int, int], sigma: float) -> Tensor:
    """Dense target, (..., D, H, W); the plain reference that the loss is tested against, and for pictures."""
    x, y, z = gaussian_axes(bins, size, sigma)
    return PEAK * torch.einsum("...d,...h,...w->...dhw", z, y, x)


def argmax_3d(volume: Tensor) -> tuple[Tensor, Tensor]:
    """Integer position and height of the highest voxel (official decoding: no threshold).

    Args:
        volume: (..., D, H, W).

    Returns:
        bins (..., 3) x, y, z float32, and scores (...) in the volume's dtype.
    """
    width = volume.shape[-1]
    # The highest plane, then its highest place: the first of equals as in one go, at a fifth of the time on a CPU,
    # where a maximum with its index is not vectorized.
    planes = volume.flatten(-2)
    z = planes.amax(dim=-1).argmax(dim=-1)
    plane = planes.gather(-2, z[..., None, None].expand(*z.shape, 1, planes.shape[-1]))[..., 0, :]
    scores, flat = plane.max(dim=-1)
    bins = torch.stack([flat % width, flat // width, z], dim=-1)
    return bins.float(), scores


def refine_gaussian(volume: Tensor, bins: Tensor) -> Tensor:
    """Sub-voxel peaks: exact where the volume is a Gaussian, off by at most half a bin otherwise.

    On the logarithm a Gaussian is a parabola, whose top follows from the peak and its two neighbors along
    each axis. An axis keeps its integer where the peak touches the border or a neighbor is not positive.

    Args:
        volume: (..., D, H, W).
        bins: (..., 3) integer peaks from `argmax_3d`.

    Returns:
        (..., 3) refined bins.
    """
    size = (volume.shape[-1], volume.shape[-2], volume.shape[-3])
    strides = (1, size[0], size[0] * size[1])
    flat = volume.flatten(-3)
    at = bins.long()
    center = at[..., 0] * strides[0] + at[..., 1] * strides[1] + at[..., 2] * strides[2]
    refined = bins.clone()
    for axis in range(3):
        inside = (at[..., axis] > 0) & (at[..., axis] < size[axis] - 1)
        step = torch.where(inside, strides[axis], 0)
        triple = torch.stack([center - step, center, center + step], dim=-1)
        values = flat.gather(-1, triple).float()
        low, mid, high = values.clamp_min(1e-6).log().unbind(-1)
        curvature = 2 * mid - low - high
        offset = ((high - low) / (2 * curvature.clamp_min(1e-6))).clamp(-0.5, 0.5)
        usable = inside & (values.amin(-1) > 0) & (curvature > 1e-6)
        refined[..., axis] += torch.where(usable, offset, torch.zeros_like(offset))
    return refined


def soft_argmax(logits: Tensor) -> Tensor:
    """Expected index under the softmax of (..., N) logits; (...), between 0 and N - 1."""
    probability = logits.float().softmax(dim=-1)
    return probability @ torch.arange(logits.shape[-1], dtype=probability.dtype, device=logits.device)


def mirror_inputs(images: Tensor, stride: int) -> Tensor:
    """Mirror crops so that their bins mirror exactly: bin x comes to ``W_bins - 1 - x``.

    A plain mirror takes pixel u to ``W - 1 - u`` and so bin x to ``W_bins - 1/stride - x``, which is not a
    whole bin. Shifting the mirrored crop by ``stride - 1`` px fixes that; the columns that come in repeat the
    border.

    Args:
        images: (B, C, H, W).
        stride: Crop px a bin.
    """
    flipped = images.flip(-1)
    shift = stride - 1
    return torch.cat([flipped[..., shift:], flipped[..., -1:].expand(*flipped.shape[:-1], shift)], dim=-1)
