"""DetNet's decoding, targets and loss as pure functions, for 21 joints in the published order: the wrist first."""

from __future__ import annotations

import torch
from torch import Tensor

from ...structures.joints import NUM_HAND_JOINTS

PUBLISHED_PARENTS = (0, *(0 if j % 4 == 1 else j - 1 for j in range(1, NUM_HAND_JOINTS)))  # the wrist is its own parent
ROOT, REFERENCE = 0, 9  # wrist and base of the middle finger; their distance is the unit of length
_WINDOW = 8  # a Gaussian covers this many cells before its peak, and one fewer after it


def decode(heat: Tensor, bones: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Read the maps at the highest cell of each heatmap, and at the first one in row-major order if there are several.

    Args:
        heat: (B, J, h, w), heatmaps.
        bones: (B, J, 3, h, w), maps of bone vectors.
        positions: (B, J, 3, h, w), maps of positions.

    Returns:
        Cells (B, J, 2) int64 as ROW, COLUMN; bone vectors (B, J, 3); positions (B, J, 3); peaks (B, J).
    """
    scores, index = heat.flatten(2).max(dim=2)
    cells = torch.stack([index // heat.shape[3], index % heat.shape[3]], dim=2)
    at = index[..., None, None].expand(-1, -1, 3, 1)
    bone, position = (maps.flatten(3).gather(3, at).squeeze(3) for maps in (bones, positions))
    return cells, bone, position, scores


def gaussian_maps(cells: Tensor, size: int, sigma: float) -> tuple[Tensor, Tensor]:
    """Return heatmap targets: Gaussians with peak 1 at the truncated cell, cut to the 16 x 16 cells around it.

    The window reaches from 8 cells before the peak to 7 after it.

    The published code puts peaks of cells 0 to 7 one cell too far; this does not.

    Args:
        cells: (B, J, 2), x and y in cells.
        size: Number of cells per side.
        sigma: Standard deviation in cells.

    Returns:
        Maps (B, J, size, size), and (B, J) float, 1 where a part of the window lies inside the map.
    """
    center = cells.trunc()
    distance = torch.arange(size, device=cells.device) - center[..., None]  # (B, J, 2, size)
    window = (distance >= -_WINDOW) & (distance < _WINDOW)
    profile = torch.exp(-distance.square() / (2 * sigma**2)) * window
    inside = window.any(dim=3).all(dim=2).to(cells.dtype)
    return profile[:, :, 1, :, None] * profile[:, :, 0, None, :], inside


def normalized_joints(joints: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Return joints relative to the wrist, in units of the distance from the wrist to the base of the middle finger.

    Args:
        joints: (B, 21, 3), mm.
        visible: (B, 21), 1 where a joint is known.

    Returns:
        Normalized joints (B, 21, 3), and their validity (B, 21). If one of the two joints of the unit is unknown, every
        joint of that hand is invalid.
    """
    relative = joints - joints[:, ROOT, None]
    length = relative[:, REFERENCE, None].norm(dim=-1, keepdim=True) + 1e-6
    return relative / length, visible * visible[:, ROOT, None] * visible[:, REFERENCE, None]


def bone_vectors(joints: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Return unit vectors from parent to joint (B, 21, 3), 0 at the wrist, and whether both ends are known (B, 21)."""
    parents = torch.tensor(PUBLISHED_PARENTS, device=joints.device)
    vectors = torch.nn.functional.normalize(joints - joints[:, parents], dim=-1)
    return vectors, visible * visible[:, parents]


def masked_norm(difference: Tensor, valid: Tensor) -> Tensor:
    """Return the Frobenius norm of all valid joints' maps of a batch, divided by their number; 0 if there is none.

    Args:
        difference: (B, J, ..., h, w), the maps.
        valid: (B, J), 0 or 1.
    """
    mask = valid.view(*valid.shape, *[1] * (difference.ndim - 2)).to(difference.dtype)
    return torch.linalg.vector_norm(difference * mask) / valid.sum().clamp(min=1)
