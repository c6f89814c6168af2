"""Exported models: what they give, what they say of themselves, and that wrong ones are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from interhand_mm.apis import export
from interhand_mm.engine.runner import build_model
from interhand_mm.errors import CheckpointError, ConfigError, ExportError
from interhand_mm.inference.network.exported import KEY, model_digest, read_exported
from interhand_mm.inference.network.interface import OUTPUTS
from interhand_mm.inference.network.open import open_network
from interhand_mm.inference.network.torch_network import CropNetwork, TorchNetwork, cast_weights, load_pose_model
from interhand_mm.inference.options import InferenceOptions
from interhand_mm.inference.pose import PoseModel
from interhand_mm.inference.timing import Stopwatch
from interhand_mm.structures.joints import JOINT_NAMES
from interhand_mm.structures.warp import Warp
from interhand_mm.utils.config import load_config
from tests.fixtures.tiny_pose import CODEC, MODEL

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
RUNTIMES = ("onnxruntime", pytest.param("openvino", marks=pytest.mark.skipif(
    not export.importlib.util.find_spec("openvino"), reason="openvino is not installed")))  # fmt: skip


@pytest.fixture(scope="session")
def volume_pose(tmp_path_factory):
    """A small network with a volume head; its last layers' weights are large, so that peaks stand out."""
    folder = tmp_path_factory.mktemp("volume_pose")
    head = dict(type="InterNetHead", in_channels=64, deconv_channels=8, refine=True, decoder=CODEC)
    codec = dict(CODEC, heatmap_size=(16, 16, 16))
    model = dict(MODEL, head=dict(head, decoder=codec), backbone=dict(MODEL["backbone"], out_indices=(3,)))
    cfg = Config(dict(default_scope="interhand_mm", codec=codec, model=model))
    cfg.dump(folder / "volume.py")
    init_default_scope("interhand_mm")
    torch.manual_seed(0)
    built = build_model(cfg)
    for branch in (built.head.right_hand_head, built.head.left_hand_head):
        torch.nn.init.normal_(branch.final_layer.weight, std=10.0)
    torch.save({"state_dict": built.state_dict(), "meta": {"handedness_temperature": 1.5}}, folder / "volume.pth")
    return str(folder / "volume.py"), str(folder / "volume.pth")


@pytest.fixture(scope="session")
def exported(tiny_pose, volume_pose, tmp_path_factory):
    """Both networks, exported once for any batch; and what the export reported."""
    folder = tmp_path_factory.mktemp("exported")
    files = {}
    for name, (config, checkpoint) in dict(marginal=tiny_pose, volume=volume_pose).items():
        out = folder / f"{name}.onnx"
        files[name] = (config, checkpoint, out, export.export_onnx(load_config(config), checkpoint, out))
    return files


def test_the_module_gives_what_predict_gives(volume_pose):
    """`CropNetwork` against the estimator's own way: preprocessor with lists, samples, `mode='predict'`."""
    cfg = load_config(volume_pose[0])
    model, temperature = load_pose_model(cfg, volume_pose[1])
    assert temperature == 1.5
    crops = export.sample_crops((64, 64), 3, 0)
    from mmengine.structures import InstanceData
    from mmpose.structures import PoseDataSample

    samples = [
        PoseDataSample(metainfo=dict(warp=Warp.from_box(np.array([0.0, 0, 64, 64]), (64, 64), (64, 64)))) for _ in crops
    ]
    for sample in samples:
        sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4)))
    with torch.no_grad():
        data = model.data_preprocessor(dict(inputs=list(torch.from_numpy(crops)), data_samples=samples))
        want = model(**data, mode="predict")
    got = TorchNetwork(cfg, volume_pose[1])(crops)
    assert np.array_equal(got["bins"], np.concatenate([each.pred_instances.bins for each in want]))
    for name in OUTPUTS:
        assert got[name] == pytest.approx(np.concatenate([each.pred_instances[name] for each in want]), abs=1e-4)
        assert got[name].dtype == np.float32


@pytest.mark.parametrize("head", ["marginal", "volume"])
def test_weights_cast_once_change_nothing(head, tiny_pose, volume_pose):
    """Under autocast, weights that are bfloat16 already against weights that it casts at every call."""
    config, checkpoint = dict(marginal=tiny_pose, volume=volume_pose)[head]
    model, _ = load_pose_model(load_config(config), checkpoint)
    model.to(memory_format=torch.channels_last)
    network = CropNetwork(model)
    crops = torch.from_numpy(export.sample_crops((64, 64), 3, 0))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        plain = network.infer(crops)
        cast_weights(network, torch.bfloat16)
        once = network.infer(crops)
    assert {value.dtype for value in network.state_dict().values()} >= {torch.bfloat16, torch.float32}
    assert set(once) >= set(OUTPUTS)
    assert all(torch.equal(once[name], plain[name]) for name in once)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", ["marginal", "volume"])
def test_runtimes_agree_with_torch(exported, runtime, kind):
    config, checkpoint, path, report = exported[kind]
    differences = report["compared"][runtime]
    assert differences["bins"] < 1e-3
    assert differences["ties"] == 0
    cfg = load_config(config)
    crops = export.sample_crops((64, 64), 5, seed=7)  # another number and other images than the export saw
    found = export.compare(
        CropNetwork(load_pose_model(cfg, checkpoint)[0]), open_network(cfg, path, "cpu", None, runtime), crops
    )
    assert max(found[key] / limit for key, limit in export.LIMITS.items()) < 1


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_pose_model_is_the_same_with_every_backend(exported, runtime):
    config, checkpoint, path, _ = exported["volume"]
    image = export.sample_crops((200, 120), 4, 3)[3].transpose(1, 2, 0).copy()
    boxes = [np.array([20.0, 10, 90, 100]), np.array([100.0, 30, 180, 110]), np.array([0.0, 0, 200, 120])]
    arguments = ([image] * 3, boxes, [1.25, 1.25, 1.0], Stopwatch())
    want = PoseModel(config, checkpoint, InferenceOptions(batch_size=2)).predict(*arguments)
    got = PoseModel(config, path, InferenceOptions(batch_size=2, backend=runtime)).predict(*arguments)
    for one, other in zip(want, got, strict=True):
        assert other.keypoints == pytest.approx(one.keypoints, abs=0.05)
        assert other.hand_prob == pytest.approx(one.hand_prob, abs=1e-4)  # the temperature came along


def test_a_fixed_batch_takes_any_number(tmp_path, exported, tiny_pose):
    cfg = load_config(tiny_pose[0])
    path = tmp_path / "fixed.onnx"
    export.export_onnx(cfg, tiny_pose[1], path, batch_size=2)
    assert read_exported(path).batch == 2
    crops = export.sample_crops((64, 64), 5, 1)
    want = open_network(cfg, exported["marginal"][2], "cpu", None, "onnxruntime")(crops)
    got = open_network(cfg, path, "cpu", None, "onnxruntime")(crops)
    for name in OUTPUTS:
        assert got[name] == pytest.approx(want[name], abs=1e-3)


def test_the_file_describes_itself(exported):
    config, _, path, _ = exported["volume"]
    model = onnx.load(str(path))
    metadata = json.loads(next(each.value for each in model.metadata_props if each.key == KEY))
    assert metadata["joints"] == list(JOINT_NAMES)
    assert (metadata["version"], metadata["input_size"], metadata["handedness_temperature"]) == (1, [64, 64], 1.5)
    assert metadata["model_sha256"] == model_digest(load_config(config))
    shapes = {each.name: len(each.type.tensor_type.shape.dim) for each in model.graph.output}
    assert shapes == dict(keypoints=3, keypoint_scores=2, bins=3, rel_root_depth=1, hand_prob=2)  # no volume leaves
    assert [path.name for path in path.parent.iterdir() if path.suffix != ".onnx"] == []  # nothing left lying about


@pytest.mark.parametrize("kind", ["marginal", "volume"])
def test_older_runtimes_can_read_the_file(exported, kind):
    model = onnx.load(str(exported[kind][2]))
    assert (model.ir_version, [(each.domain, each.version) for each in model.opset_import]) == (8, [("", 18)])
    onnx.checker.check_model(model, full_check=True)


def test_a_model_that_differs_is_not_written(tmp_path, monkeypatch, tiny_pose):
    describe = export.trace

    def wrong(network, batch_size):
        graph = describe(network, batch_size)
        weights = next(each for each in graph.graph.initializer if "to_bins.2.bias" in each.name)
        values = onnx.numpy_helper.to_array(weights).copy()
        values[0] += 0.1
        weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
        return graph

    monkeypatch.setattr(export, "trace", wrong)
    with pytest.raises(ExportError, match="nothing was written"):
        export.export_onnx(load_config(tiny_pose[0]), tiny_pose[1], tmp_path / "wrong.onnx")
    assert list(tmp_path.glob("*")) == [] or [p.name for p in tmp_path.iterdir()] == ["cache"]


def test_what_does_not_fit_is_refused(tmp_path, monkeypatch, exported, tiny_pose, volume_pose):
    marginal, volume = exported["marginal"][2], exported["volume"][2]
    cfg = load_config(tiny_pose[0])
    with pytest.raises(CheckpointError, match="does not fit the config: model_sha256"):
        open_network(cfg, volume, "cpu", None, "onnxruntime")
    with pytest.raises(CheckpointError, match="--backend onnxruntime"):
        open_network(cfg, marginal, "cpu", None, "torch")
    with pytest.raises(CheckpointError, match="does not exist"):
        open_network(cfg, tmp_path / "none.onnx", "cpu", None, "onnxruntime")
    (tmp_path / "cut.onnx").write_bytes(marginal.read_bytes()[:5000])
    (tmp_path / "text.onnx").write_text("no model")
    for name in ("cut", "text"):
        with pytest.raises(CheckpointError):
            open_network(cfg, tmp_path / f"{name}.onnx", "cpu", None, "onnxruntime")
    bare = onnx.load(str(marginal))
    del bare.metadata_props[:]
    onnx.save(bare, str(tmp_path / "bare.onnx"))
    with pytest.raises(CheckpointError, match="not exported by this project"):
        open_network(cfg, tmp_path / "bare.onnx", "cpu", None, "onnxruntime")
    for wrong in (dict(amp="bfloat16"), dict(device="cuda"), dict(backend="tensorrt"), dict(amp="int8")):
        with pytest.raises(ConfigError):
            open_network(cfg, marginal, **{**dict(device="cpu", amp=None, backend="onnxruntime"), **wrong})
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"requirements/export\.txt"):
        open_network(cfg, marginal, "cpu", None, "onnxruntime")


def test_the_digest_sees_what_changes_predictions(tiny_pose):
    cfg = load_config(tiny_pose[0])
    before = model_digest(cfg)
    cfg.model.channels_last = True
    cfg.model.backbone.init_cfg = dict(type="Pretrained", checkpoint="elsewhere.pth")
    assert model_digest(cfg) == before
    cfg.model.test_cfg = dict(flip_test=True)
    assert model_digest(cfg) != before
