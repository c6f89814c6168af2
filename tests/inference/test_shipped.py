"""Models that the package carries: packing, reading, damaged files, and inference without any config or checkpoint."""

from __future__ import annotations

import argparse
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.runner import CheckpointLoader

from interhand_mm import HandDetector, InferenceOptions, InterHandInferencer
from interhand_mm.apis import ship
from interhand_mm.apis.ship import ModelCard, inference_config, models_table, read_card, ship_model
from interhand_mm.checkpoints import shipped, tensor_file
from interhand_mm.checkpoints.io import read_checkpoint, sha256
from interhand_mm.checkpoints.shipped import (
    WEIGHTS_MANIFEST,
    DataSource,
    choose_model,
    decode_literals,
    encode_literals,
    open_shipped,
    read_manifest,
)
from interhand_mm.checkpoints.tensor_file import is_tensor_file, pack_tensors
from interhand_mm.cli import arguments as cli
from interhand_mm.cli.demo import build_inferencer
from interhand_mm.errors import CheckpointError, ConfigError
from interhand_mm.utils.config import load_config
from tests.conftest import ROOT
from tests.inference.conftest import FakeDetector
from tests.inference.test_detector import TINY, save_random

CARRIED = sorted(read_manifest().models)
CARD = ModelCard(version="7", sources=[DataSource("renders", "Apache-2.0", labels="exact")], figures={"test": 1.5})


@pytest.fixture(scope="module")
def packed(tmp_path_factory, tiny_pose) -> Path:
    """Return a folder with a tiny pose network and a tiny detector, which are not trained."""
    base = tmp_path_factory.mktemp("packed")
    config, checkpoint = tiny_pose
    content = torch.load(checkpoint, weights_only=True)
    content["meta"] = {"handedness_temperature": 1.7, "epoch": 3, "seed": "text that is not kept"}
    torch.save(content, base / "pose.pth")
    ship_model(config, base / "pose.pth", "pose", CARD, base / "weights")
    ship_model(TINY, save_random(base / "detector.pth"), "detector", folder=base / "weights")
    return base


@pytest.fixture
def folder(packed, tmp_path, monkeypatch) -> Path:
    """Let the package carry a copy of these networks."""
    copy = tmp_path / "weights"
    shutil.copytree(packed / "weights", copy)
    monkeypatch.setattr(shipped, "SHIPPED_WEIGHTS", copy)
    return copy


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Path:
    """Let the package carry no networks."""
    (tmp_path / WEIGHTS_MANIFEST).write_text('{"format": "interhand_mm.weights", "format_version": 1, "models": {}}')
    monkeypatch.setattr(shipped, "SHIPPED_WEIGHTS", tmp_path)
    return tmp_path


def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)


def edit_manifest(folder: Path, **changes) -> None:
    content = json.loads((folder / WEIGHTS_MANIFEST).read_text())
    content["models"]["pose"].update(changes)
    (folder / WEIGHTS_MANIFEST).write_text(json.dumps(content))


def test_shipped_networks_predict_what_their_checkpoints_predict(folder, packed, tiny_pose):
    options = InferenceOptions(score_thr=0.0)
    named = HandDetector(TINY, packed / "detector.pth", options)
    [want], [got] = named([image()]), HandDetector(options=options)([image()])
    best = slice(10)  # the order of scores that are almost equal may change
    assert len(want.boxes) > 10
    np.testing.assert_allclose(got.boxes[best], want.boxes[best], atol=0.05)
    np.testing.assert_allclose(got.scores[best], want.scores[best], atol=1e-3)
    box = InferenceOptions(bbox=[10, 10, 90, 90])
    [want] = InterHandInferencer(tiny_pose[0], packed / "pose.pth", options=box).infer(image())
    [got] = InterHandInferencer(options=box).infer(image())
    assert len(got.hands) == len(want.hands) == 1
    np.testing.assert_allclose(got.hands[0].keypoints, want.hands[0].keypoints, atol=0.05)


def test_without_arguments_both_networks_are_used(folder):
    inferencer = InterHandInferencer()
    assert isinstance(inferencer.detector, HandDetector)
    assert inferencer.pose.network.temperature == 1.7
    found = FakeDetector()
    assert InterHandInferencer(detector=found).detector is found
    assert InterHandInferencer(options=InferenceOptions(bbox=[0, 0, 50, 50])).detector is None
    config, checkpoint, _ = open_shipped("pose")
    assert InterHandInferencer(config, checkpoint).detector is None  # the whole image is the crop


def test_an_incomplete_choice_is_refused(folder, tiny_pose):
    for given in ((tiny_pose[0], None), (None, tiny_pose[1])):
        with pytest.raises(ConfigError, match="needs a config and a checkpoint"):
            InterHandInferencer(*given)
        with pytest.raises(ConfigError, match="needs a config and a checkpoint"):
            HandDetector(*given)
    with pytest.raises(ConfigError, match=r"tools/export_onnx\.py --out"):
        InterHandInferencer(options=InferenceOptions(backend="onnxruntime", bbox=[0, 0, 50, 50]))
    config, weights = choose_model("pose", None, "hands.onnx", exported=True)
    assert (config.model.type, weights) == ("InterHandEstimator", "hands.onnx")


def test_a_package_without_weights_says_how_to_get_some(empty):
    with pytest.raises(CheckpointError, match=r"no weights of a pose network\n  fix:  train one"):
        InterHandInferencer()
    with pytest.raises(CheckpointError, match=r"no weights of a hand detector\n  fix:  train one"):
        HandDetector()


def test_large_tensors_need_half_the_space_and_small_ones_stay_exact(folder, packed):
    trained, small = (
        read_checkpoint(packed / "pose.pth")["state_dict"],
        read_checkpoint(open_shipped("pose").checkpoint),
    )
    assert small["meta"]["epoch"] == 3
    assert "seed" not in small["meta"]
    for name, tensor in small["state_dict"].items():
        assert tensor.dtype == torch.float32
        rounded = trained[name].half().float() if trained[name].numel() >= 10_000 else trained[name]
        assert torch.equal(tensor, rounded), name
    assert sum(tensor.numel() >= 10_000 for tensor in small["state_dict"].values()) > 0
    large = {"weight": torch.full((200, 200), 1e5)}
    assert torch.equal(tensor_file.unpack_tensors(pack_tensors(large, {}), "")["state_dict"]["weight"], large["weight"])


def test_packing_twice_gives_the_same_bytes():
    state = {"b.weight": torch.rand(3, 4), "a.bias": torch.rand(4)}
    meta = {"normalization": {"mean": [1.0], "std": [2.0]}, "epoch": 1}
    assert pack_tensors(state, meta) == pack_tensors(dict(reversed(state.items())), meta)


def test_tools_read_the_files_like_checkpoints(folder):
    path = open_shipped("pose").checkpoint
    assert is_tensor_file(path)
    read_checkpoint(path)
    found = CheckpointLoader.load_checkpoint(str(path), map_location="cpu")  # what mmengine's runner calls
    assert found["state_dict"].keys() == read_checkpoint(path)["state_dict"].keys()


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing"])
def test_a_damaged_file_of_tensors_is_refused(folder, damage):
    path = open_shipped("pose").checkpoint
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(bytes(data[:-7] if damage == "cut" else data))
    with pytest.raises(CheckpointError, match="missing" if damage == "missing" else "differ from the manifest"):
        open_shipped("pose")
    assert open_shipped("detector").record.license == "Apache-2.0"


def test_a_damaged_header_is_refused_without_a_manifest(folder, tmp_path):
    data = open_shipped("pose").checkpoint.read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(data[:5000])
    with pytest.raises(CheckpointError, match="cut short or damaged"):
        read_checkpoint(tmp_path / "cut.safetensors")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "manifest of the shipped models is missing"),
        ("{", "manifest of the shipped models is damaged"),
        ('{"format": "interhand_mm.frames"}', "manifest of the shipped models is damaged"),
        ('{"models": {"pose": {"file": "a"}}}', "manifest of the shipped models is damaged"),
        ('{"format_version": 2}', "manifest of the shipped models is damaged"),
    ],
)
def test_a_damaged_manifest_is_refused(empty, content, message):
    (empty / WEIGHTS_MANIFEST).unlink()
    if content is not None:
        (empty / WEIGHTS_MANIFEST).write_text(content)
    with pytest.raises(CheckpointError, match=message):
        HandDetector()


class _Pickled:
    def __reduce__(self):
        return (Path.touch, (Path("executed"),))


def test_code_in_the_files_is_not_executed(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = read_manifest().models["pose"]
    data = pickle.dumps({"state_dict": _Pickled()})
    (folder / record.file).write_bytes(data)
    edit_manifest(folder, sha256=sha256(folder / record.file), bytes=len(data))
    with pytest.raises(CheckpointError, match="cut short or damaged"):
        InterHandInferencer(options=InferenceOptions(bbox=[0, 0, 50, 50]))
    assert not Path("executed").exists()
    (tmp_path / "elsewhere.safetensors").write_bytes(data)
    edit_manifest(folder, file="../elsewhere.safetensors")
    with pytest.raises(CheckpointError, match="outside of its folder"):
        open_shipped("pose")


def test_a_config_becomes_literals_and_back(tmp_path):
    cfg = load_config(ROOT / "configs/detector/rtmdet_mobilenet.py")
    kept = inference_config(cfg)
    assert decode_literals(json.loads(json.dumps(encode_literals(kept)))) == kept
    assert "mobilenetv2_imagenet.pth" not in str(kept)  # the weights that training starts from
    with pytest.raises(ConfigError, match="cannot be shipped as data"):
        encode_literals({"type": HandDetector})


def test_a_new_version_replaces_the_record_and_its_file(folder, packed, tiny_pose):
    before = read_manifest(folder)
    changed = torch.load(packed / "pose.pth", weights_only=True)
    next(iter(changed["state_dict"].values())).mul_(1.5)
    torch.save(changed, folder.parent / "new.pth")
    record = ship_model(tiny_pose[0], folder.parent / "new.pth", "pose", folder=folder)
    after = read_manifest(folder)
    assert after.models["pose"] == record != before.models["pose"]
    assert after.models["detector"] == before.models["detector"]
    assert (record.figures, before.models["pose"].figures) == ({}, {"test": 1.5})  # figures belong to old weights
    names = {WEIGHTS_MANIFEST, record.file, before.models["detector"].file}
    assert {path.name for path in folder.iterdir()} == names
    assert record.checkpoint_sha256 == sha256(folder.parent / "new.pth")
    assert open_shipped("pose").record == record


def test_nothing_changes_when_packing_fails(folder, packed, tiny_pose, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ConfigError, match="not the config of a detector"):
        ship_model(tiny_pose[0], packed / "pose.pth", "detector", folder=folder)
    with pytest.raises(CheckpointError, match="does not belong to this model"):
        ship_model(tiny_pose[0], packed / "detector.pth", "pose", folder=folder)

    def rounded(state):  # in steps that are much coarser than those of float16
        return {name: (10 * value).round() / 10 if value.ndim > 1 else value for name, value in state.items()}

    monkeypatch.setattr(ship, "pack_tensors", lambda state, meta: pack_tensors(rounded(state), meta))
    with pytest.raises(CheckpointError, match="do not predict what the checkpoint predicts"):
        ship_model(tiny_pose[0], packed / "pose.pth", "pose", folder=folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_card_with_a_misspelled_field_is_refused(tmp_path):
    assert read_card(None).license == "Apache-2.0"
    (tmp_path / "card.json").write_text('{"version": "1", "licence": "MIT"}')
    with pytest.raises(ConfigError, match="licence"):
        read_card(tmp_path / "card.json")


def parsed(*words: str) -> argparse.Namespace:
    parser = cli.ToolParser()
    cli.add_inference_options(parser)
    cli.add_bbox_options(parser, "box")
    parser.add_argument("--mirror", action="store_true")
    return parser.parse_intermixed_args(words)


def test_the_command_line_may_leave_the_networks_out(folder, tiny_pose):
    for words in ((), ("shipped", "shipped"), ("shipped", "shipped", "shipped", "shipped"), ("--smooth",)):
        args = parsed(*words)
        cli.check_inference_arguments(args)
    made = build_inferencer(args)
    assert isinstance(made.detector, HandDetector)
    assert made.pose.network.temperature == 1.7
    args = parsed("--bbox", "1", "2", "40", "50")
    cli.check_inference_arguments(args)
    assert build_inferencer(args).detector is None
    args = parsed("none", "none", *tiny_pose)
    cli.check_inference_arguments(args)
    assert build_inferencer(args).detector is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("det.py",), "the detector needs a config and a checkpoint"),
        (("none",), "the detector needs a config and a checkpoint"),
        (("none", "none", "{pose}"), "the pose network needs a config and a checkpoint"),
        (("none", "none", "{pose}", "shipped"), "the pose network needs a config and a checkpoint"),
        (("none", "none", "shipped", "no.pth"), "checkpoint does not exist: no.pth"),
        (("--backend", "onnxruntime"), r"shipped shipped shipped hands\.onnx"),
    ],
)
def test_an_incomplete_command_line_is_refused(folder, tiny_pose, words, message):
    args = parsed(*(word.format(pose=tiny_pose[0]) for word in words))
    with pytest.raises((ConfigError, CheckpointError), match=message):
        cli.check_inference_arguments(args)


def test_the_command_line_of_a_package_without_weights_says_so(empty, tiny_pose):
    with pytest.raises(CheckpointError, match="no weights of a hand detector"):
        cli.check_inference_arguments(parsed())
    with pytest.raises(CheckpointError, match="no weights of a pose network"):
        cli.check_inference_arguments(parsed("none", "none"))
    cli.check_inference_arguments(parsed("none", "none", *tiny_pose))


def test_the_table_names_every_model_with_its_data_and_figures(folder):
    table = models_table(read_manifest(folder))
    [pose] = [line for line in table.splitlines() if line.startswith("| pose | tiny.py")]
    assert "| tiny.py | 7 |" in pose
    assert "renders (Apache-2.0; labels: exact)" in pose
    assert "| pose | test | 1.5 |" in table
    assert "| detector |" in table


@pytest.mark.skipif(not CARRIED, reason="this version of the package carries no weights")
def test_the_model_zoo_shows_the_manifest():
    page = (ROOT / "docs/model_zoo.md").read_text()
    missing = [line for line in models_table(read_manifest()).splitlines() if line not in page]
    assert not missing, "copy the tables that tools/ship_model.py prints into docs/model_zoo.md"


@pytest.mark.skipif(not CARRIED, reason="this version of the package carries no weights")
def test_the_weights_of_the_package_are_complete():
    """The files are those of the manifest, small, and documented."""
    models = read_manifest().models
    assert set(models) == {"detector", "pose"}
    assert {path.name for path in shipped.SHIPPED_WEIGHTS.iterdir()} == {
        WEIGHTS_MANIFEST,
        *(each.file for each in models.values()),
    }
    assert sum(each.bytes for each in models.values()) <= 25e6
    for record in models.values():
        assert max(record.rounding.values()) <= 0.01
        assert record.sources, "the manifest must name the data and its licenses"
        assert all(source.license for source in record.sources)
        assert record.figures, "the manifest must contain the measured results"
        assert list((ROOT / "configs").rglob(record.config_name))


@pytest.mark.parametrize("name", CARRIED)
def test_the_weights_of_the_package_run(name):
    if name == "detector":
        [found] = HandDetector(options=InferenceOptions(score_thr=0.0))([image()])
        assert np.isfinite(found.boxes).all()
        assert len(found.boxes) > 0
    else:
        inferencer = InterHandInferencer(options=InferenceOptions(bbox=[10, 10, 90, 90]))
        for hands in next(inferencer.infer(image())).hands:
            assert hands.keypoints.shape == (42, 3)
