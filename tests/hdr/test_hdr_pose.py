from __future__ import annotations

import math

import pytest
import torch
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor

from interhand_mm.hdr.models.pose_targets import (
    PUBLISHED_PARENTS,
    bone_vectors,
    decode,
    gaussian_maps,
    masked_norm,
    normalized_joints,
)
from interhand_mm.hdr.models.single_hand_pose import SingleHandPose, append_coordinates
from interhand_mm.structures.joints import TO_OPENPOSE
from tests.fixtures import hdr_names
from tests.fixtures.hdr_names import fill, fixture_image, summary

# docs/spec/hdr.md, section 7.1: mean, std, min, max, probes.
PARITY = {
    "heat": [0.50030593, 0.0019143579, 0.49558568, 0.50439935, 0.50192039, 0.4991607, 0.50357738, 0.49813491, 0.50096276],
    "bones": [7.0296254e-06, 0.0073995245, -0.013922821, 0.013335799, -0.0088566538, -0.0057358393, 0.0037571184, 0.00095820511, 0.0079818977],
    "positions": [3.787557e-05, 0.0080921861, -0.018367675, 0.02063173, -0.011840532, -0.0090021272, -0.012724357, 0.0059544824, -0.0014843637],
    "delta": [3.1870847e-05, 0.0077328394, -0.012330567, 0.012024838, -0.0047354773, 0.0071517205, 0.0072395437, -0.00084600341, 0.012024838],
    "xyz": [7.5384282e-05, 0.0085011861, -0.016443403, 0.014879331, -0.0075134344, 0.00064847503, -0.00070134872, 0.0023422581, 0.0080956282],
    "uv": [26.333333, 26.680281, 0, 62, 62, 1, 53, 37, 2],
}  # fmt: skip


def test_names_and_shapes_are_the_published_ones():
    with torch.device("meta"):
        model = SingleHandPose()
    assert {n: tuple(t.shape) for n, t in model.state_dict().items()} == hdr_names.pose()
    assert sum(p.numel() for p in model.parameters()) == 12_967_635


def test_parity_with_the_published_network():
    """In float32, which is several times as fast here and agrees with the float64 fixtures to the same 1e-5."""
    model = SingleHandPose().eval()
    assert fill(model) == 241
    with torch.no_grad():
        heat, bones, positions = model.maps(fixture_image().float())
    cells, delta, xyz, _ = decode(heat, bones, positions)
    found = dict(heat=heat, bones=bones, positions=positions, delta=delta, xyz=xyz, uv=cells)
    for name, numbers in PARITY.items():
        assert summary(found[name]) == pytest.approx(numbers, abs=1e-5 if name != "uv" else 1e-4), name
    assert cells[0, :5].tolist() == [[1, 1], [54, 1], [62, 37], [1, 1], [53, 1]]


def test_points_are_unbiased_and_finer_than_a_cell():
    """Targets are truncated to cells of 4 px, so a peak is the middle of its cell; a blend of two lies between them."""
    net = SingleHandPose(width=4)
    points = torch.rand(200, 21, 2, generator=torch.Generator().manual_seed(0)) * 160 + 48
    own, nothing = points[:, net._to_published], torch.zeros(200, 21, 3, 64, 64)
    heat, _ = gaussian_maps(own / 4, 64, 2.5)
    found, _, _ = net._decode((heat, nothing, nothing), 256)
    error = found - points
    assert error.mean(dim=(0, 1)).abs().max() < 0.1
    assert error.abs().max() <= 2.0 + 1e-4

    right, _ = gaussian_maps(own / 4 + torch.tensor([1.0, 0.0]), 64, 2.5)
    blended, _, _ = net._decode((0.75 * heat + 0.25 * right, nothing, nothing), 256)
    assert (blended - found - torch.tensor([1.0, 0.0])).abs().max() < 0.1  # a quarter of a cell is one pixel


def test_decode_takes_the_first_highest_cell_as_row_and_column():
    heat = torch.zeros(1, 2, 4, 6)
    heat[0, 0, 3, 2] = heat[0, 0, 3, 5] = 0.5
    heat[0, 1, 1, 4] = 0.25
    maps = torch.arange(2 * 3 * 4 * 6.0).view(1, 2, 3, 4, 6)
    cells, delta, xyz, scores = decode(heat, maps, -maps)
    assert cells.tolist() == [[[3, 2], [1, 4]]]
    assert delta[0, 1].tolist() == [72 + 10, 96 + 10, 120 + 10]
    assert torch.equal(xyz, -delta)
    assert scores.tolist() == [[0.5, 0.25]]


def test_coordinate_channels():
    out = append_coordinates(torch.zeros(2, 1, 3, 5))
    assert out[1, 1, 2].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert out[1, 2, :, 4].tolist() == [-1, 0, 1]


def test_gaussian_maps_against_a_plain_loop():
    cells = torch.tensor([[[20.9, 40.2], [2.0, 60.0], [-7.5, 10.0], [-8.0, 10.0], [72.0, 5.0]]])
    maps, inside = gaussian_maps(cells, 64, 2.5)
    # Center c covers c - 8 ... c + 7: -7 still reaches cell 0, -8 does not, and 72 starts at 64.
    assert inside.tolist() == [[1, 1, 1, 0, 0]]
    for joint in range(5):
        cx, cy = (int(v) for v in cells[0, joint])
        plain = torch.zeros(64, 64)
        for y in range(max(0, cy - 8), min(64, cy + 8)):
            for x in range(max(0, cx - 8), min(64, cx + 8)):
                plain[y, x] = math.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 2.5**2))
        torch.testing.assert_close(maps[0, joint], plain)
    assert maps[0, 0, 40, 20] == 1


def test_targets_by_hand():
    joints = torch.zeros(1, 21, 3)
    joints[0, :, 0] = torch.arange(21.0) + 100
    joints[0, 9] = torch.tensor([100.0, 50.0, 0.0])  # reference bone 50 mm
    visible = torch.ones(1, 21)
    visible[0, 5] = 0
    relative, known = normalized_joints(joints, visible)
    torch.testing.assert_close(relative[0, 20], torch.tensor([20 / 50, 0, 0]))
    assert relative[0, 0].tolist() == [0, 0, 0]
    assert known.sum() == 20
    vectors, both = bone_vectors(relative, visible)
    assert vectors[0, 0].tolist() == [0, 0, 0]
    torch.testing.assert_close(vectors[0, 9], torch.tensor([0.0, 1.0, 0.0]))
    torch.testing.assert_close(vectors[0, 4], torch.tensor([1.0, 0.0, 0.0]))
    assert [j for j in range(21) if not both[0, j]] == [5, 6]  # a bone wants both of its ends
    assert PUBLISHED_PARENTS == (0, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
    visible[0, 9] = 0
    assert normalized_joints(joints, visible)[1].sum() == 0


def test_masked_norm_by_hand():
    difference = torch.zeros(2, 2, 1, 2)
    difference[0, 0] = torch.tensor([[3.0, 0.0]])
    difference[1, 1] = torch.tensor([[0.0, 4.0]])
    difference[0, 1] = 100.0
    assert masked_norm(difference, torch.tensor([[1.0, 0.0], [0.0, 1.0]])).item() == 5 / 2
    nothing = difference.requires_grad_()
    loss = masked_norm(nothing, torch.zeros(2, 2))
    loss.backward()
    assert loss == 0
    assert nothing.grad.abs().max() == 0  # and not NaN


def _batch(generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor], list[BaseDataElement]]:
    """Inputs, labels (B, ...), and the labels in samples as `PackOneHand` makes them."""
    inputs = torch.randn(2, 3, 64, 64, generator=generator)
    labels = dict(
        keypoints_crop=torch.rand(2, 21, 2, generator=generator) * 64,
        keypoints_cam=torch.randn(2, 21, 3, generator=generator) * 50,
        visible=torch.ones(2, 21),
    )
    rows = [InstanceData(**{name: values[i : i + 1] for name, values in labels.items()}) for i in range(2)]
    return inputs, labels, [BaseDataElement(gt_instance_labels=row) for row in rows]


def test_perfect_maps_have_no_loss_and_decode_to_the_truth():
    model = SingleHandPose(width=4)
    inputs, batch, samples = _batch(torch.Generator().manual_seed(0))
    cells = batch["keypoints_crop"].div(4).trunc()
    order = torch.from_numpy(TO_OPENPOSE)
    heat, _ = gaussian_maps(cells[:, order], 16, 2.5)
    joints, _ = normalized_joints(batch["keypoints_cam"][:, order], batch["visible"])
    vectors, _ = bone_vectors(joints, batch["visible"])
    dense = [value[..., None, None].expand(-1, -1, -1, 16, 16) for value in (vectors, joints)]
    model.maps = lambda inputs: (heat, *dense)
    losses = model(inputs, samples, mode="loss")
    assert set(losses) == {"loss_heatmap", "loss_bone", "loss_position"}
    assert max(losses.values()) < 1e-6
    sample = model(inputs, mode="predict")[1].pred_instances
    torch.testing.assert_close(sample.keypoints_crop[0].float(), (cells[1] + 0.5) * 4)
    wrist, middle = batch["keypoints_cam"][1, 20], batch["keypoints_cam"][1, 11]  # this project's order
    expected = (batch["keypoints_cam"][1] - wrist) / (middle - wrist).norm()
    torch.testing.assert_close(sample.keypoints_norm[0], expected)
    assert sample.keypoint_scores.tolist() == [[1.0] * 21]


def test_it_learns():
    torch.manual_seed(0)
    model = SingleHandPose(width=4)
    inputs, _, samples = _batch(torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    totals = []
    for _ in range(6):
        losses = model(inputs, samples, mode="loss")
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.9 * totals[0]
    assert all(p.grad is not None for p in model.parameters())
