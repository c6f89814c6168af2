"""InterNet's head: two 3D heatmap branches, relative root depth, handedness.

Parameter names and shapes are those of mmpose's InterNet, so its checkpoints load without renaming.
`checkpoints/internet.py` maps the official checkpoints onto them (docs/spec/internet_checkpoints.md).
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
from .base_head import HandHead, VectorBranch

# Heatmaps of the right and the left hand, each (B, 21, D, H, W).
Volumes = tuple[Tensor, Tensor]


class VolumeBranch(BaseModule):
    """Deconvolutions that double the resolution, and a 1x1 convolution to 21 joints times D depth bins.

    Args:
        in_channels: Channels of the feature.
        channels: Channels of the deconvolutions.
        depth: Depth bins D.
        num_deconvs: Number of deconvolutions.
    """

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
        """Map (B, C, h, w) to (B, 21, D, 8h, 8w); the channels are joint-major (joint * D + depth)."""
        return _planar(self.final_layer, self.deconv_layers(feature)).unflatten(1, (NUM_HAND_JOINTS, self.depth))


def _planar(conv: nn.Conv2d, feature: Tensor) -> Tensor:
    """Apply a 1x1 convolution to (B, C, h, w) and return (B, K, h, w) in contiguous memory.

    For a channels-last feature the convolution would return a channels-last volume. All later steps would then read
    memory with large strides, and a copy would cost more than the convolution. A matrix product writes the contiguous
    layout directly. In 16 bits it is as fast as the convolution; in 32 bits on a CPU it is slower.
    """
    if feature.dtype == torch.float32 or not feature.is_contiguous(memory_format=torch.channels_last):
        return conv(feature).contiguous()
    assert conv.bias is not None
    weight, pixels = conv.weight.flatten(1), feature.flatten(2)
    batch = len(pixels)
    out = torch.baddbmm(conv.bias[None, :, None].expand(batch, -1, 1), weight.expand(batch, -1, -1), pixels)
    return out.unflatten(2, feature.shape[-2:])


@MODELS.register_module()
class InterNetHead(HandHead):
    """Head of InterNet: heatmaps of each hand (B, 21, D, H, W), relative root depth and handedness.

    The volumes of the two hands are kept apart, because joining them would copy both.

    Args:
        in_channels: Channels of the backbone's last feature.
        decoder: Codec config; `load_config` writes the one `codec` here.
        deconv_channels: Channels of the deconvolutions.
        refine: Whether predictions are refined below one voxel; False is the official argmax.
        loss_keypoint: Config of the heatmap loss. It is called with (volume, bins, weights, sigma, depth_valid).
        loss_root_depth: Config of the loss of the relative root depth. Default: `RootDepthLoss`.
        loss_handedness: Config of the loss of the handedness. Default: `HandednessLoss`.
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
            feats: Stages of the backbone; the last one (B, C, h, w) is used.

        Returns:
            Heatmaps of the right and the left hand, each (B, 21, D, H, W); root (B,) in bins; handedness logits (B, 2).
        """
        feature = feats[-1]
        volumes = self.right_hand_head(feature), self.left_hand_head(feature)
        vector = feature.mean(dim=(2, 3))
        return volumes, soft_argmax(self.root_head(vector)), self.hand_type_head(vector)

    def keypoint_losses(
        self, outputs: Volumes, bins: Tensor, weights: Tensor, depth_valid: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the heatmap loss of both volumes, as if they were one volume of 42 joints."""
        parts = zip(outputs, bins.chunk(2, dim=1), weights.chunk(2, dim=1), strict=True)
        right, left = (self.loss_keypoint(*part, self.codec.sigma, depth_valid) for part in parts)
        return {"loss_keypoint": (right + left) / 2}

    def decode_keypoints(self, outputs: Volumes) -> tuple[Tensor, Tensor]:
        """Return the bins (B, 42, 3) of the peaks and their scores (B, 42), 1 for the height of a target."""
        bins, scores = zip(*(self._decode_hand(volume) for volume in outputs), strict=True)
        return torch.cat(bins, dim=1), torch.cat(scores, dim=1).float() / PEAK

    def _decode_hand(self, volume: Tensor) -> tuple[Tensor, Tensor]:
        bins, scores = argmax_3d(volume)
        return (refine_gaussian(volume, bins) if self.refine else bins), scores

    def merge_mirrored(self, outputs: Volumes, mirrored: Volumes) -> Volumes:
        """Average the heatmaps with those of the mirrored crop: mirror x back and swap the hands."""
        (right, left), (mirrored_right, mirrored_left) = outputs, mirrored
        return (right + mirrored_left.flip(-1)) / 2, (left + mirrored_right.flip(-1)) / 2
