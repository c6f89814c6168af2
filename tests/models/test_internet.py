from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from interhand_mm.codecs import InterHand3DCodec
from interhand_mm.codecs.heatmap import gaussian_volume, mirror_inputs
from interhand_mm.models.heads.internet_head import _planar
from interhand_mm.registry import MODELS
from interhand_mm.structures.camera import apply_affine
from interhand_mm.structures.joints import FLIP_INDICES
from interhand_mm.structures.warp import Warp

CODEC = InterHand3DCodec()
HEAD = dict(type="InterNetHead", in_channels=16, decoder=dict(type="InterHand3DCodec"), deconv_channels=8)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope("interhand_mm")


def small_model(**changes):
    torch.manual_seed(0)
    config = dict(
        type="InterHandEstimator",
        data_preprocessor=dict(type="mmpose.PoseDataPreprocessor", mean=[0.0] * 3, std=[255.0] * 3, bgr_to_rgb=True),
        backbone=dict(type="mmpose.ResNet", depth=18),
        head=HEAD | dict(in_channels=512),
    )
    return MODELS.build(config | changes)


def batch(size: int = 2):
    rng = np.random.default_rng(0)
    samples = []
    for _ in range(size):
        sample = PoseDataSample(
            metainfo=dict(
                warp=Warp.from_box(np.array([50.0, 60, 178, 188]), (256, 256), (300, 300), scale=1.1, rotation_deg=20)
            )
        )
        sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4), np.float32))
        sample.gt_instance_labels = InstanceData(
            bins=torch.from_numpy(rng.uniform(5, 58, (1, 42, 3)).astype(np.float32)),
            bin_weights=torch.ones(1, 42),
            root_bin=torch.tensor([40.0]),
            root_weight=torch.ones(1),
            hand_type=torch.ones(1, 2),
            hand_type_valid=torch.ones(1),
        )
        samples.append(sample)
    inputs = [torch.randint(0, 256, (3, 256, 256), dtype=torch.uint8) for _ in range(size)]
    return {"inputs": inputs, "data_samples": samples}


@pytest.mark.parametrize("channels_last", [False, True])
def test_loss_and_predict(channels_last):
    model = small_model(channels_last=channels_last)
    data = model.data_preprocessor(batch(), training=True)
    losses = model(**data, mode="loss")
    assert set(losses) == {"loss_keypoint", "loss_root_depth", "loss_handedness"}
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)
    model.eval()
    with torch.no_grad():
        (first, _) = model(**data, mode="predict")
    predicted = first.pred_instances
    assert predicted.keypoints.shape == (1, 42, 3)
    assert predicted.bins.shape == (1, 42, 3)
    assert predicted.hand_prob.shape == (1, 2)
    assert 0 <= predicted.hand_prob.min() <= predicted.hand_prob.max() <= 1


def test_prediction_comes_back_to_the_full_image():
    model = small_model().eval()
    data = model.data_preprocessor(batch(1), training=False)
    with torch.no_grad():
        (sample,) = model(**data, mode="predict")
    predicted = sample.pred_instances
    crop = apply_affine(predicted.keypoints[0, :, :2].astype(np.float64), sample.metainfo["warp"].full_to_crop)
    assert np.abs(crop - predicted.bins[0, :, :2] * 4).max() < 1e-3
    assert np.allclose(predicted.keypoints[0, :, 2], predicted.bins[0, :, 2] * 6.25 - 200)


def test_channels_last_changes_nothing():
    outputs = []
    for channels_last in (False, True):
        model = small_model(channels_last=channels_last).eval()
        data = model.data_preprocessor(batch(), training=False)
        with torch.no_grad():
            outputs.append(
                model.head(
                    model.extract_feat(torch.rand(data["inputs"].shape, generator=torch.Generator().manual_seed(1)))
                )
            )
    (plain_volumes, *plain), (last_volumes, *last) = outputs
    for one, other in zip((*plain_volumes, *plain), (*last_volumes, *last), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert all(volume.is_contiguous() for volume in last_volumes)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_volumes_of_channels_last_features_by_the_product(dtype):
    # In 16 bits a product takes the place of the 1x1 convolution; value and gradients against the plain one.
    head = MODELS.build(HEAD).right_hand_head
    torch.nn.init.normal_(head.final_layer.weight)
    torch.nn.init.normal_(head.final_layer.bias)
    feature = torch.randn(2, head.final_layer.in_channels, 6, 5, generator=torch.Generator().manual_seed(1))
    found = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        head.zero_grad()
        own = feature.to(dtype, copy=True).contiguous(memory_format=memory_format).detach().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            out = _planar(head.final_layer, own)
        assert out.is_contiguous()
        (out.float() * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum().backward()
        layer = head.final_layer
        found.append([each.detach().float() for each in (out, own.grad, layer.weight.grad, layer.bias.grad)])
    for plain, product in zip(*found, strict=True):
        scale = float(plain.abs().max())
        assert torch.allclose(plain, product, atol=scale * (1e-5 if dtype == torch.float32 else 0.02))


def test_autocast_gives_finite_losses():
    model = small_model()
    data = model.data_preprocessor(batch(), training=True)
    with torch.autocast("cpu", torch.bfloat16):
        losses = model(**data, mode="loss")
    total = sum(losses.values())
    total.backward()
    assert torch.isfinite(total)


@pytest.mark.parametrize("depth_valid", [None, torch.tensor([1.0, 0.0])])
def test_two_volumes_lose_what_one_of_all_joints_does(depth_valid):
    head = MODELS.build(HEAD)
    generator = torch.Generator().manual_seed(0)
    whole = torch.randn(2, 42, 8, 8, 8, generator=generator)
    bins, weights = 8 * torch.rand(2, 42, 3, generator=generator), torch.rand(2, 42, generator=generator)
    weights[:, 30:] = 0
    grads, values = [], []
    for outputs in ((whole.clone().requires_grad_(),), [part.clone().requires_grad_() for part in whole.chunk(2, 1)]):
        if len(outputs) == 1:
            loss = head.loss_keypoint(outputs[0], bins, weights, head.codec.sigma, depth_valid)
        else:
            loss = head.keypoint_losses(outputs, bins, weights, depth_valid)["loss_keypoint"]
        loss.backward()
        values.append(loss.item())
        grads.append(torch.cat([each.grad for each in outputs], dim=1))
    assert values[1] == pytest.approx(values[0], rel=1e-5)
    assert torch.allclose(grads[1], grads[0], rtol=1e-4, atol=1e-7)


class PerfectHead:
    """Outputs that a perfect network gives for a sample and for its mirror image."""

    bins = torch.tensor(np.random.default_rng(3).integers(4, 60, (1, 42, 3)), dtype=torch.float32)
    root_mm, logits = 60.0, torch.tensor([[4.0, -3.0]])

    def __call__(self, mirrored: bool):
        bins, root, logits = self.bins, self.root_mm, self.logits
        if mirrored:
            bins = bins[:, FLIP_INDICES].clone()
            bins[..., 0] = 63 - bins[..., 0]
            root, logits = -root, logits.flip(-1)
        volumes = gaussian_volume(bins, (64, 64, 64), 2.5).chunk(2, dim=1)
        return volumes, torch.tensor([CODEC.root_to_bin(root)]), logits


def test_mirror_test_of_a_perfect_head_changes_nothing():
    head = MODELS.build(HEAD)
    perfect = PerfectHead()
    head.forward = perfect
    plain = head.predict(False, [None])[0]
    both = head.predict((False, True), [None], test_cfg=dict(flip_test=True))[0]
    assert both.rel_root_depth[0] == pytest.approx(60.0, abs=1e-3)
    assert (both.bins == plain.bins).all()
    assert np.allclose(both.keypoints, plain.keypoints)
    assert np.allclose(both.hand_prob, plain.hand_prob)
    assert both.hand_prob[0].round().tolist() == [1, 0]


def test_mirror_test_is_equivariant():
    # Whatever the weights: mirroring the image mirrors the merged prediction.
    model = small_model(test_cfg=dict(flip_test=True)).eval()
    images = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(2))
    mirrored = mirror_inputs(images, 4)
    with torch.no_grad():
        first = model.head.merge_outputs(
            model.head(model.extract_feat(images)), model.head(model.extract_feat(mirrored))
        )
        second = model.head.merge_outputs(
            model.head(model.extract_feat(mirrored)), model.head(model.extract_feat(images))
        )
    (right, left), (mirrored_right, mirrored_left) = first[0], second[0]
    assert torch.allclose(mirrored_right, left.flip(-1), atol=1e-6)
    assert torch.allclose(mirrored_left, right.flip(-1), atol=1e-6)
    assert torch.allclose(second[1], 64 - first[1])
    assert torch.allclose(second[2], first[2].flip(-1))


def test_refinement_recovers_fractions():
    head = MODELS.build(HEAD | dict(refine=True))
    bins = torch.tensor([[[20.3, 30.7, 12.4]] * 42])
    refined, scores = head.decode_keypoints(gaussian_volume(bins, (64, 64, 64), 2.5).chunk(2, dim=1))
    assert 0.9 < float(scores.min()) <= float(scores.max()) <= 1  # a perfect heatmap's, whatever the target's height
    assert (refined - bins).abs().max() < 1e-3


def test_backbone_starts_from_a_local_imagenet_file(tmp_path):
    # torchvision's layout: the backbone's names without a prefix, and a classifier that is not wanted.
    source = small_model()
    state = {name: torch.rand_like(value.float()) for name, value in source.backbone.state_dict().items()}
    state["fc.weight"] = torch.zeros(1000, 512)
    path = tmp_path / "resnet18.pth"
    torch.save(state, path)
    model = small_model(
        backbone=dict(type="mmpose.ResNet", depth=18, init_cfg=dict(type="Pretrained", checkpoint=str(path)))
    )
    model.init_weights()
    loaded = model.backbone.state_dict()
    assert torch.equal(loaded["conv1.weight"], state["conv1.weight"])
    assert torch.equal(loaded["layer4.1.conv2.weight"], state["layer4.1.conv2.weight"])
