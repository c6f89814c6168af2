"""The plugin with tiny networks, and with scripted ones whose answers are known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.model import ImgDataPreprocessor
from mmengine.registry import init_default_scope
from mmengine.structures import BaseDataElement, InstanceData
from mmpose.structures import PoseDataSample

from interhand_mm.errors import CheckpointError, ConfigError, DataContractError
from interhand_mm.hdr.models.hdr_plugin import HDROptions, HDRPlugin, hands_present
from interhand_mm.models.plugin import load_plugin
from interhand_mm.models.preprocessing import denormalize, normalize
from interhand_mm.registry import MODELS
from interhand_mm.structures.warp import Warp
from tests.fixtures.tiny_aih import hand_mask

init_default_scope("interhand_mm")  # mmpose builds heads by the default scope
SIZE, CROP_SCALE = 64, 2
LARGE = SIZE * CROP_SCALE
IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True)
SEGMENTOR = dict(
    type="HandSegmentor",
    data_preprocessor=dict(type="ImgDataPreprocessor", **IMAGENET),
    backbone=dict(type="MixVisionTransformer", size="b0", embed_dims=8),
    decode_head=dict(type="AmodalMaskHead", channels=8),
)
INPAINTOR = dict(
    type="HandInpaintor",
    data_preprocessor=dict(type="InpaintPreprocessor", **IMAGENET),
    generator=dict(type="PartialConvUNet", in_channels=8, base_channels=8),
    dilation=1,
)
CODEC = dict(type="InterHand3DCodec", input_size=(SIZE, SIZE), heatmap_size=(16, 16, 16))
BASE = dict(
    type="InterHandEstimator",
    data_preprocessor=dict(type="mmpose.PoseDataPreprocessor", mean=[0.0, 0.0, 0.0], std=[255.0] * 3, bgr_to_rgb=True),
    backbone=dict(type="mmpose.ResNet", depth=18, stem_channels=8, base_channels=8, out_indices=(2, 3)),
    head=dict(type="InterHandMarginalHead", in_channels=(32, 64), channels=16, decoder=CODEC),
    test_cfg=dict(flip_test=False),
)
DETNET = dict(type="SingleHandPose", width=4, data_preprocessor=dict(type="ImgDataPreprocessor", **IMAGENET))


def plugin(pose=BASE, **changes) -> dict:
    settings = dict(crop_scale=CROP_SCALE, segmentor_size=64, hand_size=256, enlarge=1.25, masks="gt")
    return dict(type="HDRPlugin", segmentor=SEGMENTOR, inpaintor=INPAINTOR, pose=pose, **{**settings, **changes})


def estimator(**changes):
    torch.manual_seed(0)
    return MODELS.build({**BASE, "hdr": plugin(**changes)}).eval()


def scene(right=True, left=True) -> tuple[np.ndarray, np.ndarray]:
    """(128, 128, 3) uint8 BGR and (4, 128, 128) masks: a right hand, and a left one in front of some of it."""
    hands = []
    for side, dx in (("right", 0), ("left", 8)):
        small = cv2.resize(hand_mask(side), (64, 64), interpolation=cv2.INTER_NEAREST)
        mask = np.zeros((LARGE, LARGE), np.uint8)
        mask[30:94, 32 + dx : 96 + dx] = small
        hands.append(mask)
    under, over = hands[0] * right, hands[1] * left
    masks = np.stack([under, under * (1 - over), over, over])
    image = np.full((LARGE, LARGE, 3), 30, np.uint8)
    image[masks[1] > 0], image[masks[3] > 0] = (90, 120, 200), (170, 190, 240)
    return image, masks


def batch(*scenes) -> dict:
    inputs, samples = [], []
    for image, masks in scenes:
        sample = PoseDataSample(
            metainfo={"warp": Warp.from_box(np.array([10.0, 20.0, 74.0, 84.0]), (LARGE, LARGE), (100, 100))}
        )
        sample.gt_instances = _boxes()
        sample.set_field(torch.from_numpy(masks), "masks", dtype=torch.Tensor)
        inputs.append(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))))
        samples.append(sample)
    return {"inputs": inputs, "data_samples": samples}


def _boxes():
    return InstanceData(bboxes=np.array([[10.0, 20.0, 74.0, 84.0]], np.float32))


def predict(model, *scenes):
    with torch.no_grad():
        return [s.pred_instances for s in model(**model.data_preprocessor(batch(*scenes), False), mode="predict")]


class Corners(torch.nn.Module):
    """A single-hand network that answers known places of its crop."""

    single_hand_size = SIZE

    def __init__(self):
        super().__init__()
        self.data_preprocessor = MODELS.build(dict(type="ImgDataPreprocessor", **IMAGENET))
        self.seen = None

    def single_hand(self, inputs):
        self.seen = inputs
        points = torch.zeros(len(inputs), 21, 3)
        points[:, 0], points[:, 1], points[:, 2] = (
            torch.tensor([32.0, 32.0, 5.0]),
            torch.tensor([16.0, 8.0, -7.0]),
            torch.tensor([0.0, 0.0, 0.0]),
        )
        return points, torch.full((len(inputs), 21), 0.5)


def test_normalization_goes_both_ways():
    image = torch.rand(2, 3, 4, 4) * 255
    preprocessor = ImgDataPreprocessor(**IMAGENET)
    assert torch.allclose(denormalize(normalize(image, preprocessor), preprocessor), image, atol=1e-3)
    assert torch.allclose(preprocessor({"inputs": list(image)})["inputs"], normalize(image, preprocessor))
    plain = ImgDataPreprocessor()
    assert torch.equal(denormalize(normalize(image, plain), plain), image)


def test_points_come_back_to_the_full_image():
    """The crop is the image times 2 from (10, 20): known corners of either hand's crop, within 1e-3 px."""
    model = estimator()
    model.plugin.pose = Corners()
    found = predict(model, scene())[0]
    assert found.replaced.tolist() == [[1, 1]]
    for side, masks in ((0, scene()[1][0]), (1, scene()[1][2])):
        rows, columns = np.nonzero(masks)
        middle = np.array([columns.min() + columns.max(), rows.min() + rows.max()]) / 2
        half = max(columns.max() - columns.min(), rows.max() - rows.min()) * 1.25 / 2
        sign = -1 if side else 1
        wanted = middle + half * np.array([[0, 0], [-0.5 * sign, -0.75], [-sign, -1]])
        wanted = wanted / CROP_SCALE + np.array([10.0, 20.0])
        own = slice(21 * side, 21 * side + 3)
        assert np.abs(found.keypoints[0, own, :2] - wanted).max() < 1e-3
        assert found.keypoints[0, own, 2].tolist() == [5, -7, 0]
        assert found.keypoint_scores[0, 21 * side] == 0.5
        in_base = (wanted - [10.0, 20.0]) * CROP_SCALE / CROP_SCALE
        assert np.allclose(found.bins[0, own, :2], in_base * 16 / SIZE, atol=1e-3)


def test_the_left_hand_is_seen_as_a_right_one():
    model = estimator(removal=False, deocclusion=False)
    model.plugin.pose = Corners()
    image, masks = scene()
    predict(model, (image, masks))
    right_way = model.plugin.pose.seen[1]
    mirrored = np.ascontiguousarray(image[:, ::-1])
    swapped = np.ascontiguousarray(masks[[2, 3, 0, 1], :, ::-1])
    predict(model, (mirrored, swapped))
    assert torch.allclose(model.plugin.pose.seen[0], right_way, atol=1e-3)


def test_without_the_plugin_the_base_answers_the_same_to_the_bit():
    model, image = estimator(), scene()[0]
    data = model.data_preprocessor(batch((image, scene()[1])), False)
    with torch.no_grad():
        through = model.predict_with(**data, replaced=None)[0].pred_instances
    torch.manual_seed(0)
    plain = MODELS.build(BASE).eval()
    assert set(plain.state_dict()) == set(model.state_dict())
    plain.load_state_dict(model.state_dict())
    small = PoseDataSample(
        metainfo={"warp": Warp.from_box(np.array([10.0, 20.0, 74.0, 84.0]), (SIZE, SIZE), (100, 100))}
    )
    small.gt_instances = _boxes()
    inputs = torch.from_numpy(np.ascontiguousarray(image[::2, ::2].transpose(2, 0, 1)))
    with torch.no_grad():
        data = plain.data_preprocessor({"inputs": [inputs], "data_samples": [small]}, False)
        alone = plain(**data, mode="predict")[0].pred_instances
    assert np.allclose(alone.keypoints, through.keypoints, atol=1e-4)
    assert "replaced" not in alone


def test_the_margin_grows_what_is_removed_but_never_over_the_hand():
    seen = torch.full((1, 3, 256, 256), 100.0)
    masks = torch.zeros(1, 4, 256, 256)
    masks[:, :2, 20:60, 20:60] = 1
    masks[:, 2:, 20:60, 60:100] = 1  # side by side
    changed = {}
    for margin, source in ((1, "pred"), (5, "pred"), (5, "gt")):
        hdr = MODELS.build(plugin(margin=margin))
        hdr.inpaintor.paint = lambda inputs, **holes: torch.zeros_like(inputs)
        clean = hdr.restore(seen, masks, torch.ones(1, dtype=torch.bool), HDROptions(masks=source))
        changed[margin, source] = (clean != seen).any(dim=1)[0]
    exact = masks[0, 2] > 0
    assert torch.equal(changed[1, "pred"], exact)
    assert torch.equal(changed[5, "gt"], exact)  # true masks end where the hand ends
    grown = changed[5, "pred"]
    assert grown[exact].all()
    assert not grown[20:60, 20:60].any()
    assert torch.equal(grown[40].nonzero()[:, 0], torch.arange(60, 102))  # two px on, but not over the hand
    assert torch.equal(grown[:, 80].nonzero()[:, 0], torch.arange(18, 62))


def test_what_the_plugin_leaves_alone():
    model = estimator()
    model.plugin.pose = Corners()
    data = model.data_preprocessor(batch(scene(), scene(left=False)), False)
    with torch.no_grad():
        base = [s.pred_instances.clone() for s in model.predict_with(**data, replaced=None)]
        both, single = (s.pred_instances for s in model(**data, mode="predict"))
    assert both.replaced.tolist() == [[1, 1]]
    assert single.replaced.tolist() == [[1, 0]]
    assert np.array_equal(single.keypoints[0, 21:], base[1].keypoints[0, 21:])
    assert not np.allclose(single.keypoints[0, :3], base[1].keypoints[0, :3])
    for found, before in zip((both, single), base, strict=True):
        assert np.array_equal(found.rel_root_depth, before.rel_root_depth)
        assert np.array_equal(found.hand_prob, before.hand_prob)


def test_one_call_of_each_network_a_batch(monkeypatch):
    model = estimator()
    calls = []
    paint, single_hand = model.plugin.inpaintor.paint, model.plugin.pose.single_hand
    monkeypatch.setattr(
        model.plugin.inpaintor, "paint", lambda x, **m: calls.append(("paint", len(x))) or paint(x, **m)
    )
    monkeypatch.setattr(model.plugin.pose, "single_hand", lambda x: calls.append(("pose", len(x))) or single_hand(x))
    together = predict(model, scene(), scene(left=False), scene(right=False), scene())
    assert calls == [("paint", 4), ("pose", 6)]  # a hand alone has nothing to be painted
    alone = predict(model, scene(right=False))[0]
    assert np.allclose(alone.keypoints, together[2].keypoints, atol=1e-2)


@pytest.mark.parametrize(("removal", "deocclusion"), [(False, False), (True, False), (False, True), (True, True)])
def test_switches_choose_what_is_painted(removal, deocclusion):
    model = estimator(removal=removal, deocclusion=deocclusion)
    image, masks = scene()
    images = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32))[None]
    found = model.plugin(images, batch((image, masks))["data_samples"])
    changed = (found.clean[0] - found.seen[0]).abs().amax(0) > 1e-2
    crop = model.plugin.cut(images, torch.from_numpy(masks)[None].float(), found.hands, found.affines)[1][0]
    amodal, visible, other = (crop[i] > 0 for i in range(3))
    hole, beside = amodal & ~visible, other & ~amodal
    assert hole.sum() > 20
    assert beside.sum() > 20
    assert bool(changed[hole].float().mean() > 0.9) == deocclusion
    assert bool(changed[beside].float().mean() > 0.9) == removal
    assert not changed[~(hole | beside)].any()


def test_options_of_one_pass_leave_the_plugin_as_it_is():
    model = estimator()
    data = model.data_preprocessor(batch(scene()), False)
    with torch.no_grad():
        without = model.replace_hands(**data, removal=False, deocclusion=False)
        full = model.replace_hands(**data)
    assert torch.equal(without.clean, without.seen)
    assert not torch.equal(full.clean, full.seen)
    with pytest.raises(DataContractError, match="wrong size"):
        model.replace_hands(data["inputs"][..., ::2, ::2])
    with pytest.raises(ConfigError, match="no plugin"):
        MODELS.build(BASE).replace_hands(data["inputs"])


@pytest.mark.parametrize("pose", [BASE, DETNET], ids=["marginal", "detnet"])
def test_both_pose_networks(pose):
    found = predict(estimator(pose=pose), scene())[0]
    assert np.isfinite(found.keypoints).all()
    assert found.replaced.tolist() == [[1, 1]]


def test_detnet_depth_is_relative_to_the_wrist():
    torch.manual_seed(1)
    net = MODELS.build(DETNET).eval()
    net.init_weights()
    with torch.no_grad():
        points, _ = net.single_hand(torch.rand(2, 3, 64, 64))
        sample = net(torch.rand(1, 3, 64, 64), mode="predict")[0].pred_instances
    assert (points[:, 20, 2] == 0).all()
    assert torch.allclose(sample.keypoints_mm, 84 * sample.keypoints_norm)


EMPTY, FULL = np.zeros((4, LARGE, LARGE), np.uint8), np.ones((4, LARGE, LARGE), np.uint8)


def _border():
    masks = EMPTY.copy()
    masks[:2, :40, :30] = 1
    masks[2:, -30:, -25:] = 1
    return masks


@pytest.mark.parametrize(
    ("image", "masks", "present"),
    [
        (scene()[0], EMPTY, [0, 0]),
        (np.zeros((LARGE, LARGE, 3), np.uint8), EMPTY, [0, 0]),
        (scene()[0], FULL, [1, 1]),
        (np.zeros((LARGE, LARGE, 3), np.uint8), FULL, [1, 1]),
        (scene()[0], _border(), [1, 1]),
    ],
    ids=["no hand", "black", "full masks", "black, full masks", "at the border"],
)
def test_odd_masks(image, masks, present):
    found = predict(estimator(), (image, masks))[0]
    assert found.replaced.tolist() == [present]
    assert np.isfinite(found.keypoints).all()


def test_predicted_masks_of_a_black_image_break_nothing():
    found = predict(estimator(masks="pred", segmentor_size=None), (np.zeros((LARGE, LARGE, 3), np.uint8), EMPTY))[0]
    assert np.isfinite(found.keypoints).all()


def test_gates():
    masks = torch.zeros(5, 4, 10, 10)
    scores = torch.zeros(5, 4, 10, 10)
    masks[0, :2, :2], scores[0, :2, :2] = 1, 0.9  # 20 % of the crop, sure
    masks[1, :2, 0, :1], scores[1, :2, 0, :1] = 1, 0.9  # 1 %: too small
    masks[2, :2, :2], scores[2, :2, :2] = 1, 0.55  # unsure
    masks[3, 0, :2], scores[3, 0, :2] = 1, 0.9  # not seen at all
    masks[4, 2:, :2], scores[4, 2:, :2] = 1, 0.9  # the left one
    found = hands_present(scores, masks, min_area=0.02, min_confidence=0.7, min_visible=0.01)
    assert found.tolist() == [[True, False], [False, False], [False, False], [False, False], [False, True]]
    assert not hands_present(scores * 0, masks * 0, 0.0, 0.0, 0.0).any()


def test_a_phantom_is_not_painted_out():
    """A few pixels of a hand that is not there change nothing of the one that is."""
    model = estimator()
    model.plugin.pose = Corners()
    image, masks = scene(left=False)
    ghost = masks.copy()
    ghost[2:, 60:66, 60:66] = 1  # 0.2 % of the crop, on the hand; its visible mask has a hole there
    ghost[1, 60:66, 60:66] = 0
    haunted, clear = (predict(model, (image, each)) and model.plugin.pose.seen.clone() for each in (ghost, masks))
    assert torch.equal(haunted, clear)


def test_a_segmentor_finds_its_masks_at_the_crops_size():
    """At half the size and back, the outline of a scripted segmentor stays within a pixel."""

    class Bright(torch.nn.Module):
        data_preprocessor = MODELS.build(dict(type="ImgDataPreprocessor"))

        def forward(self, inputs, mode):
            assert inputs.shape[-1] == 64
            bright = (inputs[:, :1] > 100).float().expand(-1, 4, -1, -1)
            return [BaseDataElement(pred_scores=each) for each in bright]

    model = estimator(masks="pred", segmentor_size=64)
    model.plugin.segmentor = Bright()
    image = np.zeros((LARGE, LARGE, 3), np.uint8)
    image[40:80, 30:90] = 200
    scores = model.plugin.segment(torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32))[None])
    found = scores[0, 0].numpy() > 0.5
    inner, outer = (cv2.dilate(v, np.ones((3, 3), np.uint8)) for v in (255 - image[..., 0], image[..., 0]))
    assert not found[outer == 0].any()
    assert found[inner < 100].all()


def test_a_specks_hand_keeps_its_box():
    model = estimator()
    image, masks = scene(left=False)
    specked = masks.copy()
    specked[:2, 1:3, 120:123] = 1
    model.plugin.pose = Corners()
    with_speck, without = predict(model, (image, specked), (image, masks))
    assert np.allclose(with_speck.keypoints[0, :3], without.keypoints[0, :3])


def test_wrong_settings_and_crops_say_so():
    with pytest.raises(ConfigError, match="margin"):
        MODELS.build(plugin(margin=4))
    with pytest.raises(ConfigError, match="pred or gt"):
        MODELS.build(plugin(masks="truth"))
    with pytest.raises(ConfigError, match="enlarge"):
        MODELS.build(plugin(enlarge=0.5))
    with pytest.raises(ConfigError, match="config does not exist"):
        MODELS.build({**plugin(), "pose": dict(config="configs/nothing.py")})
    with pytest.raises(ConfigError, match="config and checkpoint"):
        MODELS.build({**plugin(), "pose": dict(config="configs/nothing.py", width=3)})
    model = estimator()
    image, masks = scene()
    with pytest.raises(DataContractError, match="crop_scale=2"):
        predict(model, (image[::2, ::2], masks[:, ::2, ::2]))
    with pytest.raises(DataContractError, match="CropHandMasks"):
        model.plugin(torch.zeros(1, 3, LARGE, LARGE), batch((image, masks[:, :9, :9]))["data_samples"])


def test_parts_load_safely_or_not_at_all(tmp_path: Path):
    torch.manual_seed(5)
    networks = {
        "segmentor": MODELS.build(SEGMENTOR),
        "inpaintor": MODELS.build({**INPAINTOR, "discriminator": dict(type="PatchDiscriminator", in_channels=5)}),
        "pose": MODELS.build(BASE),
    }
    files = {}
    for name, network in networks.items():
        files[name] = tmp_path / f"{name}.pth"
        torch.save({"state_dict": network.state_dict(), "meta": {}}, files[name])
    config = plugin()
    for name in networks:
        config[name] = {**config[name], "checkpoint": str(files[name])}
    model = MODELS.build({**BASE, "hdr": config}).eval()
    with pytest.raises(ConfigError, match="have not been read"):
        predict(model, scene())
    load_plugin(model)
    assert torch.equal(model.plugin.pose.head.joints.queries, networks["pose"].head.joints.queries)
    wanted = networks["inpaintor"].generator.state_dict()
    assert all(
        torch.equal(value, wanted[name]) for name, value in model.plugin.inpaintor.generator.state_dict().items()
    )
    assert not any(p.requires_grad for p in model.plugin.parameters())
    assert predict(model, scene())[0].replaced.tolist() == [[1, 1]]
    config["pose"] = {**BASE, "checkpoint": str(files["segmentor"])}
    with pytest.raises(CheckpointError, match="segmentor"):
        load_plugin(MODELS.build({**BASE, "hdr": config}))
    config["pose"] = {**BASE, "checkpoint": str(tmp_path / "nothing.pth")}
    with pytest.raises(CheckpointError, match="does not exist"):
        load_plugin(MODELS.build({**BASE, "hdr": config}))


def test_training_does_not_touch_the_plugin():
    model = estimator()
    model.train()
    assert not model.plugin.segmentor.training
    assert isinstance(model.plugin, HDRPlugin)
    assert not any(name.startswith("hdr") or "segmentor" in name for name in model.state_dict())
