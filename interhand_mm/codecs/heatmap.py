"""Volumes of bins: separable Gaussian targets, argmax, soft-argmax, sub-voxel refinement, mirror.

A volume is (..., D, H, W). Bin coordinates are x, y, z, along W, H and D. The center of voxel i has the coordinate i.
"""

from __future__ import annotations

import torch
from torch import Tensor

PEAK = 255.0  # height of InterNet's targets (docs/spec/datasets.md, section 2.3)


def gaussian_axis(positions: Tensor, length: int, sigma: float) -> Tensor:
    """Return ``exp(-(i - position)^2 / (2 sigma^2))`` for i = 0 .. length - 1: positions (...) to (..., length)."""
    grid = torch.arange(length, dtype=positions.dtype, device=positions.device)
    return torch.exp((grid - positions[..., None]).square() / (-2 * sigma * sigma))


def gaussian_axes(bins: Tensor, size: tuple[int, int, int], sigma: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the three factors whose outer product, times `PEAK`, is the target Gaussian.

    ``255 exp(-((i-x)^2 + (j-y)^2 + (k-z)^2) / (2 sigma^2))``: not truncated, not normalized.

    Args:
        bins: (..., 3) x, y, z.
        size: (width, height, depth) of the volume.
        sigma: Standard deviation, bins.

    Returns:
        (..., W), (..., H) and (..., D), in the dtype of `bins`.
    """
    x, y, z = (gaussian_axis(bins[..., axis], length, sigma) for axis, length in enumerate(size))
    return x, y, z


def gaussian_volume(bins: Tensor, size: tuple[int, int, int], sigma: float) -> Tensor:
    """Return the dense target (..., D, H, W). Training never builds it; it is for tests and drawings."""
    x, y, z = gaussian_axes(bins, size, sigma)
    return PEAK * torch.einsum("...d,...h,...w->...dhw", z, y, x)


def argmax_3d(volume: Tensor) -> tuple[Tensor, Tensor]:
    """Return the integer position and the height of the highest voxel (the official decoding, without a threshold).

    Args:
        volume: (..., D, H, W).

    Returns:
        Bins (..., 3) x, y, z float32, and scores (...) in the dtype of the volume.
    """
    width = volume.shape[-1]
    # First the highest plane, then its highest pixel. The result is the same as that of one argmax, ties included, in a
    # fifth of the time on a CPU, where a maximum with its index is not vectorized.
    planes = volume.flatten(-2)
    z = planes.amax(dim=-1).argmax(dim=-1)
    plane = planes.gather(-2, z[..., None, None].expand(*z.shape, 1, planes.shape[-1]))[..., 0, :]
    scores, flat = plane.max(dim=-1)
    bins = torch.stack([flat % width, flat // width, z], dim=-1)
    return bins.float(), scores


def refine_gaussian(volume: Tensor, bins: Tensor) -> Tensor:
    """Refine peaks below one voxel. The result is exact for a Gaussian, and moves by at most half a bin otherwise.

    The logarithm of a Gaussian is a parabola. Its top follows from the peak and its two neighbors along each axis. An
    axis keeps its integer position if the peak touches the border or a neighbor is not positive.

    Args:
        volume: (..., D, H, W) heatmaps.
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
    """Return the expected index (...) under the softmax of (..., N) logits, between 0 and N - 1."""
    probability = logits.float().softmax(dim=-1)
    grid = torch.arange(logits.shape[-1], dtype=probability.dtype, device=logits.device)
    with torch.autocast(logits.device.type, enabled=False):  # it would compute the product in 16 bits
        return probability @ grid


def mirror_inputs(images: Tensor, stride: int) -> Tensor:
    """Mirror crops so that bin x becomes exactly bin ``W_bins - 1 - x``.

    A plain mirror moves pixel u to ``W - 1 - u`` and so bin x to ``W_bins - 1/stride - x``, which is not a whole bin.
    Therefore the mirrored crop is shifted by ``stride - 1`` px; the new columns repeat the border.

    Args:
        images: (B, C, H, W) crops.
        stride: Crop pixels per bin.
    """
    flipped = images.flip(-1)
    shift = stride - 1
    return torch.cat([flipped[..., shift:], flipped[..., -1:].expand(*flipped.shape[:-1], shift)], dim=-1)
