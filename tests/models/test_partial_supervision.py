"""What a sample does not annotate must not be learned: no gradient goes there."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from interhand_mm.codecs import InterHand3DCodec
from interhand_mm.models.heads.internet_head import InterNetHead
from interhand_mm.models.heads.marginal_head import InterHandMarginalHead
from interhand_mm.models.losses import GaussianHeatmapLoss, gaussian_mse, projected_mse

CODEC = dict(type="InterHand3DCodec", input_size=(64, 64), heatmap_size=(16, 16, 16), sigma=1.0)
SHAPE = (1, 42, 16, 16, 16)


def labeled(hand_type, depth_valid: int = 1, z_mm: float = 30.0) -> PoseDataSample:
    """A sample as data sets and `EncodeHand` make it: joints of the hands that are there, on a diagonal."""
    codec = InterHand3DCodec(input_size=(64, 64), heatmap_size=(16, 16, 16), sigma=1.0)
    points = np.linspace([8.0, 12.0, -z_mm], [50.0, 44.0, z_mm], 42)
    visible = np.repeat(hand_type, 21).astype(float)
    both = float(min(hand_type))
    targets = codec.encode(points, visible, np.array(hand_type), 20.0, both, depth_valid)
    sample = PoseDataSample(metainfo={"depth_valid": np.float32(depth_valid)})
    sample.gt_instance_labels = InstanceData(
        bins=torch.from_numpy(targets["bins"])[None],
        bin_weights=torch.from_numpy(targets["bin_weights"])[None],
        root_bin=torch.tensor([float(targets["root_bin"])]),
        root_weight=torch.tensor([float(targets["root_weight"])]),
        hand_type=torch.tensor([hand_type], dtype=torch.float32),
        hand_type_valid=torch.tensor([1.0]),
    )
    return sample


def gradients(head, samples: list[PoseDataSample], losses=None):
    """Gradients of the summed losses with respect to what the head puts out: keypoints, root, handedness."""
    torch.manual_seed(0)
    feats = [torch.randn(len(samples), 8, 2, 2)]
    keypoints, root, logits = head(feats)
    parts = keypoints if isinstance(keypoints, tuple) else (keypoints,)
    outputs = [part.detach().requires_grad_() for part in (*parts, root, logits)]
    whole = tuple(outputs[:-2]) if isinstance(keypoints, tuple) else outputs[0]
    head.forward = lambda _: (whole, *outputs[-2:])
    found = head.loss(feats, samples)
    sum(value for name, value in found.items() if losses is None or name in losses).backward()
    return [torch.zeros_like(out) if out.grad is None else out.grad for out in outputs], found


def internet() -> InterNetHead:
    torch.manual_seed(7)
    return InterNetHead(in_channels=8, decoder=CODEC, deconv_channels=4)


def marginal() -> InterHandMarginalHead:
    torch.manual_seed(7)
    return InterHandMarginalHead(in_channels=[8], decoder=CODEC, channels=16, num_heads=2)


def test_one_hand_teaches_neither_the_other_nor_the_relative_depth():
    samples = [labeled([1, 0]), labeled([0, 1]), labeled([1, 1])]
    (right, left, root, logits), _ = gradients(internet(), samples)
    assert right[0].abs().amax((1, 2, 3)).min() > 0
    assert left[0].abs().max() == 0
    assert right[1].abs().max() == 0
    assert left[1].abs().max() > 0
    assert min(volume[2].abs().amax((1, 2, 3)).min() for volume in (right, left)) > 0
    assert (root != 0).tolist() == [False, False, True]
    assert (logits != 0).all()


def test_one_hand_and_marginals():
    (x, y, z, cells, root, _), _ = gradients(marginal(), [labeled([1, 0]), labeled([1, 1])])
    for part in (x, y, z, cells):
        assert part[0, :21].abs().max() > 0
        assert part[0, 21:].abs().max() == 0
        assert part[1, 21:].abs().max() > 0
    assert (root != 0).tolist() == [False, True]


def test_withheld_depth_has_no_gradient_in_the_depth_marginal():
    (x, y, z, cells, _, _), _ = gradients(marginal(), [labeled([1, 0], depth_valid=0), labeled([1, 0])])
    assert z[0].abs().max() == 0
    assert z[1, :21].abs().max() > 0
    assert min(part[0, :21].abs().max() for part in (x, y, cells)) > 0


@pytest.mark.parametrize("make", [internet, marginal])
def test_withheld_depth_is_not_read(make):
    near, far = (gradients(make(), [labeled([1, 1], 0, z_mm=z), labeled([1, 1])])[1] for z in (0.0, 90.0))
    again = gradients(make(), [labeled([1, 1], 1, z_mm=90.0), labeled([1, 1])])[1]
    assert near["loss_keypoint"].item() == pytest.approx(far["loss_keypoint"].item(), rel=1e-6)
    assert again["loss_keypoint"].item() != pytest.approx(far["loss_keypoint"].item(), rel=1e-3)


def test_joints_out_of_the_depth_range_count_in_the_image():
    assert labeled([1, 1], 1, z_mm=300.0).gt_instance_labels.bin_weights.sum() < 42
    assert labeled([1, 1], 0, z_mm=300.0).gt_instance_labels.bin_weights.sum() == 42


def test_projected_loss_by_hand():
    bins, weights = torch.full((1, 42, 3), 8.0), torch.zeros(1, 42)
    weights[0, 3] = 1
    # Against an empty volume: the sum over all cells of (255 exp(-r^2/2))^2 is 255^2 pi sigma^2, sigma 1.
    loss = projected_mse(torch.zeros(SHAPE), bins, weights, 1.0)
    assert loss.item() == pytest.approx(255**2 * math.pi / (42 * 16**3), rel=1e-3)
    # A volume with the right peak at any depth is right.
    axis = torch.arange(16.0)
    plane = 255 * torch.exp(-((axis[:, None] - 8) ** 2 + (axis[None] - 8) ** 2) / 2)
    volume = torch.zeros(SHAPE)
    volume[0, 3, 11] = plane
    assert projected_mse(volume, bins, weights, 1.0).item() == pytest.approx(0, abs=1e-6)


def test_a_mixed_batch_is_the_sum_of_its_parts():
    torch.manual_seed(1)
    volume, bins = torch.randn(3, 42, 16, 16, 16) * 20, torch.rand(3, 42, 3) * 15
    weights, valid = torch.ones(3, 42), torch.tensor([1.0, 0.0, 1.0])
    mixed = GaussianHeatmapLoss(loss_weight=2.0)(volume, bins, weights, 1.0, valid)
    whole = gaussian_mse(volume[[0, 2]], bins[[0, 2]], weights[:2], 1.0) * 2 / 3
    flat = projected_mse(volume[1:2], bins[1:2], weights[:1], 1.0) / 3
    assert mixed.item() == pytest.approx(2 * (whole + flat).item(), rel=1e-5)
    all_known = GaussianHeatmapLoss()(volume, bins, weights, 1.0, None)
    assert all_known.item() == pytest.approx(gaussian_mse(volume, bins, weights, 1.0).item())
