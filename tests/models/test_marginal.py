from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from interhand_mm.codecs.heatmap import mirror_inputs, soft_argmax
from interhand_mm.models.heads.marginal_head import Pointer, cell_entropy, sine_positions, soft_targets
from interhand_mm.registry import MODELS
from interhand_mm.structures.joints import FLIP_INDICES, HANDS
from interhand_mm.structures.warp import Warp
from interhand_mm.utils.config import load_config
from tests.conftest import ROOT

CODEC = dict(type="InterHand3DCodec", input_size=(64, 64), heatmap_size=(32, 32, 16), sigma=1.5)
HEAD = dict(
    type="InterHandMarginalHead",
    in_channels=(32, 64),
    channels=32,
    loss_root_depth=dict(type="RootDepthLoss", loss_weight=0.1),  # as in the configs: the loss is in bins
    decoder=CODEC,
)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope("interhand_mm")


def small_model(**changes):
    torch.manual_seed(0)
    config = dict(
        type="InterHandEstimator",
        data_preprocessor=dict(type="mmpose.PoseDataPreprocessor", mean=[0.0] * 3, std=[255.0] * 3, bgr_to_rgb=True),
        backbone=dict(type="mmpose.ResNet", depth=18, stem_channels=8, base_channels=8, out_indices=(2, 3)),
        head=HEAD,
    )
    return MODELS.build(config | changes)


def batch(size: int = 3):
    rng = np.random.default_rng(0)
    samples = []
    for i in range(size):
        sample = PoseDataSample(
            metainfo=dict(
                warp=Warp.from_box(np.array([50.0, 60, 178, 188]), (64, 64), (300, 300), scale=1.1, rotation_deg=20)
            )
        )
        sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4), np.float32))
        sample.gt_instance_labels = InstanceData(
            bins=torch.from_numpy(rng.uniform(2, [30, 30, 14], (1, 42, 3)).astype(np.float32)),
            bin_weights=torch.ones(1, 42),
            root_bin=torch.tensor([20.0 + 20 * i]),
            root_weight=torch.ones(1),
            hand_type=torch.tensor([[1.0, i % 2]]),
            hand_type_valid=torch.ones(1),
        )
        samples.append(sample)
    return {
        "inputs": [torch.from_numpy(rng.integers(0, 256, (3, 64, 64), dtype=np.uint8)) for _ in range(size)],
        "data_samples": samples,
    }


def logits_of(bins: torch.Tensor, sigma: float = 1.5):
    """Marginals whose softmax is a Gaussian about `bins` (1, 42, 3), and cells that know nothing."""
    axes = (axis.clamp_min(1e-30).log() for axis in soft_targets(bins, (32, 32, 16), sigma))
    return (*axes, torch.zeros(1, 42, 4, 4))


def random_outputs():
    shapes = ((32,), (32,), (16,), (4, 4))
    return tuple(torch.randn(2, 42, *shape, requires_grad=True) for shape in shapes)


def test_shapes_of_outputs_and_predictions():
    model = small_model()
    data = model.data_preprocessor(batch(), training=True)
    keypoints, root, logits = model.head(model.extract_feat(data["inputs"]))
    assert [tuple(part.shape) for part in keypoints] == [(3, 42, 32), (3, 42, 32), (3, 42, 16), (3, 42, 4, 4)]
    assert root.shape == (3,)
    assert logits.shape == (3, 2)
    model.eval()
    with torch.no_grad():
        predicted = model(**model.data_preprocessor(batch(), training=False), mode="predict")[0].pred_instances
    assert predicted.keypoints.shape == (1, 42, 3)
    assert predicted.bins.shape == (1, 42, 3)
    assert predicted.hand_prob.shape == (1, 2)
    assert 0 < predicted.keypoint_scores.min() <= predicted.keypoint_scores.max() <= 1


def test_overfitting_one_batch_lowers_every_loss():
    model = small_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    data = model.data_preprocessor(batch(), training=True)
    losses = []
    for _ in range(60):
        parts = model(**data, mode="loss")
        optimizer.zero_grad()
        sum(parts.values()).backward()
        optimizer.step()
        losses.append({name: float(value.detach()) for name, value in parts.items()})
    assert set(losses[0]) == {
        "loss_keypoint", "loss_expectation", "loss_cell", "loss_root_depth", "loss_handedness"
    }  # fmt: skip
    for name in losses[0]:
        assert losses[-1][name] < 0.85 * losses[0][name], name


def test_masked_joints_get_no_gradient():
    head = MODELS.build(HEAD)
    bins = torch.rand(2, 42, 3) * 14
    bins[:, 21:] = 1e4  # what an absent hand may hold
    weights = torch.cat([torch.ones(2, 21), torch.zeros(2, 21)], dim=1)
    outputs = random_outputs()
    losses = head.keypoint_losses(outputs, bins, weights)
    sum(losses.values()).backward()
    for part in outputs:
        assert part.grad.isfinite().all()
        assert (part.grad[:, :21].abs().flatten(2).sum(-1) > 0).all()
        assert (part.grad[:, 21:] == 0).all()
    # The absent hand does not thin out what the present one says.
    half = head.keypoint_losses(tuple(part[:, :21] for part in outputs), bins[:, :21], weights[:, :21])
    assert all(torch.allclose(half[name], losses[name]) for name in losses)


def test_a_batch_without_joints_has_loss_zero():
    head = MODELS.build(HEAD)
    outputs = random_outputs()
    losses = head.keypoint_losses(outputs, torch.zeros(2, 42, 3), torch.zeros(2, 42))
    assert all(float(value.detach()) == 0 for value in losses.values())


def test_the_loss_of_the_target_itself_is_its_entropy():
    head = MODELS.build(HEAD)
    bins = torch.full((1, 42, 3), 8.0)
    losses = head.keypoint_losses(logits_of(bins), bins, torch.ones(1, 42))
    entropy = np.log(1.5 * np.sqrt(2 * np.pi * np.e))  # of a Gaussian of this width
    assert float(losses["loss_keypoint"]) == pytest.approx(entropy, abs=1e-3)
    assert float(losses["loss_expectation"]) == pytest.approx(0, abs=1e-4)


def test_the_cells_loss_against_a_plain_one():
    cells = torch.randn(1, 1, 3, 4, generator=torch.Generator().manual_seed(1))
    entropy = cell_entropy(cells, torch.tensor([[[9.5, 20.0, 0.0]]]), (32, 24))
    # Eight bins a cell: bin 9.5 is cell (9.5 + 0.5) / 8 - 0.5 = 0.75, bin 20 is cell 2.0625.
    y, x = np.mgrid[:3, :4]
    target = np.exp(-((x - 0.75) ** 2 + (y - 2.0625) ** 2) / (2 * 0.7**2))
    log_p = cells[0, 0].double() - cells.double().logsumexp(dim=(-2, -1))[0, 0]
    assert float(entropy) == pytest.approx(-float((target / target.sum() * log_p.numpy()).sum()), abs=1e-5)


def test_decoding_a_known_distribution():
    head = MODELS.build(HEAD)
    bins = torch.tensor([[[10.3, 20.6, 7.25]] * 42])
    decoded, scores = head.decode_keypoints(logits_of(bins))
    assert torch.allclose(decoded, bins, atol=1e-3)
    peaks = [axis.max() for axis in soft_targets(bins[0, 0], (32, 32, 16), 1.5)]
    assert scores[0, 0] == pytest.approx(float(np.prod(peaks) ** (1 / 3)), rel=1e-5)
    # Three quarters at bin 4, one quarter at bin 8: the mean is 5, not the peak.
    two = torch.full((1, 42, 32), -1e4)
    two[..., 4], two[..., 8] = np.log(3.0), 0.0
    decoded, _ = head.decode_keypoints((two, two, two[..., :16], torch.zeros(1, 42, 4, 4)))
    assert torch.allclose(decoded, torch.tensor(5.0), atol=1e-4)


def test_mirror_test_of_perfect_marginals_changes_nothing():
    head = MODELS.build(HEAD)
    bins = torch.rand(1, 42, 3, generator=torch.Generator().manual_seed(3)) * torch.tensor([21.0, 21, 5]) + 5
    mirrored = bins[:, FLIP_INDICES].clone()
    mirrored[..., 0] = 31 - mirrored[..., 0]
    merged = head.merge_mirrored(logits_of(bins), logits_of(mirrored))
    assert torch.allclose(head.decode_keypoints(merged)[0], bins, atol=1e-3)


def test_mirror_test_is_equivariant():
    # Whatever the weights: mirroring the image mirrors the merged prediction.
    model = small_model().eval()
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        plain, mirrored = (model.head(model.extract_feat(x)) for x in (images, mirror_inputs(images, 2)))
        first, second = model.head.merge_outputs(plain, mirrored), model.head.merge_outputs(mirrored, plain)
    a, b = (model.head.decode_keypoints(merged[0])[0] for merged in (first, second))
    back = b[:, FLIP_INDICES].clone()
    back[..., 0] = 31 - back[..., 0]
    assert torch.allclose(a, back, atol=1e-4)
    assert torch.allclose(second[1], 64 - first[1])
    assert torch.allclose(second[2], first[2].flip(-1))


def test_bfloat16_autocast_is_close_and_finite():
    # 16 channels: with 8, bfloat16 channels-last training corrupted memory on two threads (torch 2.13, one run).
    backbone = dict(type="mmpose.ResNet", depth=18, stem_channels=16, base_channels=16, out_indices=(2, 3))
    model = small_model(channels_last=True, backbone=backbone, head=HEAD | dict(in_channels=(64, 128)))
    data = model.data_preprocessor(batch(), training=True)
    plain = model(**data, mode="loss")
    with torch.autocast("cpu", torch.bfloat16):
        losses = model(**data, mode="loss")
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)
    for name, value in losses.items():
        assert float(value.detach()) == pytest.approx(float(plain[name].detach()), rel=0.05), name


def test_positions_tell_all_cells_apart_at_any_size():
    for height, width in ((8, 8), (16, 12)):
        positions = sine_positions(height, width, 32, torch.device("cpu"))
        assert positions.shape == (height * width, 32)
        distance = torch.cdist(positions, positions) + 10 * torch.eye(height * width)
        assert distance.min() > 0.1


@pytest.mark.parametrize(
    "name", ["internet_simcc", "quickstart/marginal", "quickstart/marginal_bgaug", "quickstart/heatmap_3d"]
)
def test_configs_build_and_step(name):
    changes = [] if name.startswith("quickstart") else ["model.backbone.depth=18", "model.head.in_channels=(256,512)"]
    cfg = load_config(ROOT / f"configs/{name}.py", changes)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    codec = model.head.codec
    data = batch(2)
    width, height = codec.input_size
    data["inputs"] = [torch.randint(0, 256, (3, height, width), dtype=torch.uint8) for _ in range(2)]
    losses = model(**model.data_preprocessor(data, training=True), mode="loss")
    sum(losses.values()).backward()
    assert all(value.isfinite() for value in losses.values())
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_the_pointer_points_where_the_cell_is():
    # A map that answers one cell only, and queries that ask for it: the marginals' means are its middle.
    pointer = Pointer(8)
    torch.nn.init.eye_(pointer.query.weight)
    torch.nn.init.zeros_(pointer.query.bias)
    with torch.no_grad():
        pointer.key.weight.copy_(torch.eye(8)[..., None, None])
        pointer.key.bias.zero_()
        feature = torch.zeros(1, 8, 4, 8)
        feature[0, 0, 1, 5] = 1000.0
        tokens = torch.zeros(1, 42, 8)
        tokens[..., 0] = 10.0
        x, y, _ = pointer(tokens, feature, 32, 16)
    assert x.shape == (1, 42, 32)
    assert y.shape == (1, 42, 16)
    assert torch.allclose(soft_argmax(x), torch.tensor(5.5 * 4 - 0.5), atol=0.1)
    assert torch.allclose(soft_argmax(y), torch.tensor(1.5 * 4 - 0.5), atol=0.1)


def test_handedness_and_root_depth_see_the_joints():
    """The tokens of a hand's joints decide with the image which hand it is, and how far apart two wrists are."""
    model = small_model()
    _, root, hand_type = model.head(model.backbone(torch.rand(2, 3, 64, 64)))
    for output in (root, hand_type):
        (gradient,) = torch.autograd.grad(output.sum(), model.head.joints.queries, retain_graph=True)
        assert all(gradient[hand].abs().sum() > 0 for hand in HANDS)
