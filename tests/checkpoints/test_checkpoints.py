from __future__ import annotations

import pickle
import re
import shlex
from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope

from interhand_mm.apis.convert import convert
from interhand_mm.checkpoints.internet import from_mmpose, from_official, to_mmpose, to_official
from interhand_mm.checkpoints.io import check_fits, load_checked, read_checkpoint, write_checkpoint
from interhand_mm.engine.runner import build_model
from interhand_mm.errors import CheckpointError
from interhand_mm.registry import MODELS
from interhand_mm.structures.joints import HAND_JOINT_NAMES
from interhand_mm.utils.config import load_config
from tests.conftest import ROOT
from tests.fixtures.tiny_sets import RHD_NAMES, STB_NAMES

CONFIG = str(ROOT / "configs/internet.py")


def _norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    entries = {f"{name}.{key}": (channels,) for key in ("weight", "bias", "running_mean", "running_var")}
    return {**entries, f"{name}.num_batches_tracked": ()}


def official_shapes() -> dict[str, tuple[int, ...]]:
    """The 366 names and shapes of an official file, written from docs/spec/internet_checkpoints.md, section 1.1."""
    net = "backbone_net.resnet."
    shapes: dict[str, tuple[int, ...]] = {f"{net}conv1.weight": (64, 3, 7, 7), **_norm(f"{net}bn1", 64)}
    inplanes = 64
    for stage, (blocks, planes) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True), start=1):
        for block in range(blocks):
            name = f"{net}layer{stage}.{block}"
            for i, (cin, cout, k) in enumerate(
                ((inplanes, planes, 1), (planes, planes, 3), (planes, 4 * planes, 1)), start=1
            ):
                shapes[f"{name}.conv{i}.weight"] = (cout, cin, k, k)
                shapes |= _norm(f"{name}.bn{i}", cout)
            if block == 0:
                shapes[f"{name}.downsample.0.weight"] = (4 * planes, inplanes, 1, 1)
                shapes |= _norm(f"{name}.downsample.1", 4 * planes)
            inplanes = 4 * planes
    for branch in (1, 2):
        for index, channels in ((0, 2048), (3, 256), (6, 256)):
            shapes[f"pose_net.joint_deconv_{branch}.{index}.weight"] = (channels, 256, 4, 4)
            shapes |= _norm(f"pose_net.joint_deconv_{branch}.{index + 1}", 256)
        shapes[f"pose_net.joint_conv_{branch}.0.weight"] = (1344, 256, 1, 1)
        shapes[f"pose_net.joint_conv_{branch}.0.bias"] = (1344,)
    for name, out in (("root_fc", 64), ("hand_fc", 2)):
        shapes |= {f"pose_net.{name}.0.weight": (512, 2048), f"pose_net.{name}.0.bias": (512,)}
        shapes |= {f"pose_net.{name}.2.weight": (out, 512), f"pose_net.{name}.2.bias": (out,)}
    return shapes


@pytest.fixture(scope="module")
def official(tmp_path_factory) -> tuple[Path, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in official_shapes().items():
        counter = name.endswith("num_batches_tracked")
        state["module." + name] = torch.tensor(7) if counter else torch.rand(shape, generator=generator)
    path = tmp_path_factory.mktemp("official") / "snapshot_20.pth.tar"
    torch.save({"epoch": 20, "network": state}, path)
    return path, state


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    return build_model(load_config(CONFIG))


def test_the_spec_and_the_model_have_the_same_size(model):
    assert len(official_shapes()) == 366
    assert len(model.state_dict()) == 366
    assert sum(p.numel() for p in model.parameters()) == 47_305_474


def test_official_round_trip(official, model, tmp_path):
    path, state = official
    ours, back = tmp_path / "ours.pth", tmp_path / "back.pth.tar"
    assert convert(str(path), str(ours), "official", None, CONFIG) == 366
    checkpoint = read_checkpoint(ours)
    check_fits(checkpoint, model, ours)
    model.load_state_dict(checkpoint["state_dict"], strict=True)
    assert torch.equal(model.head.left_hand_head.final_layer.weight, state["module.pose_net.joint_conv_2.0.weight"])
    convert(str(ours), str(back), None, "official", CONFIG)
    returned = read_checkpoint(back)
    assert returned["epoch"] == 20
    assert set(returned["network"]) == set(state)
    assert all(torch.equal(returned["network"][name], state[name]) for name in state)


@pytest.mark.parametrize(("family", "names"), [("official-rhd", RHD_NAMES), ("official-stb", STB_NAMES)])
def test_official_models_of_other_sets_have_other_branches_and_joints(official, model, family, names):
    state = official[1]
    converted = from_official({"network": state}, model.state_dict(), family)
    ours = converted["state_dict"]
    assert converted["meta"]["source"] == family
    for side, branch in (("right", 2), ("left", 1)):  # theirs: left hand first
        layer = f"head.{side}_hand_head.final_layer"
        for part in ("weight", "bias"):
            theirs = state[f"module.pose_net.joint_conv_{branch}.0.{part}"]
            for joint, name in enumerate(HAND_JOINT_NAMES):
                block = 64 * names.index(name)
                assert torch.equal(ours[f"{layer}.{part}"][64 * joint : 64 * joint + 64], theirs[block : block + 64])
        deconv = state[f"module.pose_net.joint_deconv_{branch}.3.weight"]
        assert torch.equal(ours[f"head.{side}_hand_head.deconv_layers.3.weight"], deconv)
    for shared in ("root_head", "hand_type_head"):  # right, left in all of them
        plain = from_official({"network": state}, model.state_dict())["state_dict"]
        assert torch.equal(ours[f"head.{shared}.fc.2.weight"], plain[f"head.{shared}.fc.2.weight"])
    back = to_official(converted, family)["network"]
    assert all(torch.equal(back[name], state[name]) for name in state)


@pytest.mark.parametrize("prefix", ["head.", "keypoint_head."])
def test_mmpose_round_trip(official, model, tmp_path, prefix):
    ours = from_official({"network": official[1]}, model.state_dict())["state_dict"]
    source, read, back = tmp_path / "mmpose.pth", tmp_path / "read.pth", tmp_path / "back.pth"
    torch.save(
        {
            "state_dict": {n.replace("head.", prefix, 1) if n.startswith("head.") else n: t for n, t in ours.items()},
            "meta": {},
        },
        source,
    )
    convert(str(source), str(read), "mmpose", None, CONFIG)
    checkpoint = read_checkpoint(read)
    with pytest.raises(CheckpointError, match="normalization"):
        check_fits(checkpoint, model, read)  # trained with ImageNet's mean, the config says 0..1
    convert(str(read), str(back), None, "mmpose", CONFIG)
    returned = read_checkpoint(back)["state_dict"]
    assert all(torch.equal(returned[name], ours[name]) for name in ours)


MMPOSE = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}
OFFICIAL = {"mean": [0.0] * 3, "std": [255.0] * 3}


def test_no_conversion_hides_another_input_normalization(official, model):
    ours = from_official({"network": official[1]}, model.state_dict())
    other = {**ours, "meta": {"normalization": MMPOSE}}
    with pytest.raises(CheckpointError, match="than that of mmpose's config") as to_other:
        to_mmpose(ours)
    with pytest.raises(CheckpointError, match="than that of the official code") as to_own:
        to_official(other)
    assert (to_other.value.fix, to_own.value.fix) == ("--to official", "--to mmpose")
    with pytest.raises(CheckpointError, match="is a file of this project"):
        from_mmpose(ours, model.state_dict())
    assert to_official(ours)["network"].keys() == to_official({**ours, "meta": {}})["network"].keys()
    assert from_mmpose(to_mmpose(other), model.state_dict())["meta"]["normalization"] == MMPOSE


def test_one_fix_line_solves_another_normalization(official, model):
    checkpoint = from_official({"network": official[1]}, model.state_dict())
    checkpoint["meta"]["normalization"] = MMPOSE
    with pytest.raises(CheckpointError) as caught:
        check_fits(checkpoint, model, "a.pth")
    option, *changes = shlex.split(caught.value.fix)
    assert option == "--cfg-options"
    check_fits(checkpoint, build_model(load_config(CONFIG, changes)), "a.pth")


def test_a_model_without_normalization_is_checked_too(official, model):
    checkpoint = from_official({"network": official[1]}, model.state_dict())
    plain = build_model(load_config(CONFIG, ["model.data_preprocessor.mean=None", "model.data_preprocessor.std=None"]))
    with pytest.raises(CheckpointError, match="another input normalization"):
        check_fits(checkpoint, plain, "a.pth")


def test_missing_batch_counters_are_tolerated(official, model):
    old = {n: t for n, t in official[1].items() if not n.endswith("num_batches_tracked")}
    converted = from_official({"network": old}, model.state_dict())
    assert len(converted["state_dict"]) == 366


def test_wrong_shapes_and_names_are_refused(official, model, tmp_path):
    path, state = official
    wrong = dict(state)
    wrong["module.pose_net.joint_conv_1.0.weight"] = torch.rand(1345, 256, 1, 1)
    with pytest.raises(CheckpointError, match="1 of another shape"):
        from_official({"network": wrong}, model.state_dict())
    with pytest.raises(CheckpointError, match="not a parameter of InterNet: rpn"):
        from_official({"network": {**state, "module.rpn.weight": torch.zeros(1)}}, model.state_dict())
    with pytest.raises(CheckpointError, match="mmpose SRC DST"):
        from_official({"state_dict": {}}, model.state_dict())
    with pytest.raises(CheckpointError, match=r"convert_checkpoint\.py official"):
        check_fits(read_checkpoint(path), model, path)
    target = tmp_path / "never.pth"
    with pytest.raises(CheckpointError):
        convert(str(path), str(target), "mmpose", None, CONFIG)
    assert not target.exists()


def test_a_detector_is_another_family(model, tmp_path):
    path = tmp_path / "detector.pth"
    torch.save({"state_dict": {"bbox_head.weight": torch.zeros(3)}}, path)
    with pytest.raises(
        CheckpointError, match="does not belong to this model: 307 parameters missing, 1 unexpected"
    ) as e:
        check_fits(read_checkpoint(path), model, path)
    assert "bbox_head.weight" in str(e.value)


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path(self.target),)  # type: ignore[attr-defined]


@pytest.mark.parametrize("plain_pickle", [True, False])
def test_a_pickle_bomb_is_refused_and_does_not_go_off(tmp_path, plain_pickle):
    bomb, victim = Bomb(), tmp_path / "went_off"
    bomb.target = str(victim)
    path = tmp_path / "bomb.pth"
    if plain_pickle:
        path.write_bytes(pickle.dumps({"state_dict": bomb}))
    else:
        torch.save({"state_dict": bomb}, path)
    with pytest.raises(CheckpointError, match="refused"):
        read_checkpoint(path)
    assert not victim.exists()


def test_cut_short_and_missing(official, tmp_path):
    cut = tmp_path / "cut.pth"
    cut.write_bytes(official[0].read_bytes()[:100_000])
    with pytest.raises(CheckpointError, match="cut short"):
        read_checkpoint(cut)
    with pytest.raises(CheckpointError, match="does not exist"):
        read_checkpoint(tmp_path / "none.pth")
    (tmp_path / "empty.pth").touch()
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "empty.pth")


def test_saving_leaves_nothing_behind_on_failure(tmp_path):
    with pytest.raises(Exception):  # noqa: B017, PT011  (whatever pickling a lambda raises)
        write_checkpoint(str(tmp_path / "x.pth"), {"f": lambda: 0})
    assert not list(tmp_path.glob("x.pth*"))


@pytest.fixture
def marginal_head() -> torch.nn.Module:
    init_default_scope("interhand_mm")
    codec = dict(type="InterHand3DCodec", input_size=(64, 64), heatmap_size=(16, 16, 16))
    return MODELS.build(dict(type="InterHandMarginalHead", in_channels=(8, 16), channels=16, decoder=codec))


def test_files_of_an_earlier_version_name_their_converter(marginal_head, tmp_path):
    state = marginal_head.state_dict()
    first_names = {"cross_attn": "look", "self_attn": "talk", "ffn": "think"}
    old = {re.sub("cross_attn|self_attn|ffn", lambda found: first_names[found[0]], n): t for n, t in state.items()}
    assert set(old) != set(state)
    source, upgraded = tmp_path / "old.pth", tmp_path / "new.pth"
    torch.save({"state_dict": old, "meta": {"epoch": 3, "normalisation": {"mean": [0.0], "std": [1.0]}}}, source)
    with pytest.raises(CheckpointError, match=r"convert_checkpoint\.py interhand-0\.1") as error:
        load_checked(marginal_head, source)
    assert "earlier version" in str(error.value)
    assert convert(source, upgraded, "interhand-0.1", None, CONFIG) == len(state)
    checkpoint = load_checked(marginal_head, upgraded)
    assert checkpoint["meta"] == {"epoch": 3, "normalization": {"mean": [0.0], "std": [1.0]}}
    assert all(torch.equal(checkpoint["state_dict"][name], tensor) for name, tensor in state.items())
    with pytest.raises(CheckpointError, match="no names of an earlier version"):
        convert(upgraded, tmp_path / "again.pth", "interhand-0.1", None, CONFIG)


def test_the_normalization_of_earlier_files_is_checked(official, model):
    checkpoint = from_official({"network": official[1]}, model.state_dict())
    checkpoint["meta"] = {"normalisation": {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}}
    with pytest.raises(CheckpointError, match="normalization"):
        check_fits(checkpoint, model, "old.pth")
