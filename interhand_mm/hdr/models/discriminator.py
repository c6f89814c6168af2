"""The Inpaintor's patch discriminator."""

from __future__ import annotations

from itertools import pairwise

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ...registry import MODELS


@MODELS.register_module()
class PatchDiscriminator(BaseModule):
    """Classify patches of an image as real or painted, with five spectrally normalized 4x4 convolutions.

    An image of 256 px gives 30x30 patches.

    Args:
        in_channels: Number of input channels: RGB and the two modal masks.
        base_channels: Width of the first layer. Published: 64.
    """

    def __init__(self, in_channels: int = 5, base_channels: int = 64) -> None:
        super().__init__()
        widths = [in_channels, *(base_channels * factor for factor in (1, 2, 4, 8)), 1]
        for layer, (before, after) in enumerate(pairwise(widths), start=1):
            conv = spectral_norm(nn.Conv2d(before, after, 4, 2 if layer <= 3 else 1, 1, bias=False))
            last = layer == len(widths) - 1
            self.add_module(f"conv{layer}", nn.Sequential(conv, *([] if last else [nn.LeakyReLU(0.2, inplace=True)])))

    def forward(self, image: Tensor, target_modal: Tensor, background_modal: Tensor) -> Tensor:
        """Return the LOGITS (B, 1, h, w) of an image (B, 3, H, W) with its masks (B, 1, H, W).

        The published sigmoid is part of the loss. The forward pass stays in float32 under autocast, because the power
        iteration of the spectral norm needs it.
        """
        with torch.autocast(image.device.type, enabled=False):
            dtype = torch.promote_types(image.dtype, torch.float32)
            out = torch.cat([part.to(dtype) for part in (image, target_modal, background_modal)], dim=1)
            for layer in self.children():
                out = layer(out)
        return out
