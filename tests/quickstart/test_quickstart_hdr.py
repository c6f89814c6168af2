"""A miniature of the quick start's step "hdr": the report's numbers are those of the runs' files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from interhand_mm.engine.runner import build_model
from interhand_mm.errors import ConfigError
from interhand_mm.hdr.ablation import VARIANTS
from interhand_mm.quickstart import hdr
from interhand_mm.quickstart.hdr import TRAININGS, run_hdr
from interhand_mm.quickstart.hdr_report import image_rows, mask_rows
from interhand_mm.quickstart.processes import QuickstartError
from interhand_mm.quickstart.settings import PLAIN, STEPS, Settings
from interhand_mm.utils.config import load_config
from interhand_mm.utils.paths import ROOT

OVERRIDES = ("train_dataloader.batch_size=4", "default_hooks.logger.interval=1")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Iterator[tuple[Settings, list[str]]]:
    base = tmp_path_factory.mktemp("quickstart_hdr")
    settings = Settings(out=base / "out", data=base / "data", num=16, epochs=2, hdr_overrides=OVERRIDES)
    with pytest.raises(QuickstartError, match="pose network"):
        run_hdr(settings, print)
    save_pose_network(settings.folder(PLAIN))
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        # A segmentor of six steps is not sure of any hand.
        patch.setattr(hdr, "_PLUGIN", write_open_plugin(base / "open.py"))
        run_hdr(settings, lines.append)
        yield settings, lines


def write_open_plugin(path: Path) -> Path:
    """The small plugin without gates."""
    small, gates = str(ROOT / "configs/hdr/small.py"), dict(min_area=0.0, min_confidence=0.0, min_visible=0.0)
    path.write_text(f"_base_ = [{small!r}]\nmodel = dict(hdr={gates!r})\n")
    return path


def save_pose_network(folder: Path) -> None:
    """Random weights in the place of the step "train"'s."""
    folder.mkdir(parents=True)
    model = build_model(load_config(ROOT / "configs/quickstart/marginal.py"))
    model.init_weights()
    torch.save({"meta": {}, "state_dict": model.state_dict()}, folder / "epoch_2.pth")


def numbers_of(path: Path) -> dict[str, float | None]:
    return json.loads(path.read_text())["metrics"]


def test_the_report_holds_the_runs_numbers(finished):
    settings, lines = finished
    report = json.loads((settings.hdr / "report.json").read_text())
    masks, images = (numbers_of(settings.hdr / t.name / "metrics.json") for t in TRAININGS[:2])
    chain = numbers_of(settings.hdr / "chain.json")
    amodal = (masks["IoU/right_amodal"] + masks["IoU/left_amodal"]) / 2
    assert report["masks"][0]["amodal"] == pytest.approx(amodal)
    assert report["masks"][1]["visible"] == 1  # it is given the truth
    np.testing.assert_equal(report["images"][1]["both"], images["telea/PSNR_composite/edited"])
    np.testing.assert_equal(report["images"][3]["removal"], chain["PSNR_composite/removal"])
    assert {row["network"] for row in report["training"]} == {t.name for t in TRAININGS}
    assert any("hull of the visible mask" in text for text in lines)
    assert cv2.imread(str(settings.hdr / "images.jpg")).shape[1] > 9 * 192
    poses = json.loads((settings.hdr / "poses.json").read_text())["rows"]
    assert [row["MPJPE"] for row in report["poses"]] == list(VARIANTS)
    assert report["poses"][3]["all"] == poses[3]["EPE_root/all"]


def test_what_is_done_is_not_done_again(finished):
    settings, _ = finished
    before = {path: path.stat().st_mtime_ns for path in settings.hdr.glob("*/epoch_*.pth")}
    lines: list[str] = []
    run_hdr(settings, lines.append)
    assert len(before) == len(TRAININGS)
    assert {path: path.stat().st_mtime_ns for path in settings.hdr.glob("*/epoch_*.pth")} == before
    assert sum("is trained" in text for text in lines) == len(TRAININGS)
    with pytest.raises(ConfigError, match="was started with other options"):
        run_hdr(Settings(out=settings.out, data=settings.data, num=17), lines.append)


def test_hdr_is_asked_for_by_name():
    assert "hdr" not in STEPS


def test_rows_by_hand():
    masks = {f"{p}{k}/{s}{m}": v for p, v in (("", 0.8), ("visible/", 0.6), ("hull/", 0.7)) for s in ("right", "left")
             for k, m in (("IoU", "_amodal"), ("IoU", "_visible"), ("IoU_hidden", ""))}  # fmt: skip
    masks["IoU_hidden/left"] = 0.4
    assert [row["amodal"] for row in mask_rows(masks)] == pytest.approx([0.8, 0.6, 0.7])
    assert mask_rows(masks)[0]["hidden part"] == pytest.approx(0.6)
    true = {f"{p}PSNR_composite/{r}": v for p, v in (("mean/", 10.0), ("telea/", 12.0), ("", 20.0))
            for r in ("hole", "removal", "edited", "hand")}  # fmt: skip
    rows = image_rows(true, {key: 15.0 for key in true})
    assert [row["both"] for row in rows] == [10, 12, 20, 15]
