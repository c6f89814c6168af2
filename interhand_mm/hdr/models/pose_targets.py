"""DetNet's decoding, targets and loss as pure functions; 21 joints in the published order, the wrist first."""

from __future__ import annotations

import torch
from torch import Tensor

PARENTS = (0, *(0 if j % 4 == 1 else j - 1 for j in range(1, 21)))  # the wrist is its own
ROOT, REFERENCE = 0, 9  # wrist and middle knuckle: their distance is the unit of length
_WINDOW = 8  # cells before a joint's own that belong to its Gaussian, one fewer after it


def decode(heat: Tensor, bones: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Read the maps at each heat-map's highest cell, the first in row-major order.

    Args:
        heat: (B, J, h, w).
        bones: (B, J, 3, h, w).
        positions: (B, J, 3, h, w).

    Returns:
        Cells (B, J, 2) int64 as ROW, COLUMN; bone vectors (B, J, 3); positions (B, J, 3); peaks (B, J).
    """
    scores, index = heat.flatten(2).max(dim=2)
    cells = torch.stack([index // heat.shape[3], index % heat.shape[3]], dim=2)
    at = index[..., None, None].expand(-1, -1, 3, 1)
    bone, position = (maps.flatten(3).gather(3, at).squeeze(3) for maps in (bones, positions))
    return cells, bone, position, scores


def gaussian_maps(cells: Tensor, size: int, sigma: float) -> tuple[Tensor, Tensor]:
    """Heat-map targets: peak 1 at the truncated cell, cut to the 16 x 16 cells from 8 before it to 7 after.

    The published code puts peaks of cells 0 to 7 one cell too far; this does not.

    Args:
        cells: (B, J, 2) x, y in cells.
        size: Cells a side.
        sigma: Cells.

    Returns:
        Maps (B, J, size, size) and whether any of the window lies inside, (B, J) float.
    """
    center = cells.trunc()
    distance = torch.arange(size, device=cells.device) - center[..., None]  # (B, J, 2, size)
    window = (distance >= -_WINDOW) & (distance < _WINDOW)
    profile = torch.exp(-distance.square() / (2 * sigma**2)) * window
    inside = window.any(dim=3).all(dim=2).to(cells.dtype)
    return profile[:, :, 1, :, None] * profile[:, :, 0, None, :], inside


def normalized_joints(joints: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Joints relative to the wrist, in units of the distance from wrist to middle knuckle.

    Args:
        joints: (B, 21, 3) mm.
        visible: (B, 21), 1 known.

    Returns:
        (B, 21, 3), and (B, 21) what is known: a joint of a hand whose wrist or middle knuckle is not, is not.
    """
    relative = joints - joints[:, ROOT, None]
    length = relative[:, REFERENCE, None].norm(dim=-1, keepdim=True) + 1e-6
    return relative / length, visible * visible[:, ROOT, None] * visible[:, REFERENCE, None]


def bone_vectors(joints: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors from parent to joint, zero at the wrist: (B, 21, 3), and whether both ends are known (B, 21)."""
    parents = torch.tensor(PARENTS, device=joints.device)
    vectors = torch.nn.functional.normalize(joints - joints[:, parents], dim=-1)
    return vectors, visible * visible[:, parents]


def masked_norm(difference: Tensor, valid: Tensor) -> Tensor:
    """Frobenius norm of the valid joints' maps over the whole batch, over their number; 0 if there is none.

    Args:
        difference: (B, J, ..., h, w).
        valid: (B, J), 1 or 0.
    """
    mask = valid.view(*valid.shape, *[1] * (difference.ndim - 2)).to(difference.dtype)
    return torch.linalg.vector_norm(difference * mask) / valid.sum().clamp(min=1)
