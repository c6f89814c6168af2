"""Browse, train, test and evaluate a tiny version of each data set with its shipped config."""

from __future__ import annotations

import json

import numpy as np
import pytest

from interhand_mm.apis.browse import browse
from interhand_mm.apis.evaluate_predictions import evaluate_predictions
from interhand_mm.apis.test import run_test
from interhand_mm.apis.train import train
from interhand_mm.cli.path_types import parse_data_root
from interhand_mm.errors import ConfigError
from interhand_mm.evaluation.report import metrics_table
from interhand_mm.utils.config import DataOptions, load_config
from tests.conftest import ROOT
from tests.fixtures import tiny_sets as T
from tests.fixtures.tiny import write_set

SMALL = [
    "model.backbone.depth=18", "model.backbone.init_cfg=None", "model.head.in_channels=512",
    "model.head.deconv_channels=8",
    "codec.input_size=(64,64)", "codec.heatmap_size=(16,16,16)", "codec.sigma=1.0",
    "train_dataloader.batch_size=4", "train_dataloader.num_workers=0", "train_dataloader.persistent_workers=False",
    "test_dataloader.num_workers=0", "test_dataloader.batch_size=4", "train_cfg.max_epochs=1",
    "default_hooks.logger.interval=1",
]  # fmt: skip
VALIDATED = [
    "val_dataloader.num_workers=0", "val_dataloader.persistent_workers=False", "default_hooks.visualization.num=0",
]  # fmt: skip
WRITERS = {
    "rhd": T.write_rhd, "rhd_parsed": T.write_rhd_parsed, "stb": T.write_stb, "stb_parsed": T.write_stb_parsed,
    "freihand": T.write_freihand,
}  # fmt: skip
AUCS = {"AUC_0-50", "AUC_20-50", "AUC_20-50_dense", "PCK@20mm", "PCK@30mm"}
EPES = {"EPE", "EPE_micro", "EPE_no_wrist"}
FREIHAND = {"EPE_abs", "AUC_abs", "EPE_PA", "AUC_PA"}


@pytest.mark.parametrize("form", list(WRITERS))
def test_a_set_goes_through(tmp_path, rendered_hands, form):
    name = form.removesuffix("_parsed")
    root = WRITERS[form](tmp_path / "data", rendered_hands)
    more = VALIDATED if name == "freihand" else []
    if name == "freihand":
        more = [*more, f"test_evaluator.3.out_file={tmp_path / 'pred.json'}"]

    def config():
        cfg = load_config(ROOT / f"configs/internet_{name}.py", [*SMALL, *more], DataOptions(data_root=str(root)))
        cfg.work_dir = str(tmp_path / "work")
        return cfg

    if form != "rhd_parsed":
        sheet = browse(config(), "train", num=4, seed=0)
        assert sheet.std() > 20
    train(config())
    dump = tmp_path / "preds.npz"
    report = run_test(config(), str(tmp_path / "work" / "epoch_1.pth"), dump=str(dump))
    wanted = EPES | AUCS | (FREIHAND if name == "freihand" else {"HandednessAccuracy"})
    assert set(report["metrics"]) == wanted
    assert all(np.isfinite(value) for value in report["metrics"].values())
    assert len(report["per_joint"]) == 21
    assert all(key in metrics_table(report) for key in wanted)
    again = evaluate_predictions(config(), str(dump))
    for key, value in report["metrics"].items():
        assert again["metrics"][key] == pytest.approx(value, rel=1e-5), key
    if name == "freihand":
        xyz, verts = json.loads((tmp_path / "pred.json").read_text())
        assert np.shape(xyz) == (len(rendered_hands), 21, 3)
        assert np.shape(verts) == (len(rendered_hands), 778, 3)


@pytest.fixture
def roots(tmp_path, rendered_hands) -> dict[str, str]:
    return {
        "InterHandDataset": str(write_set(tmp_path / "ih")),
        "RHDDataset": str(T.write_rhd(tmp_path / "rhd", rendered_hands)),
        "FreiHANDDataset": str(T.write_freihand(tmp_path / "fh", rendered_hands)),
    }


def test_three_sets_train_and_are_tested_together(tmp_path, roots):
    def config():
        options = [*SMALL, *VALIDATED, "train_dataloader.dataset.datasets.2.depth=False"]
        options += ["train_dataloader.sampler.length=8"]
        options += [f"{phase}_dataloader.dataset.datasets.0.split=train" for phase in ("val", "test")]
        cfg = load_config(ROOT / "configs/internet_joint.py", options, DataOptions(data_root=roots))
        cfg.work_dir = str(tmp_path / "work")
        return cfg

    assert browse(config(), "train", num=6, seed=0).std() > 20
    train(config())
    logged = [json.loads(line) for log in (tmp_path / "work").rglob("vis_data/scalars.json") for line in log.open()]
    losses = [row for row in logged if "loss_keypoint" in row]
    assert losses
    assert all(
        np.isfinite(row[key]) for row in losses for key in ("loss_keypoint", "loss_root_depth", "loss_handedness")
    )
    assert any("interhand3d/MPJPE/all" in row and "freihand/EPE" in row for row in logged)
    dump = tmp_path / "preds.npz"
    (checkpoint,) = (tmp_path / "work").glob("epoch_1.pth")
    report = run_test(config(), str(checkpoint), dump=str(dump))
    assert set(report["sets"]) == {"interhand3d", "rhd", "freihand"}
    assert set(report["sets"]["rhd"]["metrics"]) == EPES | AUCS | {"HandednessAccuracy"}
    assert set(report["sets"]["freihand"]["metrics"]) == EPES | FREIHAND
    assert report["sets"]["interhand3d"]["counts"]["hand_types"] == 6
    assert report["sets"]["rhd"]["counts"]["hand_types"] == 4
    assert len(report["sets"]["interhand3d"]["per_joint"]) == 42
    assert len(report["sets"]["rhd"]["per_joint"]) == 21
    assert report["metrics"]["rhd/EPE"] == report["sets"]["rhd"]["metrics"]["EPE"]
    table = metrics_table(report)
    assert "original rhd" in table
    assert "original interhand3d" in table
    again = evaluate_predictions(config(), str(dump))
    for key, value in report["metrics"].items():
        assert again["metrics"][key] == pytest.approx(value, rel=1e-5), key


def test_data_roots_of_a_mix(roots):
    joint = ROOT / "configs/internet_joint.py"
    cfg = load_config(joint, [], DataOptions(data_root={"RHDDataset": "/r"}))
    assert [part.data_root for part in cfg.test_dataloader.dataset.datasets] == [
        "data/InterHand2.6M", "/r", "data/FreiHAND",
    ]  # fmt: skip
    assert load_config(joint, ["data_root.RHDDataset=/q"]).train_dataloader.dataset.datasets[1].data_root == "/q"
    with pytest.raises(ConfigError, match="--data-root InterHandDataset=DIR --data-root RHDDataset=DIR"):
        load_config(joint, [], DataOptions(data_root="/one"))
    with pytest.raises(ConfigError, match="STBDataset"):
        load_config(joint, [], DataOptions(data_root={"STBDataset": "/s"}))
    with pytest.raises(ConfigError, match="--data-root DIR"):
        load_config(ROOT / "configs/internet.py", [], DataOptions(data_root={"RHDDataset": "/r"}))


def test_data_root_on_the_command_line():
    assert parse_data_root(None) is None
    assert parse_data_root(["/a=b"]) == "/a=b"
    assert parse_data_root(["RHDDataset=/r", "FreiHANDDataset=/f=1"]) == {"RHDDataset": "/r", "FreiHANDDataset": "/f=1"}
    with pytest.raises(ConfigError, match="TYPE=DIR"):
        parse_data_root(["/a", "/b"])


@pytest.mark.parametrize("name", ["rhd", "stb"])
def test_the_official_schedule(name):
    cfg = load_config(ROOT / f"configs/internet_{name}.py")
    assert cfg.train_cfg.max_epochs == 50
    assert cfg.param_scheduler[0].milestones == [45, 47]
    assert cfg.val_dataloader is None
