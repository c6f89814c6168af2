"""The regions of a hand's crop that are painted, and the simplest way to fill them."""

from __future__ import annotations

import torch
from torch import Tensor

from .masks import edit_masks


def hole_masks(masks: Tensor, masks_valid: Tensor) -> dict[str, Tensor]:
    """Return the masks that the networks receive, for a target that is the right hand (docs/spec/hdr.md, section 1.2).

    Args:
        masks: (B, 4, H, W), 0 or 1: amodal A and visible V of the target, A' and V' of the other hand.
        masks_valid: (B, 4), 0 where a mask is unknown. Only A' may be unknown; V' is then used in its place.

    Returns:
        Floats (B, 1, H, W): "target_valid" 1 - A (1 - V), "other_valid" 1 - (1 - A) A', "target_modal" A V,
        "background_modal" (1 - A)(1 - A') or, without A', (1 - V)(1 - V').
    """
    amodal, visible, other_amodal, other_visible = masks.float().split(1, dim=1)
    known = (masks_valid[:, 2] > 0)[:, None, None, None]
    with_amodal = edit_masks(amodal, visible, other_amodal)
    without = edit_masks(amodal, visible, other_amodal, other_visible)
    return {
        "target_valid": with_amodal.target_valid,
        "other_valid": torch.where(known, with_amodal.background_valid, without.background_valid),
        "target_modal": with_amodal.target,
        "background_modal": torch.where(known, with_amodal.background, without.background),
    }


def mean_colors(
    image: Tensor, target_valid: Tensor, other_valid: Tensor, target_modal: Tensor, background_modal: Tensor
) -> Tensor:
    """Fill the hidden part with the visible part's mean color, and the other hand with the background's.

    Args:
        image: (B, 3, H, W).
        target_valid: (B, 1, H, W), 0 in the hidden part of the target, 1 elsewhere.
        other_valid: (B, 1, H, W), 0 on the other hand, 1 elsewhere.
        target_modal: (B, 1, H, W), the visible part of the target. If it is empty, its color is 0, which is the mean
            color of all images after normalization.
        background_modal: (B, 1, H, W), what neither hand covers. If it is empty, its color is 0 as well.

    Returns:
        (B, 3, H, W), equal to the image outside the holes.
    """
    filled = image * target_valid * other_valid
    for valid, known in ((target_valid, target_modal), (other_valid, background_modal)):
        color = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
        filled = filled + (1 - valid) * color
    return filled
