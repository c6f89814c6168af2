"""Train, resume, test and evaluate the shipped configs, made small by overrides, through the command-line tools."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from interhand_mm.apis.evaluate_predictions import calibrate_handedness, evaluate_predictions
from interhand_mm.apis.test import run_test
from interhand_mm.apis.train import train
from interhand_mm.checkpoints.io import read_checkpoint
from interhand_mm.errors import AnnotationError, BackgroundError, CheckpointError
from interhand_mm.evaluation.predictions_file import load_predictions, save_predictions
from interhand_mm.evaluation.report import metrics_table
from interhand_mm.registry import DATASETS
from interhand_mm.utils.config import DataOptions, load_config
from tests.conftest import ROOT
from tests.fixtures.tiny import write_photographs, write_set

SMALL = [
    "model.backbone.depth=18", "model.backbone.init_cfg=None", "model.head.in_channels=512",
    "model.head.deconv_channels=16",
    "codec.input_size=(64,64)", "codec.heatmap_size=(16,16,16)", "codec.sigma=1.0",
    "train_dataloader.batch_size=2", "train_dataloader.num_workers=0", "train_dataloader.persistent_workers=False",
    "val_dataloader.num_workers=0", "val_dataloader.persistent_workers=False", "val_dataloader.dataset.split=train",
    "test_dataloader.num_workers=0", "test_dataloader.batch_size=2", "test_dataloader.dataset.split=train",
    "train_cfg.max_epochs=2", "train_cfg.val_interval=2", "default_hooks.logger.interval=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> tuple[Path, Path]:
    base = tmp_path_factory.mktemp("data")
    return write_set(base / "tiny"), write_photographs(base / "photos")


def config(name: str, data, work_dir: Path, *more: str):
    photographs = [str(data[1])] if "bgaug" in name else None
    options = DataOptions(data_root=str(data[0]), backgrounds=photographs)
    cfg = load_config(ROOT / f"configs/{name}.py", [*SMALL, *more], options)
    cfg.work_dir = str(work_dir)
    return cfg


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp("trained")
    train(config("internet", data, work_dir))
    return work_dir / "epoch_2.pth"


def weights(path: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(path)["state_dict"]


def same(first: dict, second: dict) -> bool:
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


def test_resume_continues_to_the_same_weights(data, trained, tmp_path):
    train(config("internet", data, tmp_path, "train_cfg.max_epochs=1"))
    train(config("internet", data, tmp_path), resume="auto")
    assert same(weights(tmp_path / "epoch_2.pth"), weights(trained))


def test_checkpoints_say_their_input_normalization(data, trained):
    meta = read_checkpoint(trained)["meta"]
    assert meta["normalization"] == {"mean": [0.0] * 3, "std": [255.0] * 3}
    other = ["model.data_preprocessor.mean=[123.675,116.28,103.53]", "model.data_preprocessor.std=[58.4,57.12,57.375]"]
    with pytest.raises(CheckpointError, match="another input normalization"):
        run_test(config("internet", data, trained.parent, *other), str(trained))


def test_workers_do_not_change_the_result(data, trained, tmp_path):
    train(config("internet", data, tmp_path, "train_dataloader.num_workers=2"))
    assert same(weights(tmp_path / "epoch_2.pth"), weights(trained))


def test_another_seed_changes_it(data, trained, tmp_path):
    train(config("internet", data, tmp_path, "randomness.seed=1"))
    assert not same(weights(tmp_path / "epoch_2.pth"), weights(trained))


@pytest.mark.parametrize("option", ["accumulate", "channels_last_bf16", "ema", "syncbn"])
def test_training_options(data, tmp_path, option):
    cfg = config("internet", data, tmp_path, "train_cfg.max_epochs=1")
    if option == "accumulate":
        cfg.optim_wrapper.accumulative_counts = 3
    elif option == "channels_last_bf16":
        cfg.model.channels_last = True
    elif option == "ema":
        cfg.custom_hooks.append(dict(type="EMAHook", ema_type="ExponentialMovingAverage", momentum=0.01))
    else:
        cfg.sync_bn = "torch"  # without processes to synchronize it must be harmless
    train(cfg, amp="bfloat16" if option == "channels_last_bf16" else None)
    assert all(torch.isfinite(value).all() for value in weights(tmp_path / "epoch_1.pth").values())
    if option == "ema":
        assert "ema_state_dict" in read_checkpoint(tmp_path / "epoch_1.pth")


def test_metrics_file_and_saved_predictions_agree(data, trained, tmp_path):
    out, dump = tmp_path / "metrics.json", tmp_path / "preds.npz"
    run_test(config("internet", data, tmp_path), str(trained), out=str(out), dump=str(dump))
    report = json.loads(out.read_text())
    names = {f"{p}/{g}" for p in ("MPJPE", "MPJPE_micro", "MPJPE_no_wrist") for g in ("all", "single", "interacting")}
    assert set(report["metrics"]) == names | {"MRRPE", "HandednessAccuracy"}
    assert report["protocol"] == {"box": "gt", "depth": "gt"}
    assert len(report["per_joint"]) == 42
    assert report["per_joint"]["left_wrist"] == pytest.approx(0, abs=1e-9)
    assert len(report["provenance"]["checkpoint_sha256"]) == 64
    with np.load(dump, allow_pickle=False) as file:
        assert {name: file[name].shape for name in file.files} == {
            "img_path": (6,), "ann_id": (6,), "keypoints": (6, 42, 3), "keypoint_scores": (6, 42), "bins": (6, 42, 3),
            "rel_root_depth": (6,), "hand_prob": (6, 2), "bbox": (6, 4), "skipped": (6,),
        }  # fmt: skip
        assert file["ann_id"].tolist() == [500, 502, 503, 505, 501, 504]  # dataset order
    again = evaluate_predictions(config("internet", data, tmp_path), str(dump))
    for name, value in report["metrics"].items():
        assert again["metrics"][name] == pytest.approx(value, rel=1e-6), name


def test_samples_that_were_left_out_stay_out(data, trained, tmp_path):
    root = tmp_path / "partial"
    shutil.copytree(data[0], root)
    for path in sorted((root / "images").rglob("*.jpg"))[:2]:
        path.unlink()
    cfg = config("internet", (root, data[1]), tmp_path, "test_dataloader.dataset.strict=skip")
    report = run_test(cfg, trained, dump=str(tmp_path / "preds.npz"))
    assert (report["counts"]["samples"], report["counts"]["skipped"]) == (6, 2)
    assert "2 of 6 samples could not be used" in metrics_table(report)
    arrays = load_predictions(tmp_path / "preds.npz")
    assert arrays["skipped"].sum() == 2
    again = evaluate_predictions(config("internet", (root, data[1]), tmp_path), str(tmp_path / "preds.npz"))
    assert again["metrics"] == pytest.approx(report["metrics"], rel=1e-5)
    assert again["counts"] == report["counts"]


def test_a_calibrated_checkpoint_differs_in_its_temperature_alone(data, trained, tmp_path):
    cfg, mine = config("internet", data, tmp_path), tmp_path / "mine.pth"
    shutil.copyfile(trained, mine)
    run_test(cfg, str(mine), out=str(tmp_path / "metrics.json"), dump=str(tmp_path / "preds.npz"))
    arrays = load_predictions(tmp_path / "preds.npz")
    truth = DATASETS.build({**cfg.test_dataloader.dataset, "pipeline": []})
    hands = np.stack([truth.get_data_info(i)["hand_type"].reshape(2) for i in range(6)])
    # Right in nine of twelve hands and sure of all: the temperature whose confidence is 9/12 is ln(.9/.1) / ln(3).
    arrays["hand_prob"] = np.where(hands > 0, 0.9, 0.1).astype(np.float32)
    arrays["hand_prob"][:3, 0] = 1 - arrays["hand_prob"][:3, 0]
    save_predictions(tmp_path / "preds.npz", arrays)
    fit = calibrate_handedness(cfg, str(tmp_path / "preds.npz"), mine)
    assert fit["temperature"] == pytest.approx(np.log(9) / np.log(3), abs=0.01)
    assert fit["cross_entropy"] == pytest.approx(-0.75 * np.log(0.9) - 0.25 * np.log(0.1), abs=1e-4)
    assert fit["cross_entropy_calibrated"] == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25), abs=1e-4)
    before, after = read_checkpoint(trained), read_checkpoint(mine)
    assert after["meta"].pop("handedness_temperature") == fit["temperature"]
    assert after["meta"] == before["meta"]
    assert all(torch.equal(value, before["state_dict"][name]) for name, value in after["state_dict"].items())


def test_background_config_prints_the_ratio(data, trained, tmp_path):
    work_dir = tmp_path / "bgaug"
    cfg = config("internet_bgaug", data, work_dir)
    cfg.load_from = str(trained)
    train(cfg)
    report = run_test(
        config("internet_bgaug", data, work_dir), str(work_dir / "epoch_2.pth"), dump=str(tmp_path / "p.npz")
    )
    original, augmented = report["metrics"], report["variants"]["augmented"]["metrics"]
    assert report["ratios"]["augmented"]["MPJPE/all"] == pytest.approx(augmented["MPJPE/all"] / original["MPJPE/all"])
    assert original["MPJPE/all"] != augmented["MPJPE/all"]
    assert (tmp_path / "p_augmented.npz").is_file()
    assert any("augmented/original" in log.read_text() for log in work_dir.rglob("*.log"))


def shell(command: list[str], extra: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1", "INTERHAND_CHECKS": "1", **(extra or {})}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)


def options(data) -> list[str]:
    return ["--data-root", str(data[0]), "--cfg-options", *SMALL]


def test_one_and_two_processes_give_the_same_numbers(data, trained, tmp_path):
    # 5 samples of 6 over two processes: nothing may be counted twice or left out. Batches of one and one thread
    # each, because an untrained network's argmax turns on the last bit.
    listed = tmp_path / "ids.txt"
    listed.write_text("500\n501\n502\n503\n504\n")
    more = ["test_dataloader.batch_size=1", f"test_dataloader.dataset.ann_ids_file={listed}"]
    torch.set_num_threads(1)
    run_test(config("internet", data, tmp_path / "one", *more), str(trained), dump=str(tmp_path / "one.npz"))
    torch.set_num_threads(2)
    arguments = [
        "configs/internet.py",
        str(trained),
        "2",
        "--work-dir",
        str(tmp_path / "two"),
        "--dump",
        str(tmp_path / "two.npz"),
    ]
    done = shell(["bash", "tools/dist_test.sh", *arguments, *options(data), *more])
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two"))
    assert two["metrics"] == pytest.approx(one["metrics"], rel=1e-9)
    assert two["counts"] == one["counts"]
    with np.load(tmp_path / "one.npz") as a, np.load(tmp_path / "two.npz") as b:
        assert all(np.array_equal(a[name], b[name]) for name in a.files)


def test_two_processes_train(data, tmp_path):
    done = shell(
        ["bash", "tools/dist_train.sh", "configs/internet.py", "2", "--work-dir", str(tmp_path), *options(data)]
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "epoch_2.pth").is_file()


def test_slurm_script_trains(data, tmp_path):
    # A stand-in for Slurm: drops srun's own options and runs the rest as task 0 of 1.
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "srun").write_text(
        '#!/bin/bash\nwhile [ "$1" != bash ]; do shift; done\n'
        'export SLURM_PROCID=0 SLURM_NTASKS=1 SLURM_LOCALID=0 SLURM_NODELIST=localhost\nexec "$@"\n'
    )
    (tools / "scontrol").write_text("#!/bin/bash\necho 127.0.0.1\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "PORT": "29611"}
    work_dir = tmp_path / "slurm"
    command = [
        "bash",
        "tools/slurm_train.sh",
        "gpu",
        "hands",
        "configs/internet.py",
        "--work-dir",
        str(work_dir),
        *options(data),
    ]
    done = shell(command, extra=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (work_dir / "epoch_2.pth").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["configs/nothing.py"], "config does not exist"),
        (["configs/internet.py", "--data-root", "/nonexistent"], "data folder does not exist: /nonexistent"),
        (["configs/internet.py", "--cfg-options", "optim_wraper.lr=5"], "did you mean 'optim_wrapper'"),
        (["configs/internet.py", "--cfg-options", "model.head.decoder.sigma=3"], "set codec.sigma"),
    ],
)
def test_wrong_command_lines_end_with_a_message(arguments, message):
    done = shell([sys.executable, "tools/train.py", *arguments])
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_input_is_found_before_anything_runs(data, trained, tmp_path):
    cfg = config("internet_bgaug", data, tmp_path)
    cfg.load_from = None
    cfg.train_dataloader.dataset.pipeline[2].backgrounds = str(tmp_path / "none")
    with pytest.raises(BackgroundError):
        train(cfg)
    with pytest.raises(CheckpointError, match="does not exist"):
        run_test(config("internet", data, tmp_path), str(tmp_path / "none.pth"))
    with pytest.raises(CheckpointError, match="does not belong"):
        run_test(config("internet", data, tmp_path, "model.head.deconv_channels=32"), str(trained))
    with pytest.raises(AnnotationError, match="split 'test'"):
        run_test(config("internet", data, tmp_path, "test_dataloader.dataset.split=test"), str(trained))
    plain = tmp_path / "weights.pth"
    torch.save({"state_dict": weights(trained), "meta": {}}, plain)
    with pytest.raises(CheckpointError, match="--load-from"):
        train(config("internet", data, tmp_path), resume=str(plain))
