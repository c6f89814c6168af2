"""InterNet's head: two 3D heatmap branches, relative root depth, handedness.

Parameter names and shapes are those of mmpose's InterNet files, so such a checkpoint loads without renaming;
`checkpoints/internet.py` maps the official ones onto them (docs/spec/internet_checkpoints.md).
"""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...codecs.heatmap import PEAK, argmax_3d, refine_gaussian, soft_argmax
from ...codecs.interhand_3d import InterHand3DCodec
from ...registry import CODECS, MODELS
from ...structures.joints import NUM_HAND_JOINTS
from .base_head import HandHead

Volumes = tuple[Tensor, Tensor]  # of the right and the left hand, (B, 21, D, H, W)


class VolumeBranch(BaseModule):
    """Three x2 deconvolutions and a 1x1 convolution to 21 joints times D depth bins."""

    def __init__(self, in_channels: int, channels: int, depth: int, num_deconvs: int = 3) -> None:
        super().__init__(
            init_cfg=[
                dict(type="Normal", layer=["ConvTranspose2d", "Conv2d"], std=0.001),
                dict(type="Constant", layer="BatchNorm2d", val=1),
            ]
        )
        layers: list[nn.Module] = []
        for index in range(num_deconvs):
            layers += [
                nn.ConvTranspose2d(channels if index else in_channels, channels, 4, 2, 1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            ]
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(channels, NUM_HAND_JOINTS * depth, 1)
        self.depth = depth

    def forward(self, feature: Tensor) -> Tensor:
        """(B, C, h, w) to (B, 21, D, 8h, 8w); channels are joint-major (joint * D + depth)."""
        return _planar(self.final_layer, self.deconv_layers(feature)).unflatten(1, (NUM_HAND_JOINTS, self.depth))


def _planar(conv: nn.Conv2d, feature: Tensor) -> Tensor:
    """A 1x1 convolution (B, C, h, w) to (B, K, h, w), whose planes lie one after another in memory.

    From a channels-last feature the convolution would give a channels-last volume, through which every later step
    would stride; turning it costs more than the convolution. The product gives it, and takes its gradient, as wanted;
    in 16 bits it is as fast, in 32 bits on a CPU it is not.
    """
    if feature.dtype == torch.float32 or not feature.is_contiguous(memory_format=torch.channels_last):
        return conv(feature).contiguous()
    weight, pixels = conv.weight.flatten(1), feature.flatten(2)
    batch = len(pixels)
    out = torch.baddbmm(conv.bias[None, :, None].expand(batch, -1, 1), weight.expand(batch, -1, -1), pixels)
    return out.unflatten(2, feature.shape[-2:])


class VectorBranch(BaseModule):
    """Global average pool's vector through one hidden layer."""

    def __init__(self, in_channels: int, out_channels: int, hidden: int = 512) -> None:
        super().__init__(init_cfg=dict(type="Normal", layer="Linear", std=0.01))
        self.fc = nn.Sequential(nn.Linear(in_channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, out_channels))

    def forward(self, vector: Tensor) -> Tensor:
        """(B, C) to (B, out)."""
        return self.fc(vector)


@MODELS.register_module()
class InterNetHead(HandHead):
    """Heatmaps of either hand (B, 21, D, H, W), relative root depth (B,) in bins, handedness logits (B, 2).

    The hands' volumes stay apart: to put them into one of 42 joints would copy all of it.

    Args:
        in_channels: Channels of the backbone's last feature.
        decoder: The codec's config; `load_config` writes the one `codec` here.
        deconv_channels: Width of the deconvolutions.
        refine: Sub-voxel refinement at prediction; False is the official argmax.
        loss_keypoint: Heatmap loss, called with (volume, bins, weights, sigma).
        loss_root_depth: See `RootDepthLoss`.
        loss_handedness: See `HandednessLoss`.
    """

    def __init__(
        self,
        in_channels: int,
        decoder: dict[str, Any],
        deconv_channels: int = 256,
        refine: bool = False,
        loss_keypoint: dict[str, Any] | None = None,
        loss_root_depth: dict[str, Any] | None = None,
        loss_handedness: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(CODECS.build(decoder), loss_root_depth, loss_handedness)
        codec: InterHand3DCodec = self.codec
        depth = codec.heatmap_size[2]
        self.refine = refine
        self.right_hand_head = VolumeBranch(in_channels, deconv_channels, depth)
        self.left_hand_head = VolumeBranch(in_channels, deconv_channels, depth)
        self.root_head = VectorBranch(in_channels, codec.root_bins)
        self.hand_type_head = VectorBranch(in_channels, 2)
        self.loss_keypoint = MODELS.build(loss_keypoint or dict(type="GaussianHeatmapLoss"))

    def forward(self, feats: tuple[Tensor, ...] | list[Tensor]) -> tuple[Volumes, Tensor, Tensor]:
        """Run the network.

        Args:
            feats: Backbone stages; the last (B, C, h, w) is used.

        Returns:
            heatmaps of the right and the left hand, each (B, 21, D, H, W), root (B,) bins, handedness (B, 2) logits.
        """
        feature = feats[-1]
        volumes = self.right_hand_head(feature), self.left_hand_head(feature)
        vector = feature.mean(dim=(2, 3))
        return volumes, soft_argmax(self.root_head(vector)), self.hand_type_head(vector)

    def keypoint_losses(
        self, outputs: Volumes, bins: Tensor, weights: Tensor, depth_valid: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Heatmap loss of both hands' volumes, as if they were one, against (B, 42, 3) bins with (B, 42) weights."""
        parts = zip(outputs, bins.chunk(2, dim=1), weights.chunk(2, dim=1), strict=True)
        right, left = (self.loss_keypoint(*part, self.codec.sigma, depth_valid) for part in parts)
        return {"loss_keypoint": (right + left) / 2}

    def decode_keypoints(self, outputs: Volumes) -> tuple[Tensor, Tensor]:
        """Heatmaps to bins (B, 42, 3) and scores (B, 42), peaks divided by the target's height."""
        bins, scores = zip(*(self._decode_hand(volume) for volume in outputs), strict=True)
        return torch.cat(bins, dim=1), torch.cat(scores, dim=1).float() / PEAK

    def _decode_hand(self, volume: Tensor) -> tuple[Tensor, Tensor]:
        bins, scores = argmax_3d(volume)
        return (refine_gaussian(volume, bins) if self.refine else bins), scores

    def merge_mirrored(self, outputs: Volumes, mirrored: Volumes) -> Volumes:
        """Average heatmaps with those of the mirrored crop: mirror the bins back, swap the hands."""
        (right, left), (mirrored_right, mirrored_left) = outputs, mirrored
        return (right + mirrored_left.flip(-1)) / 2, (left + mirrored_right.flip(-1)) / 2
