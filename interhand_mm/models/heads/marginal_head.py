"""Light head: three 1D marginals of every joint's position instead of a volume (SimCC in x, y and z).

A volume of 64^3 bins per joint takes most of the time of a small network; its marginals are 192 numbers. The joints
attend to the feature map. Their similarity to its cells gives x and y, and depth is read from the attended features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from ...codecs.heatmap import gaussian_axes, soft_argmax
from ...registry import CODECS, MODELS
from ...structures.joints import FLIP_INDICES, HANDS, NUM_JOINTS
from .base_head import HandHead, VectorBranch

# Logits over x, y and z bins, each (B, 42, bins), and over the cells of the map (B, 42, h, w).
Marginals = tuple[Tensor, Tensor, Tensor, Tensor]


class FeaturePyramid(BaseModule):
    """Sum of backbone stages at the resolution of the first one, followed by a 3x3 convolution.

    Args:
        in_channels: Channels of the stages, finest first.
        channels: Channels of the result.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, 1, bias=False) for width in in_channels)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in in_channels)
        self.smooth = nn.Sequential(
            nn.ReLU(inplace=True), nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """Map stages (B, C_i, h_i, w_i), finest first, to (B, channels, h_0, w_0)."""
        maps = [norm(conv(stage)) for norm, conv, stage in zip(self.norms, self.laterals, stages, strict=True)]
        size = maps[0].shape[-2:]
        total = maps[0]
        for coarse in maps[1:]:
            total = total + F.interpolate(coarse, size=size, mode="nearest")
        return F.relu(self.smooth(total))


def sine_positions(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """Return positional encodings: sines and cosines of the cells' coordinates in -1..1, for maps of any size.

    Args:
        height: Rows of the map.
        width: Columns of the map.
        channels: Length of an encoding, a multiple of 4.
        device: Device of the result.

    Returns:
        (height * width, channels): one quarter each of sin y, cos y, sin x, cos x at growing frequencies.
    """
    octaves = channels // 4
    frequency = torch.pi * torch.logspace(-1, 4, octaves, base=2, device=device)
    axes = []
    for length in (height, width):
        angle = ((torch.arange(length, device=device) + 0.5) / length * 2 - 1)[:, None] * frequency
        axes.append(torch.cat([angle.sin(), angle.cos()], dim=-1))
    rows, columns = axes[0][:, None].expand(-1, width, -1), axes[1][None].expand(height, -1, -1)
    return torch.cat([rows, columns], dim=-1).flatten(0, 1)


class Attention(BaseModule):
    """Multi-head attention, written as two matrix products.

    torch's fused CPU kernel is slow for 42 queries on about 64 cells: with it a training step of the quick start's
    network took 1.5 times as long. Matrix products can also be exported to ONNX.

    Args:
        channels: Channels of the tokens.
        num_heads: Number of attention heads.
    """

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query, self.key = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.value, self.out = nn.Linear(channels, channels), nn.Linear(channels, channels)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Map queries (B, Q, C), keys and values (B, K, C) to (B, Q, C)."""
        q, k, v = (
            linear(tokens).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for linear, tokens in ((self.query, queries), (self.key, keys), (self.value, values))
        )
        weight = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(dim=-1)
        return self.out((weight.to(v.dtype) @ v).transpose(1, 2).flatten(2))


class DecoderLayer(nn.Module):
    """One layer of `JointTokens`: cross-attention, self-attention and an MLP, each with a residual and a norm.

    Args:
        channels: Channels of the tokens.
        num_heads: Number of attention heads.
    """

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.cross_attn = Attention(channels, num_heads)
        self.self_attn = Attention(channels, num_heads)
        self.ffn = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(3))

    def forward(self, tokens: Tensor, learned: Tensor, keys: Tensor) -> Tensor:
        """Map tokens (B, 42, C) to (B, 42, C).

        Args:
            tokens: (B, 42, C) state of the joints.
            learned: (42, C) learned query of each joint.
            keys: (B, h * w, C) cells of the feature map with their positions.
        """
        after_cross, after_self, after_ffn = self.norms
        # The values carry the positions too, because where a joint attends is most of its answer.
        tokens = after_cross(tokens + self.cross_attn(tokens + learned, keys, keys))
        queries = tokens + learned
        tokens = after_self(tokens + self.self_attn(queries, queries, tokens))
        return after_ffn(tokens + self.ffn(tokens))


class JointTokens(BaseModule):
    """Transformer decoder with one learned query per joint.

    Each layer applies cross-attention to the feature map, self-attention between joints, then an MLP. torch's
    `TransformerDecoderLayer` starts with self-attention, which in the first layer has not seen the image yet.

    Args:
        channels: Channels of the tokens.
        num_heads: Number of attention heads.
        layers: Number of layers.
    """

    def __init__(self, channels: int, num_heads: int, layers: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(NUM_JOINTS, channels))
        self.layers = nn.ModuleList(DecoderLayer(channels, num_heads) for _ in range(layers))

    def forward(self, feature: Tensor) -> Tensor:
        """Map a feature map (B, C, h, w) to joint tokens (B, 42, C)."""
        batch, channels, height, width = feature.shape
        cells = feature.flatten(2).transpose(1, 2)
        keys = cells + sine_positions(height, width, channels, feature.device).to(cells.dtype)
        tokens = torch.zeros_like(self.queries).expand(batch, -1, -1)
        for layer in self.layers:
            tokens = layer(tokens, self.queries, keys)
        return tokens


class Pointer(BaseModule):
    """Marginals in x and y from the similarity of each joint's token to the cells of the feature map.

    The similarities form a heatmap, whose columns and rows are summed up. A cell has its position from the first step
    on, whereas a linear layer must first learn which output means which bin. This makes the first minutes of training
    count.

    Args:
        channels: Channels of the tokens and the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(channels, channels), nn.Conv2d(channels, channels, 1)
        self.scale = nn.Parameter(torch.ones(2))

    def forward(self, tokens: Tensor, feature: Tensor, width: int, height: int) -> tuple[Tensor, Tensor, Tensor]:
        """Map tokens (B, 42, C) and a map (B, C, h, w) to logits (B, 42, width), (B, 42, height) and (B, 42, h, w)."""
        queries, keys = self.query(tokens).float(), self.key(feature).flatten(2).float()
        with torch.autocast(feature.device.type, enabled=False):  # positions are read from these sums
            heat = (queries @ keys * feature.shape[1] ** -0.5).unflatten(-1, feature.shape[-2:])
        x, y = heat.logsumexp(dim=-2), heat.logsumexp(dim=-1)
        x = F.interpolate(x, size=width, mode="linear", align_corners=False) * self.scale[0]
        y = F.interpolate(y, size=height, mode="linear", align_corners=False) * self.scale[1]
        return x, y, heat


def soft_targets(bins: Tensor, size: tuple[int, int, int], sigma: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return Gaussians around bins on the three axes, each with sum 1.

    Args:
        bins: (..., 3) x, y, z.
        size: (W, H, D) bins of the axes.
        sigma: Standard deviation, bins.

    Returns:
        (..., W), (..., H) and (..., D).
    """
    axes = gaussian_axes(bins, size, sigma)
    # A masked joint may lie so far outside that every value underflows.
    x, y, z = (axis / axis.sum(dim=-1, keepdim=True).clamp_min(1e-6) for axis in axes)
    return x, y, z


# Cells: a joint between two of them belongs to both.
_CELL_SIGMA = 0.7
# Weight of the cross entropy over the cells of the map. x and y alone would leave the cells to chance: the columns and
# rows of two hands also meet where there is no joint.
_CELL_WEIGHT = 0.5


@MODELS.register_module()
class MarginalLoss(BaseModule):
    """Cross entropy to Gaussian marginals plus L1 distance of the expected bins, averaged over joints with weight.

    Args:
        loss_weight: Weight of the cross entropy.
        expectation_weight: Weight of the L1 distance, per bin.
    """

    def __init__(self, loss_weight: float = 1.0, expectation_weight: float = 0.1) -> None:
        super().__init__()
        self.loss_weight, self.expectation_weight = loss_weight, expectation_weight

    def forward(
        self, marginals: Marginals, bins: Tensor, weights: Tensor, sigma: float, depth_valid: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return `loss_keypoint`, `loss_expectation` and `loss_cell`.

        Args:
            marginals: Logits; see `Marginals`.
            bins: (B, 42, 3) targets.
            weights: (B, 42), 0 for joints that must not be learned.
            sigma: Standard deviation of the target Gaussians, bins.
            depth_valid: (B,), 0 for samples that must add nothing to the loss in z. None: all depths are learned.
        """
        axes, cells = marginals[:3], marginals[3]
        width, height, depth = (logits.shape[-1] for logits in axes)
        targets = soft_targets(bins.float(), (width, height, depth), sigma)
        entropy, distance = torch.zeros_like(weights), torch.zeros_like(weights)
        for axis, (logits, target) in enumerate(zip(axes, targets, strict=True)):
            part = 1 / 3 if axis < 2 or depth_valid is None else depth_valid[:, None] / 3
            entropy = entropy - (target * logits.float().log_softmax(dim=-1)).sum(dim=-1) * part
            distance = distance + (soft_argmax(logits) - bins[..., axis]).abs() * part
        # InterNet takes the mean over all 42 joints, so that batches of single hands learn at half the rate; not here.
        count = weights.sum().clamp_min(1.0)
        return {
            "loss_keypoint": self.loss_weight * (entropy * weights).sum() / count,
            "loss_expectation": self.expectation_weight * (distance * weights).sum() / count,
            "loss_cell": _CELL_WEIGHT * (cell_entropy(cells, bins, (width, height)) * weights).sum() / count,
        }


def cell_entropy(cells: Tensor, bins: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the cross entropy (B, 42) of a softmax over the cells of the map to a narrow Gaussian around each joint.

    Args:
        cells: (B, 42, h, w) logits.
        bins: (B, 42, 3) targets; only x and y are used.
        size: (W, H) bins of the axes.
    """
    rows, columns = cells.shape[-2:]
    zoom = torch.tensor([columns / size[0], rows / size[1], 1.0], device=bins.device)
    x, y, _ = soft_targets((bins.float() + 0.5) * zoom - 0.5, (columns, rows, 1), _CELL_SIGMA)
    target = y[..., :, None] * x[..., None, :]
    return -(target * cells.float().flatten(2).log_softmax(dim=-1).view_as(target)).sum(dim=(-2, -1))


@MODELS.register_module()
class InterHandMarginalHead(HandHead):
    """Light head: marginals of 42 joints in x, y and z, relative root depth and handedness.

    It can replace `InterNetHead`: codec, samples, predictions and metrics are the same.

    Args:
        in_channels: Channels of the last backbone stages, finest first. Set the `out_indices` of the backbone to
            match. The joints attend to a map of the first stage's resolution (stage 3 at 128 px: 8 x 8 cells).
        decoder: Codec config; `load_config` writes the one `codec` here.
        channels: Channels of the map and of the joint tokens.
        num_heads: Number of attention heads.
        layers: Number of transformer layers.
        loss_keypoint: Config of the keypoint loss. It is called with (marginals, bins, weights, sigma, depth_valid) and
            returns a dict of losses.
        loss_root_depth: Config of the loss of the relative root depth. Default: `RootDepthLoss`.
        loss_handedness: Config of the loss of the handedness. Default: `HandednessLoss`.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        decoder: dict[str, Any],
        channels: int = 128,
        num_heads: int = 4,
        layers: int = 1,
        loss_keypoint: dict[str, Any] | None = None,
        loss_root_depth: dict[str, Any] | None = None,
        loss_handedness: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(CODECS.build(decoder), loss_root_depth, loss_handedness)
        self.pyramid = FeaturePyramid(in_channels, channels)
        self.joints = JointTokens(channels, num_heads, layers)
        self.pointer = Pointer(channels)
        self.to_bins = nn.ModuleList(nn.Linear(channels, bins) for bins in self.codec.heatmap_size)
        self.root_head = VectorBranch(in_channels[-1] + 2 * channels, self.codec.root_bins)
        self.hand_type_head = VectorBranch(in_channels[-1] + 2 * channels, 2)
        self.loss_keypoint = MODELS.build(loss_keypoint or dict(type="MarginalLoss"))

    def forward(self, feats: Sequence[Tensor]) -> tuple[Marginals, Tensor, Tensor]:
        """Run the network.

        Args:
            feats: Stages of the backbone; the last `len(in_channels)`, each (B, C, h, w), are used.

        Returns:
            Marginals (see `Marginals`); root (B,) in bins; handedness logits (B, 2).
        """
        stages = list(feats)[-len(self.pyramid.laterals) :]
        feature = self.pyramid(stages)
        tokens = self.joints(feature)
        x, y, z = (linear(tokens) for linear in self.to_bins)
        columns, rows, cells = self.pointer(tokens, feature, x.shape[-1], y.shape[-1])
        # Which hand it is shows in the pose that each of the two would have, so the tokens decide with the image.
        hands = [tokens[:, hand].mean(dim=1) for hand in HANDS]
        vector = torch.cat([stages[-1].mean(dim=(2, 3)), *hands], dim=1)
        return (x + columns, y + rows, z, cells), soft_argmax(self.root_head(vector)), self.hand_type_head(vector)

    def keypoint_losses(
        self, outputs: Marginals, bins: Tensor, weights: Tensor, depth_valid: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the losses of the keypoints; see `MarginalLoss`."""
        return self.loss_keypoint(outputs, bins, weights, self.codec.sigma, depth_valid)

    def decode_keypoints(self, outputs: Marginals) -> tuple[Tensor, Tensor]:
        """Return expected bins (B, 42, 3) and scores (B, 42), the geometric mean of the axes' highest probabilities."""
        bins = torch.stack([soft_argmax(logits) for logits in outputs[:3]], dim=-1)
        peaks = [logits.float().log_softmax(dim=-1).amax(dim=-1) for logits in outputs[:3]]
        return bins, torch.stack(peaks).mean(dim=0).exp()

    def merge_mirrored(self, outputs: Marginals, mirrored: Marginals) -> Marginals:
        """Average the probabilities with those of the mirrored crop: mirror the x bins back and swap the hands."""
        swap = torch.from_numpy(FLIP_INDICES).to(mirrored[0].device)
        back = (mirrored[0][:, swap].flip(-1), mirrored[1][:, swap], mirrored[2][:, swap])
        x, y, z = (
            torch.logaddexp(plain.float().log_softmax(dim=-1), other.float().log_softmax(dim=-1))
            for plain, other in zip(outputs[:3], back, strict=True)
        )
        return x, y, z, outputs[3]
