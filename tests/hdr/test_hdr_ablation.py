"""The plugin as its users see it: configs, checkpoints, table, images, inferencer."""

from __future__ import annotations

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from interhand_mm.errors import CheckpointError, ConfigError, EvaluationError, ImageError
from interhand_mm.hdr.ablation import VARIANTS, HDRRun, format_table
from interhand_mm.hdr.data import OneHandDataset
from interhand_mm.hdr.data.transforms.hand_masks import read_hand_masks
from interhand_mm.hdr.restore_dataset import restore_split
from interhand_mm.hdr.stages import show_stages
from interhand_mm.inference.inferencer import InterHandInferencer
from interhand_mm.inference.options import InferenceOptions
from interhand_mm.models.plugin import with_plugin
from interhand_mm.registry import MODELS
from interhand_mm.utils.config import load_config
from tests.conftest import ROOT
from tests.fixtures import tiny, tiny_masks
from tests.hdr.test_hdr_plugin import BASE, INPAINTOR, SEGMENTOR, SIZE, plugin

CODEC = dict(type="InterHand3DCodec", input_size=(SIZE, SIZE), heatmap_size=(16, 16, 16), sigma=1.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tiny data set with masks, a pose config, a plugin config, and checkpoints of all four networks."""
    init_default_scope("interhand_mm")
    root = tiny.write_set(tmp_path_factory.mktemp("set"), split="test")
    tiny_masks.write_masks(root, "test")
    folder = tmp_path_factory.mktemp("configs")
    torch.manual_seed(0)
    networks = {"base": BASE, "segmentor": SEGMENTOR, "inpaintor": INPAINTOR, "pose": BASE}
    for name, config in networks.items():
        torch.save({"state_dict": MODELS.build(config).state_dict(), "meta": {}}, folder / f"{name}.pth")
    for name in ("segmentor", "inpaintor"):
        (folder / f"{name}.py").write_text(f"model = {networks[name]!r}\n")
    pose_codec = {**CODEC, "depth_range_mm": 300.0}
    (folder / "pose.py").write_text(f"codec = {pose_codec!r}\nmodel = {BASE!r}\n")
    parts = {name: dict(config=str(folder / f"{name}.py")) for name in ("segmentor", "inpaintor", "pose")}
    settings = {**plugin(masks="pred"), **parts}
    base = [str(ROOT / "configs/_base_" / name) for name in ("runtime.py", "interhand26m.py")]
    (folder / "plain.py").write_text(f"_base_ = {base!r}\ncodec = {CODEC!r}\nmodel = {BASE!r}\n")
    (folder / "hdr.py").write_text(f'_base_ = ["plain.py"]\nmodel = dict(hdr={settings!r})\n')
    files = [folder / f"{name}.pth" for name in ("segmentor", "inpaintor", "pose")]
    return {"root": root, "folder": folder, "parts": (folder / "hdr.py", files)}


def test_one_key_switches_it_on(made):
    cfg = load_config(made["folder"] / "hdr.py", [f"codec.input_size=({SIZE},{SIZE})"])
    crop = next(step for step in cfg.test_dataloader.dataset.pipeline if step.type == "HandCrop")
    assert crop.crop_scale == 2
    assert "crop_scale" not in next(
        s for s in load_config(made["folder"] / "plain.py").test_dataloader.dataset.pipeline if s.type == "HandCrop"
    )
    merged = with_plugin(made["folder"] / "plain.py", *made["parts"])
    assert merged.model.hdr.pose.checkpoint == str(made["folder"] / "pose.pth")
    model = MODELS.build(merged.model)
    assert model.head.codec.depth_range_mm == 400.0
    assert model.plugin.pose.head.codec.depth_range_mm == 300.0  # its own


def test_wrong_plugins(made):
    with pytest.raises(ConfigError, match=r"no model\.hdr"):
        with_plugin(made["folder"] / "plain.py", made["folder"] / "plain.py")
    with pytest.raises(ConfigError, match="at most 3"):
        with_plugin(made["folder"] / "plain.py", made["parts"][0], ["a"] * 4)
    wrong = (made["parts"][0], made["parts"][1][::-1])
    with pytest.raises(CheckpointError, match="does not belong"):
        InterHandInferencer(with_plugin(made["folder"] / "plain.py", *wrong), made["folder"] / "base.pth")


def test_the_table(made):
    run = HDRRun(made["folder"] / "plain.py", made["folder"] / "base.pth", *made["parts"], str(made["root"]))
    rows = run.table()
    assert [row["variant"] for row in rows] == list(VARIANTS)
    by_name = {row["variant"]: row for row in rows}
    assert sum(rows[0]["hands"].values()) == 4
    assert sum(by_name["full, true masks"]["restored"].values()) == 4
    assert sum(by_name["base network"]["restored"].values()) == 0
    assert all(np.isfinite(row["EPE_root/all"]) for row in rows)
    text = format_table(rows)
    assert "| base network |" in text
    assert "| *hands* |" in text
    with pytest.raises(EvaluationError, match="variants"):
        run.table(["magic"])


def test_restored_hands_are_a_split_of_single_hands(made):
    everything = dict(min_area=0.0, min_confidence=0.0, min_visible=0.0)
    config = made["folder"] / "open.py"
    config.write_text(f'_base_ = ["hdr.py"]\nmodel = dict(hdr={everything!r})\n')
    plain, parts, root = made["folder"] / "plain.py", made["parts"][1][:2], made["root"]
    count = restore_split(plain, config, parts, str(root), "test")
    hands = OneHandDataset(data_root=str(root), split="restored_test", mask_root=str(root / "masks"), pipeline=[])
    assert len(hands) == count > 0
    sample = hands.load_item(0)
    assert sample["keypoints_visible"][0, :21].all()
    assert not sample["keypoints_visible"][0, 21:].any()
    assert read_hand_masks(sample, "limb")[0].any()
    assert cv2.imread(sample["img_path"]).shape[1::-1] == tuple(sample["image_size"])
    with pytest.raises(EvaluationError, match="gates"):
        restore_split(plain, made["parts"][0], parts, str(root), "test", "restored_again")
    with pytest.raises(ConfigError, match="restored_test"):
        restore_split(plain, config, parts, str(root), "test")


def test_images_of_samples(made, tmp_path):
    out = tmp_path / "stages.png"
    plain, base = made["folder"] / "plain.py", made["folder"] / "base.pth"
    HDRRun(plain, base, *made["parts"], str(made["root"])).draw(out, num=2)
    assert cv2.imread(str(out)).shape == (2 * 192, 9 * 192, 3)


def test_the_demos(made, tmp_path):
    image = next((made["root"] / "images" / "test").rglob("*.jpg"))
    cfg = with_plugin(made["folder"] / "plain.py", *made["parts"])
    cfg.model.hdr.update(min_area=0.0, min_confidence=0.0, min_visible=0.0)
    inferencer = InterHandInferencer(cfg, made["folder"] / "base.pth", options=InferenceOptions(batch_size=1))
    calls = []
    handle = inferencer.plugin.register_forward_hook(lambda *_: calls.append(1))
    written = show_stages(inferencer, str(image), tmp_path / "stages", tile_px=96)
    handle.remove()
    assert len(calls) == 1
    assert [path.name for path in written] == [f"{image.stem}.jpg"]
    assert cv2.imread(str(written[0])).shape == (96, 9 * 96, 3)
    black = np.zeros((64, 80, 3), np.uint8)
    assert next(iter(inferencer.infer(black))).image.shape == (64, 80, 3)
    half = InterHandInferencer(cfg, made["folder"] / "base.pth", options=InferenceOptions(amp="bfloat16"))
    hands = [next(iter(each.infer(str(image)))).hands[0] for each in (inferencer, half)]
    assert np.isfinite(hands[1].keypoint_scores).all()
    assert hands[1].hand_prob == pytest.approx(hands[0].hand_prob, abs=0.02)
    plain = InterHandInferencer(made["folder"] / "plain.py", made["folder"] / "base.pth")
    with pytest.raises(ConfigError, match="no HDR plugin"):
        show_stages(plain, str(image), tmp_path / "none")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.jpg").write_bytes(b"nothing")
    with pytest.raises(ImageError, match="not an image"):
        show_stages(inferencer, str(tmp_path / "broken"), tmp_path / "none")


def test_the_command_line(made, tmp_path):
    image = next((made["root"] / "images" / "test").rglob("*.jpg"))
    command = [sys.executable, "demo/topdown_demo.py", "none", "none"]
    command += [str(made["folder"] / "plain.py"), str(made["folder"] / "base.pth"), "--input", str(image)]
    command += ["--out-dir", str(tmp_path), "--no-html", "--hdr", *map(str, (made["parts"][0], *made["parts"][1]))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    frame = json.loads((tmp_path / f"{image.stem}.json").read_text())["frames"][0]
    assert all(set(hands["restored"]) == {"right", "left"} for hands in frame["hands"])
