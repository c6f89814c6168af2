"""A small U-Net, whose features have the resolution of the input."""

from __future__ import annotations

from itertools import pairwise

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import ConfigError
from ...registry import MODELS


def _block(in_channels: int, out_channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [nn.Conv2d(channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels)]
        layers += [nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


@MODELS.register_module()
class UNet(BaseModule):
    """U-Net (Ronneberger et al., 2015) with padded convolutions, batch normalization and bilinear upsampling.

    Args:
        base_channels: Channels at the resolution of the input; every step down doubles them.
        steps: Number of steps down and up. The original has 4; the 2D network that is reproduced here has 3.
        in_channels: Channels of the image.
        init_cfg: Initialization config of mmengine.
    """

    def __init__(
        self, base_channels: int = 16, steps: int = 3, in_channels: int = 3, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        widths = [base_channels * 2**i for i in range(steps + 1)]
        self.stem = _block(in_channels, widths[0])
        levels = list(pairwise(widths))
        self.down = nn.ModuleList(_block(fine, coarse) for fine, coarse in levels)
        self.up = nn.ModuleList(_block(fine + coarse, fine) for fine, coarse in reversed(levels))

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Map normalized images (B, in_channels, H, W) to features ((B, base_channels, H, W),).

        Raises:
            ConfigError: If H or W cannot be halved `steps` times.
        """
        factor = 2 ** len(self.down)
        if images.shape[-1] % factor or images.shape[-2] % factor:
            size = (images.shape[-1], images.shape[-2])
            raise ConfigError(
                "the input size does not suit the U-Net",
                got=size,
                want=f"multiples of {factor}",
                fix="set codec.input_size",
            )
        feature = self.stem(images)
        skips = []
        for block in self.down:
            skips.append(feature)
            feature = block(F.max_pool2d(feature, 2))
        for block in self.up:
            skip = skips.pop()
            larger = F.interpolate(feature, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            feature = block(torch.cat([skip, larger], dim=1))
        return (feature,)
