"""The Inpaintor's generator: a U-Net of partial convolutions with transformer blocks at four of its levels.

Parameter names are the published ones without the mask convolutions, whose weights are all ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import ConfigError, DataContractError
from ...registry import MODELS

_ENCODER = {1: (1, 7), 2: (2, 5), 3: (4, 5), 4: (8, 3), 5: (8, 3), 6: (8, 3), 7: (8, 3), 8: (8, 3)}  # width, kernel
_TRANSFORMERS = {  # heads, hidden ratio, spatial reduction
    "enc_3": (2, 8, 4),
    "enc_5": (8, 4, 1),
    "dec_5": (8, 4, 1),
    "dec_3": (2, 8, 4),
}


class PartialConv2d(nn.Module):
    """Convolution over the valid part of its input.

    Let X be the input, M its mask, and s the number of valid values in a window over all channels, where the border's
    padding counts as invalid. Then ``y = conv(X M) / s + b`` and the output is valid where s > 0; elsewhere y is 0.
    As in the published network, and unlike Liu et al. (2018), the result is not multiplied by the size of the window.
    The mask of an input part is the same for all of its channels and has one channel.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, padding: int, bias: bool = False
    ) -> None:
        super().__init__()
        self.input_conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=bias)
        self.window = (kernel, stride, padding)
        nn.init.kaiming_normal_(self.input_conv.weight)

    def forward(self, features: Sequence[Tensor], masks: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Convolve the concatenation of several parts along the channels.

        Args:
            features: Parts (B, C_i, H, W).
            masks: Their masks (B, 1, H, W), float32 or wider, 1 where the part is valid and 0 elsewhere.

        Returns:
            The output (B, out, h, w) in the convolution's type, and its mask (B, 1, h, w) in the masks' type.
        """
        conv = self.input_conv
        # Counts reach 9216, too many for autocast's 8 bits: they are pooled and inverted in the masks' type.
        counts = (
            feature.shape[1] * F.avg_pool2d(mask, *self.window, divisor_override=1)
            for feature, mask in zip(features, masks, strict=True)
        )
        count = reduce(torch.add, counts)
        dtype = features[0].dtype
        erased = torch.cat([f.to(dtype) * mask.to(dtype) for f, mask in zip(features, masks, strict=True)], dim=1)
        _, stride, padding = self.window
        out = F.conv2d(erased, conv.weight, None, stride, padding)
        valid = (count > 0).to(count.dtype)
        # The factor is converted to the convolution's type first, which halves the memory traffic under autocast.
        out = out * (valid / count.clamp(min=1)).to(out.dtype)
        if conv.bias is not None:
            out = out + conv.bias.view(-1, 1, 1).to(out.dtype) * valid.to(out.dtype)
        return out, valid


class PartialConvBlock(nn.Module):
    """Partial convolution, with optional batch norm and activation."""

    def __init__(self, conv: PartialConv2d, norm: bool, activation: nn.Module | None) -> None:
        super().__init__()
        self.conv = conv
        self.bn = nn.BatchNorm2d(conv.input_conv.out_channels) if norm else None
        self.activation = activation

    def forward(self, features: Sequence[Tensor], masks: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Convolve; arguments and results are those of `PartialConv2d.forward`."""
        out, mask = self.conv(features, masks)
        out = out if self.bn is None else self.bn(out)
        return (out if self.activation is None else self.activation(out)), mask


class ReducedAttention(nn.Module):
    """Multi-head attention with keys and values that a strided convolution has reduced spatially (PVT v2)."""

    def __init__(self, dim: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)
        if reduction > 1:
            self.sr = nn.Conv2d(dim, dim, reduction, reduction)
            self.norm = nn.LayerNorm(dim)
        self.reduction = reduction

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """Map the tokens (B, H W, C) of a feature map of `size` (H, W) to tokens of the same shape."""
        source = tokens
        if self.reduction > 1:
            source = self.norm(_to_tokens(self.sr(_to_map(tokens, size))))
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.q(tokens), *self.kv(source).chunk(2, dim=2))
        )
        return self.proj(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class ConvMLP(nn.Module):
    """Two linear layers with a depth-wise 3x3 convolution between them."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.dwconv = nn.ModuleDict({"dwconv": nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)})
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """Map the tokens (B, H W, C) of a feature map of `size` (H, W) to tokens of the same shape."""
        return self.fc2(F.gelu(_to_tokens(self.dwconv["dwconv"](_to_map(self.fc1(tokens), size)))))


class TransformerBlock(nn.Module):
    """Pre-norm attention and MLP, each with a residual."""

    def __init__(self, dim: int, heads: int, ratio: int, reduction: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = ReducedAttention(dim, heads, reduction)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = ConvMLP(dim, ratio * dim)

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """Map the tokens (B, H W, C) of a feature map of `size` (H, W) to tokens of the same shape."""
        tokens = tokens + self.attn(self.norm1(tokens), size)
        return tokens + self.mlp(self.norm2(tokens), size)


class TransformerStage(nn.Module):
    """One transformer block over a feature map, then a layer norm."""

    def __init__(self, dim: int, heads: int, ratio: int, reduction: int) -> None:
        super().__init__()
        self.block1 = nn.ModuleList([TransformerBlock(dim, heads, ratio, reduction)])
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Conv2d):
                fan_out = module.weight[0, 0].numel() * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=(2 / fan_out) ** 0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, feature: Tensor) -> Tensor:
        """Map a feature map (B, C, H, W) to one of the same shape."""
        size = (feature.shape[-2], feature.shape[-1])
        tokens = _to_tokens(feature)
        for block in self.block1:
            tokens = block(tokens, size)
        return _to_map(self.norm1(tokens), size)


def _to_tokens(feature: Tensor) -> Tensor:
    return feature.flatten(2).transpose(1, 2)


def _to_map(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    return tokens.transpose(1, 2).unflatten(2, size)


@MODELS.register_module()
class PartialConvUNet(BaseModule):
    """U-Net of partial convolutions. Its output has no activation.

    Args:
        in_channels: Number of input channels, summed over its parts.
        base_channels: Width of the first level. Published: 64.
        depth: Number of levels. Published: 8. With fewer than 5 there are fewer transformers. The sides of the input
            must be divisible by 2 ** depth.
    """

    def __init__(self, in_channels: int = 8, base_channels: int = 64, depth: int = 8) -> None:
        if not 1 <= depth <= len(_ENCODER):
            raise ConfigError("PartialConvUNet.depth is out of range", got=depth, want=f"1 to {len(_ENCODER)}")
        super().__init__()
        self.depth = depth
        widths = [in_channels]
        for level in range(1, depth + 1):
            factor, kernel = _ENCODER[level]
            width = factor * base_channels
            conv = PartialConv2d(widths[-1], width, kernel, 2, kernel // 2)
            self._add(f"enc_{level}", PartialConvBlock(conv, level > 1, nn.ReLU(inplace=True)))
            widths.append(width)
        below = widths[-1]
        for level in range(depth, 0, -1):
            skip = widths[level - 1]
            last = level == 1
            width = 3 if last else skip
            conv = PartialConv2d(below + skip, width, 3, 1, 1, bias=last)
            self._add(
                f"dec_{level}", PartialConvBlock(conv, not last, None if last else nn.LeakyReLU(0.2, inplace=True))
            )
            below = width

    def _add(self, name: str, block: PartialConvBlock) -> None:
        self.add_module(name, block)
        if name in _TRANSFORMERS:
            width = block.conv.input_conv.out_channels
            self.add_module(f"{name}_transformer", TransformerStage(width, *_TRANSFORMERS[name]))

    def _run(self, name: str, features: Sequence[Tensor], masks: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        out, mask = getattr(self, name)(features, masks)
        return (getattr(self, f"{name}_transformer")(out) if name in _TRANSFORMERS else out), mask

    def forward(self, features: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
        """Restore an image.

        Args:
            features: Parts of the input (B, C_i, H, W) in the order of their channels. H and W are divisible by
                2 ** depth.
            masks: Their masks (B, 1, H, W), 1 where the part is valid.

        Returns:
            (B, 3, H, W), normalized like the input.

        Raises:
            DataContractError: The sides of the input are not divisible by 2 ** depth.
        """
        size = tuple(features[0].shape[-2:])
        if any(side % 2**self.depth for side in size):
            raise DataContractError(
                f"PartialConvUNet: the sides of the input must be divisible by {2**self.depth}", got=size
            )
        levels = [(list(features), list(masks))]
        for level in range(1, self.depth + 1):
            feature, mask = self._run(f"enc_{level}", *levels[-1])
            levels.append(([feature], [mask]))
        levels.pop()
        for level in range(self.depth, 0, -1):
            skips, skip_masks = levels.pop()
            feature, mask = F.interpolate(feature, scale_factor=2), F.interpolate(mask, scale_factor=2)
            feature, mask = self._run(f"dec_{level}", [feature, *skips], [mask, *skip_masks])
        return feature
