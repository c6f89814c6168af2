"""U-Net, Dice loss, 2D labels and mmpose's heads in their place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from interhand_mm.codecs.heatmap import gaussian_axis
from interhand_mm.datasets.interhand import InterHandDataset
from interhand_mm.datasets.transforms import PackHand2DInputs
from interhand_mm.errors import ConfigError, DataContractError
from interhand_mm.models.backbones.unet import UNet
from interhand_mm.models.heads.heatmap_2d import DiceHeatmapLoss, gaussian_dice
from interhand_mm.registry import MODELS, TRANSFORMS
from interhand_mm.structures.camera import apply_affine, invert_affine
from interhand_mm.utils.config import load_config
from tests.conftest import ROOT
from tests.fixtures.tiny import write_photographs, write_set

SIZE = (64, 64)
CODEC = dict(type="mmpose.MSRAHeatmap", input_size=SIZE, heatmap_size=SIZE, sigma=2.0)
HEAD = dict(
    type="HandHeatmapHead",
    in_channels=4,
    out_channels=21,
    deconv_out_channels=None,
    final_layer=dict(kernel_size=3, padding=1),
    loss=dict(type="interhand_mm.DiceHeatmapLoss"),
    decoder=CODEC,
)
MODEL = dict(
    type="InterHandEstimator",
    data_preprocessor=dict(type="mmpose.PoseDataPreprocessor", mean=[0.0] * 3, std=[255.0] * 3, bgr_to_rgb=True),
    backbone=dict(type="UNet", base_channels=4),
    head=HEAD,
)
RESNET = dict(type="mmpose.ResNet", depth=18, stem_channels=8, base_channels=8)
HEADS = {
    "heatmap": (
        dict(CODEC, heatmap_size=(16, 16), sigma=1.0),
        dict(type="mmpose.HeatmapHead", in_channels=64, out_channels=21, deconv_out_channels=(16, 16, 16),
             loss=dict(type="mmpose.KeypointMSELoss", use_target_weight=True)),
    ),
    "simcc": (
        dict(type="mmpose.SimCCLabel", input_size=SIZE, sigma=2.0, simcc_split_ratio=2.0),
        dict(type="mmpose.SimCCHead", in_channels=64, out_channels=21, input_size=SIZE, in_featuremap_size=(2, 2),
             deconv_out_channels=None, loss=dict(type="mmpose.KLDiscretLoss", use_target_weight=True)),
    ),
    "regression": (
        dict(type="mmpose.RegressionLabel", input_size=SIZE),
        dict(type="mmpose.RegressionHead", in_channels=64, num_joints=21,
             loss=dict(type="mmpose.SmoothL1Loss", use_target_weight=True)),
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope("interhand_mm")


@pytest.fixture
def tiny(tmp_path):
    return write_set(tmp_path / "tiny", num=9)


def steps(codec, encoder=None):
    return [
        dict(type="LoadHandImage"),
        dict(type="HandCrop", encoder=codec, flip_left_to_right=True),
        dict(type="PackHand2DInputs", encoder=encoder),
    ]


def singles(root, pipeline):
    return InterHandDataset(data_root=str(root), hand_types=("right", "left"), pipeline=pipeline)


def test_unet_keeps_the_size_and_sees_far():
    net = UNet(base_channels=4).eval()
    image = torch.rand(1, 3, 64, 48, requires_grad=True)
    (feature,) = net(image)
    assert feature.shape == (1, 4, 64, 48)
    assert len(net.down) == len(net.up) == 3
    feature[0, :, 32, 24].sum().backward()
    reach = image.grad.abs().sum((0, 1)).nonzero()
    assert (reach.max(0).values - reach.min(0).values).min() > 40
    with pytest.raises(ConfigError, match="multiples of 8"):
        net(torch.zeros(1, 3, 60, 64))


def test_dice_is_the_dense_formula():
    torch.manual_seed(0)
    heatmaps = torch.rand(2, 3, 20, 30, requires_grad=True)
    points = torch.rand(2, 3, 2) * torch.tensor([29.0, 19.0])
    x, y = gaussian_axis(points[..., 0], 30, 3.0), gaussian_axis(points[..., 1], 20, 3.0)
    target = y[..., :, None] * x[..., None, :]
    dense = 2 * (heatmaps * target).sum((-2, -1)) / (heatmaps.square() + target.square()).sum((-2, -1))
    assert torch.allclose(gaussian_dice(heatmaps, points, 3.0), dense, atol=1e-5)
    assert torch.allclose(gaussian_dice(target, points, 3.0), torch.ones(2, 3), atol=1e-5)


def test_dice_by_hand_and_masks():
    # One cell right of two: 2 * 1 / (2 + 1). sigma so small that the Gaussian is a single cell.
    heatmap = torch.zeros(1, 2, 8, 8)
    heatmap[0, :, 3, 4] = heatmap[0, :, 3, 5] = 1
    points = torch.tensor([[[4.0, 3.0], [0.0, 0.0]]])
    assert gaussian_dice(heatmap, points, 0.05)[0].tolist() == pytest.approx([2 / 3, 0.0])
    loss = DiceHeatmapLoss()
    assert float(loss(heatmap, points, torch.tensor([[1.0, 0.0]]), 0.05)) == pytest.approx(1 / 3)
    assert float(loss(heatmap, points, torch.ones(1, 2), 0.05)) == pytest.approx(2 / 3)
    assert float(loss(heatmap, points, torch.zeros(1, 2), 0.05)) == 0


def test_labels_are_the_one_hands_joints_in_the_crop(tiny):
    dataset = singles(tiny, steps(CODEC))
    kinds = set()
    for i in range(len(dataset)):
        raw, sample = dataset.get_data_info(i), dataset[i]["data_samples"]
        left = bool(raw["hand_type"][0, 1])
        kinds.add(left)
        assert bool(sample.metainfo["warp"].flipped == left)
        labels = sample.gt_instance_labels
        assert labels.keypoints.shape == (1, 21, 2)
        assert labels.keypoint_weights.sum() == 21
        back = apply_affine(labels.keypoints[0].double().numpy(), invert_affine(sample.metainfo["warp"].full_to_crop))
        if left:
            back[:, 0] = raw["image_size"][0] - 1 - back[:, 0]
        slots = slice(21, 42) if left else slice(0, 21)
        np.testing.assert_allclose(back, raw["keypoints"][0, slots, :2], atol=1e-3)
        # The image shows a hand at the labels, mirrored or not, as far as they lie in the frame.
        framed = (
            (raw["keypoints"][0, slots, :2] > 3) & (raw["keypoints"][0, slots, :2] < np.subtract(raw["image_size"], 4))
        ).all(1)
        at = np.rint(labels.keypoints[0].numpy()).astype(int)[framed]
        assert len(at) > 8
        assert (dataset[i]["inputs"].numpy().max(0)[at[:, 1], at[:, 0]] > 60).all()
    assert kinds == {False, True}


def test_two_hands_are_refused(tiny):
    dataset = InterHandDataset(data_root=str(tiny), hand_types=("interacting",), pipeline=steps(CODEC))
    with pytest.raises(DataContractError, match="hand_types"):
        dataset[0]


def test_a_joint_outside_the_crop_has_no_weight(tiny):
    sample = singles(tiny, steps(CODEC)[:2])[0]
    sample["keypoints"][0, 3, :2] = -500
    labels = PackHand2DInputs().transform(sample)["data_samples"].gt_instance_labels
    assert labels.keypoint_weights[0].tolist() == [1.0] * 3 + [0.0] + [1.0] * 17


def test_overfitting_finds_the_joints(tiny):
    torch.manual_seed(0)
    model = MODELS.build(dict(MODEL, backbone=dict(type="UNet", base_channels=8), head=dict(HEAD, in_channels=8)))
    model.init_weights()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    batch = pseudo_collate([singles(tiny, steps(CODEC))[0]])
    losses = []
    for _ in range(60):
        (loss,) = model(**model.data_preprocessor(batch, training=True), mode="loss").values()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] > 0.9
    assert losses[-1] < 0.5
    with torch.no_grad():
        (sample,) = model(**model.data_preprocessor(batch, training=False), mode="predict")
    found, truth = sample.pred_instances.keypoints[0], sample.gt_instances.keypoints[0, :21, :2]
    zoom = np.linalg.det(sample.metainfo["warp"].full_to_crop[:, :2]) ** 0.5
    assert np.median(np.linalg.norm(found - truth, axis=-1)) * zoom < 1.5  # px of the crop


@pytest.mark.parametrize("name", HEADS)
def test_mmposes_heads_train_and_predict_in_its_place(tiny, name):
    codec, head = HEADS[name]
    torch.manual_seed(0)
    model = MODELS.build(dict(MODEL, backbone=RESNET, head=dict(head, decoder=codec),
                              neck=dict(type="mmpose.GlobalAveragePooling") if name == "regression" else None))  # fmt: skip
    dataset = singles(tiny, steps(codec, encoder=codec))
    batch = pseudo_collate([dataset[0], dataset[3]])
    losses = model(**model.data_preprocessor(batch, training=True), mode="loss")
    sum(value for key, value in losses.items() if "loss" in key).backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    model.eval()
    with torch.no_grad():
        predicted = model(**model.data_preprocessor(batch, training=False), mode="predict")
    for sample in predicted:
        assert sample.pred_instances.keypoints.shape == (1, 21, 2)
        box = sample.gt_instances.bboxes[0]
        assert (sample.pred_instances.keypoints[0] > box[:2] - box[2:]).all()


@pytest.mark.parametrize("name", ["unet_freihand", "unet_freihand_all", "heatmap_freihand", "quickstart/unet",
                                  "quickstart/unet_all", "quickstart/heatmap"])  # fmt: skip
def test_configs_build_and_step(tiny, tmp_path, name):
    changes = ["model.backbone.depth=18", "model.head.in_channels=512"] if name == "heatmap_freihand" else []
    cfg = load_config(ROOT / f"configs/{name}.py", changes)
    model = MODELS.build(cfg.model)
    pipeline = cfg.train_dataloader.dataset.pipeline
    pipeline = [step for step in pipeline if step.type not in ("GreenScreen", "RandomBackgroundReplace")]
    batch = pseudo_collate([singles(tiny, pipeline)[i] for i in (0, 1)])
    losses = model(**model.data_preprocessor(batch, training=True), mode="loss")
    total = sum(value for key, value in losses.items() if "loss" in key)
    total.backward()
    assert total.isfinite()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_a_sample_without_dense_targets_is_small(tiny):
    labels = singles(tiny, steps(CODEC))[0]["data_samples"].gt_instance_labels
    assert sum(value.numel() * value.element_size() for value in labels.all_values()) < 1024


def test_published_stages():
    first, second = (load_config(ROOT / f"configs/{name}.py") for name in ("unet_freihand", "unet_freihand_all"))
    assert (first.train_cfg.max_epochs, tuple(first.train_dataloader.dataset.versions)) == (150, ("gs",))
    assert second.train_cfg.max_epochs == 100
    assert len(second.train_dataloader.dataset.versions) == 4
    assert first.model == second.model
    assert first.codec.sigma == 3


def test_green_screen_is_green_uneven_and_the_same_for_everyone(tiny, tmp_path):
    import cv2

    for path in (tiny / "images/train").rglob("*.jpg"):
        mask = (tmp_path / "masks/train" / path.relative_to(tiny / "images/train")).with_suffix(".png")
        mask.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(mask), (cv2.imread(str(path)).max(-1) > 40).astype(np.uint8))
    green = dict(type="GreenScreen", fixed_seed=0)
    dataset = InterHandDataset(
        data_root=str(tiny), mask_root=str(tmp_path / "masks"), pipeline=[*steps(CODEC)[:1],
        dict(type="HandCrop", encoder=CODEC), green],
    )  # fmt: skip
    levels = []
    for i in range(len(dataset)):
        sample, again = dataset[i], dataset[i]
        assert np.array_equal(sample["img"], again["img"])
        behind = sample["img"][sample["background_alpha"] == 255].astype(int)
        assert (behind[:, 1] > behind[:, [0, 2]].max(1) + 15).mean() > 0.95  # but for the frame's black edge
        levels.append(behind.mean())
    assert np.std(levels) > 3
    photographs = dict(
        type="RandomBackgroundReplace", prob=1.0, mask="file", backgrounds=str(write_photographs(tmp_path / "p"))
    )
    dataset.pipeline.transforms.append(TRANSFORMS.build(photographs))
    over = dataset[0]
    behind = over["img"][over["background_alpha"] == 255].astype(int)
    assert (behind[:, 1] > behind[:, [0, 2]].max(1) + 15).mean() < 0.9
