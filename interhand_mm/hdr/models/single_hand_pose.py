"""The pose of one right hand by DetNet, which predicts heatmaps, then maps of unit bone vectors, then of positions.

Inside the network, joints have the published order (the wrist, then each finger from base to tip, as in OpenPose). Its
inputs and outputs have this project's order.
"""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseModel, BaseModule
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor, nn
from torch.nn import functional as F

from ...codecs.heatmap import refine_gaussian
from ...registry import MODELS
from ...structures.joints import FROM_OPENPOSE, NUM_HAND_JOINTS, RIGHT_WRIST, TO_OPENPOSE
from .pose_targets import bone_vectors, decode, gaussian_maps, masked_norm, normalized_joints


class Bottleneck(nn.Module):
    """ResNet's bottleneck with expansion 4, and stride and dilation in its 3x3 convolution."""

    def __init__(
        self, in_channels: int, width: int, shortcut: nn.Module | None = None, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.shortcut = shortcut

    def forward(self, feature: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, 4 width, H / stride, W / stride)."""
        out = F.relu(self.bn1(self.conv1(feature)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + (feature if self.shortcut is None else self.shortcut(feature)))


def _group(in_channels: int, width: int, blocks: int, dilation: int = 1) -> nn.Sequential:
    project = nn.Sequential(nn.Conv2d(in_channels, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width))
    first = Bottleneck(in_channels, width, project, dilation=dilation)
    return nn.Sequential(first, *(Bottleneck(4 * width, width, dilation=dilation) for _ in range(blocks - 1)))


def _conv_block(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU()
    )


class DilatedResNet(BaseModule):
    """DetNet's backbone with stride 4, whose last ten blocks are dilated.

    Args:
        width: Width of the stem. Published: 64. The output has four times as many channels.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.block1 = _group(width, width, 2)
        self.pool = nn.Sequential(Bottleneck(4 * width, width, nn.MaxPool2d(2), stride=2))
        self.block2 = _group(4 * width, 2 * width, 4, dilation=2)
        self.block3 = _group(8 * width, 4 * width, 6, dilation=4)
        self.squeeze = _conv_block(16 * width, 4 * width)

    def forward(self, image: Tensor) -> Tensor:
        """Map an image (B, 3, H, W) to features (B, 4 width, H/4, W/4)."""
        out = self.pool(self.block1(F.relu(self.bn1(self.conv1(image)))))
        return self.squeeze(self.block3(self.block2(out)))


class MapBranch(nn.Module):
    """A 3x3 convolution block and a 1x1 convolution that predicts maps."""

    def __init__(self, in_channels: int, channels: int, out_channels: int) -> None:
        super().__init__()
        self.project = _conv_block(in_channels, channels)
        self.prediction = nn.Conv2d(channels, out_channels, 1)

    def forward(self, feature: Tensor) -> Tensor:
        """Map features (B, C, H, W) to maps (B, out, H, W)."""
        return self.prediction(self.project(feature))


def append_coordinates(feature: Tensor) -> Tensor:
    """Append two channels with the x and y position, from -1 to 1: (B, C, H, W) to (B, C + 2, H, W)."""
    batch, _, height, width = feature.shape
    x = torch.linspace(-1, 1, width, dtype=feature.dtype, device=feature.device).expand(batch, 1, height, width)
    y = torch.linspace(-1, 1, height, dtype=feature.dtype, device=feature.device)[:, None]
    return torch.cat([feature, x, y.expand(batch, 1, height, width)], dim=1)


@MODELS.register_module()
class SingleHandPose(BaseModel):
    """Predict the joints of one right hand, relative to its wrist and in units of one bone.

    The unit is the bone from the wrist to the base of the middle finger. Parameter names and shapes are the published
    ones.

    Args:
        width: Width of the stem. Published: 64.
        sigma: Standard deviation of the heatmaps in cells.
        loss_weights: Weights of the losses of heatmaps, bone vectors and positions.
        bone_mm: Length of the unit bone, for results in millimeters. The network cannot see it; the default is that of
            an average adult.
        data_preprocessor: Config of the normalization. The network receives RGB.
    """

    def __init__(
        self,
        width: int = 64,
        sigma: float = 2.5,
        loss_weights: tuple[float, float, float] = (1.0, 1.0, 5.0),
        bone_mm: float = 84.0,
        data_preprocessor: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        default = [
            dict(type="Normal", layer="Conv2d", std=0.001),
            dict(type="Constant", layer="BatchNorm2d", val=1),
        ]
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg or default)
        channels, joints = 4 * width, NUM_HAND_JOINTS
        self.resnet = DilatedResNet(width)
        self.hmap_0 = MapBranch(channels + 2, channels, joints)
        self.dmap_0 = MapBranch(channels + 2 + joints, channels, 3 * joints)
        self.lmap_0 = MapBranch(channels + 2 + 4 * joints, channels, 3 * joints)
        self.sigma = sigma
        self.loss_weights = loss_weights
        self.bone_mm = bone_mm
        self.register_buffer("_to_published", torch.from_numpy(TO_OPENPOSE), persistent=False)
        self.register_buffer("_to_ours", torch.from_numpy(FROM_OPENPOSE), persistent=False)

    def maps(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predict heatmaps (B, 21, h, w), and bone vectors and positions (B, 21, 3, h, w), from RGB (B, 3, H, W)."""
        feature = append_coordinates(self.resnet(inputs))
        heat = self.hmap_0(feature).float().sigmoid()  # in 16 bits many cells near 1 would be equal
        feature = torch.cat([feature, heat], dim=1)
        bones = self.dmap_0(feature)
        positions = self.lmap_0(torch.cat([feature, bones], dim=1))
        shape = (NUM_HAND_JOINTS, 3)
        return heat, bones.unflatten(1, shape), positions.unflatten(1, shape)

    def forward(
        self,
        inputs: Tensor,
        data_samples: list[BaseDataElement] | None = None,
        mode: str = "tensor",
    ) -> tuple[Tensor, ...] | dict[str, Tensor] | list[BaseDataElement]:
        """Run the network.

        Args:
            inputs: (B, 3, H, W) normalized RGB of a right hand.
            data_samples: Samples packed by `PackOneHand`. They contain the labels, and receive the predictions.
            mode: "tensor" returns `maps`; "loss" the losses; "predict" the samples with `pred_instances`:
                `keypoints_crop` (1, 21, 2), x, y px of the crop; `keypoints_norm` (1, 21, 3), bone units relative to
                the wrist; `keypoints_mm` (1, 21, 3), the same times `bone_mm`; `keypoint_scores` (1, 21).
        """
        outputs = self.maps(inputs)
        if mode == "tensor":
            return outputs
        if mode == "loss":
            labels = [sample.gt_instance_labels for sample in data_samples or []]
            names = ("keypoints_crop", "keypoints_cam", "visible")
            targets = (torch.cat([label[name] for label in labels]).to(inputs.device) for name in names)
            return self.losses(outputs, inputs.shape[-1], *targets)
        points, positions, scores = self._decode(outputs, inputs.shape[-1])
        samples = data_samples or [BaseDataElement() for _ in inputs]
        for sample, *values in zip(samples, points, positions, scores, strict=True):
            point, position, score = (value[None] for value in values)
            instances = InstanceData(keypoints_crop=point, keypoints_norm=position, keypoint_scores=score)
            instances.keypoints_mm = position * self.bone_mm
            sample.set_data({"pred_instances": instances})
        return samples

    def _decode(self, outputs: tuple[Tensor, Tensor, Tensor], input_size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return points (B, 21, 2) in px of the crop, positions (B, 21, 3) in bone units, and heatmap peaks (B, 21).

        The targets are truncated to cells, so a peak stands for the middle of its cell. Between cells, the peak of the
        heatmap is that of a Gaussian.
        """
        heat = outputs[0]
        cells, _, positions, scores = decode(*outputs)
        peaks = torch.cat([cells.flip(-1), torch.zeros_like(cells[..., :1])], dim=-1)  # x, y and a depth of one cell
        peaks = refine_gaussian(heat.unsqueeze(-3), peaks.float())[..., :2]
        points = (peaks + 0.5) * (input_size / heat.shape[-1])
        points, positions, scores = (part[:, self._to_ours] for part in (points, positions, scores))
        return points, positions, scores

    def single_hand(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Predict like `InterHandEstimator.single_hand`. The depth d is the z of the position, times `bone_mm`."""
        points, positions, scores = self._decode(self.maps(inputs), inputs.shape[-1])
        depth = positions[..., 2:] - positions[:, RIGHT_WRIST, None, 2:]
        return torch.cat([points, depth * self.bone_mm], dim=-1), scores

    def losses(
        self,
        outputs: tuple[Tensor, Tensor, Tensor],
        input_size: int,
        keypoints_crop: Tensor,
        keypoints_cam: Tensor,
        visible: Tensor,
    ) -> dict[str, Tensor]:
        """Return the three weighted losses; see `masked_norm` for the formula.

        Args:
            outputs: Heatmaps, bone vectors and positions from `maps`.
            input_size: Side of the crop, px.
            keypoints_crop: (B, 21, 2) x, y px of the crop.
            keypoints_cam: (B, 21, 3) mm in the frame in which the crop stands upright.
            visible: (B, 21), 1 where the joint is known.
        """
        heat, bones, positions = (output.float() for output in outputs)
        order = self._to_published
        size = heat.shape[-1]
        target, inside = gaussian_maps(keypoints_crop[:, order].float() * size / input_size, size, self.sigma)
        joints, known = normalized_joints(keypoints_cam[:, order].float(), visible[:, order].float())
        vectors, bone_known = bone_vectors(joints, visible[:, order].float())
        valid = inside * visible[:, order]
        near = target[:, :, None]
        terms = {
            "heatmap": masked_norm(heat - target, valid),
            "bone": masked_norm((bones - vectors[..., None, None]) * near, valid * bone_known),
            "position": masked_norm((positions - joints[..., None, None]) * near, valid * known),
        }
        weighted = zip(terms.items(), self.loss_weights, strict=True)
        return {f"loss_{name}": weight * loss for (name, loss), weight in weighted}
