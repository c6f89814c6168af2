"""The Inpaintor's losses as pure functions, and the VGG-16 features for two of them. L1 is a mean over all elements."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import torch
from mmcv.cnn import VGG
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import CheckpointError


def pixel_losses(out: Tensor, gt: Tensor, target_valid: Tensor, other_valid: Tensor) -> dict[str, Tensor]:
    """Return the L1 inside each hole and outside both. The mean includes the zeros outside the mask.

    Args:
        out: (B, 3, H, W), the painted image.
        gt: (B, 3, H, W), the image without the other hand.
        target_valid: (B, 1, H, W), 0 where the target hand is hidden.
        other_valid: (B, 1, H, W), 0 where the other hand is to be removed.

    Returns:
        The losses by name: "hole_deocclusion", "hole_removal" and "valid".
    """
    masks = {
        "hole_deocclusion": 1 - target_valid,
        "hole_removal": 1 - other_valid,
        "valid": target_valid * other_valid,
    }
    return {name: F.l1_loss(mask * out, mask * gt) for name, mask in masks.items()}


def total_variation(image: Tensor) -> Tensor:
    """Return the mean absolute difference of horizontal neighbors plus that of vertical ones, of (B, C, H, W)."""
    return image.diff(dim=3).abs().mean() + image.diff(dim=2).abs().mean()


def perceptual_loss(features: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Return the sum over layers of the L1 between feature maps (B, C, H, W)."""
    return sum((F.l1_loss(a, b) for a, b in zip(features, targets, strict=True)), start=features[0].new_zeros(()))


def gram(feature: Tensor) -> Tensor:
    """Return the Gram matrices F F^T / (C H W), (B, C, C), of feature maps (B, C, H, W)."""
    flat = feature.flatten(2).float()
    with torch.autocast(feature.device.type, enabled=False):  # the sums exceed float16's range
        return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def style_loss(features: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Return the sum over layers of the L1 between Gram matrices."""
    return perceptual_loss([gram(feature) for feature in features], [gram(target) for target in targets])


def adversarial_loss(logits: Tensor, real: bool, weight: Tensor | None = None) -> Tensor:
    """Return the mean binary cross entropy with all patches labeled real (1) or painted (0).

    Args:
        logits: (B, 1, h, w).
        real: The label.
        weight: (B, 1, 1, 1), weight of each sample. Default: 1.
    """
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)), weight)


class VGGFeatures(nn.Module):
    """Features of a frozen VGG-16 after each of its first three pooling layers, for images normalized as ImageNet's.

    Args:
        path: Local file with ImageNet weights under torchvision's names (`features.N.weight`).

    Raises:
        CheckpointError: The file cannot be read, or its names and shapes are not those of VGG-16.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.vgg = VGG(16, num_stages=3, dilations=(1, 1, 1), out_indices=(0, 1, 2))
        fix = "give the path of torchvision's vgg16 ImageNet weights, or None to train without these losses"
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            self.vgg.load_state_dict({name: state[name] for name in self.vgg.state_dict()})
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
            raise CheckpointError(
                f"the file does not contain VGG-16 weights: {path}",
                got=f"{type(error).__name__}: {str(error)[:200]}",
                fix=fix,
            ) from error
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return features of 64, 128 and 256 channels at 1/2, 1/4 and 1/8 of the size of (B, 3, H, W), in float32."""
        with torch.autocast(image.device.type, enabled=False):
            return self.vgg(image.float())
