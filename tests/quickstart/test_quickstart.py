"""A miniature of the quick start: every step runs, and the page's numbers are those of the runs' files."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from interhand_mm.errors import BackgroundError, ConfigError
from interhand_mm.evaluation.predictions_file import load_predictions
from interhand_mm.quickstart import photographs, processes
from interhand_mm.quickstart.figures import ranked, read_scalars, sample_errors
from interhand_mm.quickstart.processes import QuickstartError, run_all, share_cores
from interhand_mm.quickstart.result_tables import cell, read_metrics
from interhand_mm.quickstart.settings import EXTRA_STEPS, MODEL_LABELS, PRETRAIN, STEPS, Settings
from interhand_mm.quickstart.steps import STEP_FUNCTIONS, run_steps
from interhand_mm.quickstart.testing import config, mean_answer
from interhand_mm.quickstart.training import newest
from interhand_mm.registry import DATASETS

OVERRIDES = ("codec.input_size=(64,64)", "codec.heatmap_size=(32,32,32)", "train_dataloader.batch_size=8",
             "default_hooks.logger.interval=1")  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Settings, list[str]]:
    base = tmp_path_factory.mktemp("quickstart")
    settings = Settings(
        out=base / "out", data=base / "data", num=24, minutes=0.02, overrides=OVERRIDES,
        detector_overrides=("train_cfg.max_epochs=1",),
    )  # fmt: skip
    lines: list[str] = []
    run_steps(settings, "all", lines.append)
    return settings, lines


class Cells(HTMLParser):
    """Text of every table row of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        self.inside = tag == "td"

    def handle_data(self, data):
        if self.inside:
            self.rows[-1].append(data)

    def handle_endtag(self, tag):
        self.inside = False


def test_the_page_shows_the_numbers_of_the_runs(finished):
    settings, lines = finished
    page = (settings.out / "report.html").read_text()
    cells = Cells()
    cells.feed(page)
    files = {
        name: json.loads((settings.out / name / "metrics.json").read_text()) for name in (*MODEL_LABELS, "constant")
    }
    wanted = []
    for variant in ("original", "augmented"):
        for model, label in MODEL_LABELS.items():
            report = files[model] if variant == "original" else files[model]["variants"][variant]
            wanted.append(([variant, label], report["metrics"]))
    wanted.append((["either", "mean training pose"], files["constant"]["metrics"]))
    assert [row[:2] for row in cells.rows if row][: len(wanted)] == [head for head, _ in wanted]
    for (head, numbers), row in zip(wanted, [row for row in cells.rows if row], strict=False):
        shown = [numbers[f"MPJPE/{group}"] for group in ("all", "single", "interacting")] + [numbers["MRRPE"]]
        assert row == [*head, *(cell("", value) for value in shown), cell("handedness", numbers["HandednessAccuracy"])]
        assert any(f"{numbers['MPJPE/all']:.2f}" in line for line in lines)
    ratio = files["marginal"]["ratios"]["augmented"]["MPJPE/all"]
    assert ["without backgrounds", f"{ratio:.2f}"] in [row[:2] for row in cells.rows]
    assert json.loads((settings.out / "report.json").read_text())["provenance"]["seed"] == 0


def test_the_page_needs_no_network(finished):
    page = (finished[0].out / "report.html").read_text()
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", page)
    assert "data:image/jpeg;base64," in page
    assert page.count("<svg") == 4
    assert page.count("<polyline") == 8


def test_every_step_reports_something(finished):
    for step in STEPS:
        assert any(line.startswith(f"{step}:") for line in finished[1]), step


def test_a_second_run_makes_nothing_again(finished):
    settings, _ = finished
    kept = {
        path: path.stat().st_mtime_ns for path in settings.out.rglob("*") if path.suffix in (".pth", ".npz", ".log")
    }
    kept = {path: time for path, time in kept.items() if "constant" not in path.parts}
    images = {path: path.stat().st_mtime_ns for path in settings.data.rglob("*.jpg")}
    lines: list[str] = []
    run_steps(settings, "all", lines.append)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert {path: path.stat().st_mtime_ns for path in settings.data.rglob("*.jpg")} == images
    assert sum("is trained" in line or "is tested" in line or "is complete" in line for line in lines) == 9


def test_detector_and_demo_are_on_the_page(finished):
    settings, lines = finished
    report = json.loads((settings.out / "detector" / "metrics.json").read_text())
    demo = json.loads((settings.out / "demo" / "demo.json").read_text())
    page = (settings.out / "report.html").read_text()
    assert f"{report['metrics']['AP50']:.3f}" in page
    assert page.count('alt="demo"') == len(demo["images"]) == report["counts"]["images"] > 0
    for image in map(Path, demo["images"]):
        assert image.is_file()
        assert image.with_suffix(".html").is_file()
        assert json.loads(image.with_suffix(".json").read_text())["complete"] is True
    assert any(demo["command"] in line for line in lines)


def test_heads_are_compared_at_equal_time_and_join_the_page(finished):
    settings, _ = finished
    short = replace(settings, overrides=("train_dataloader.batch_size=8",))
    lines: list[str] = []
    try:
        run_steps(short, "heads", lines.append)
        run_steps(settings, "report", lines.append)
        rows = json.loads((settings.out / "heads.json").read_text())["rows"]
        page = (settings.out / "report.html").read_text()
        for row, head in zip(rows, ("marginal", "heatmap_3d"), strict=True):
            numbers = json.loads((settings.out / "heads" / head / "metrics.json").read_text())["metrics"]
            assert row["all"] == numbers["MPJPE/all"]
            assert f"{numbers['MPJPE/all']:.2f}" in page
            assert row["samples"] % settings.num == 0
        assert rows[0]["samples"] >= rows[1]["samples"] > 0  # marginals are the faster ones
        lines.clear()
        run_steps(short, "heads", lines.append)
        assert lines == ["heads: the comparison is complete"]
    finally:
        (settings.out / "heads.json").unlink(missing_ok=True)


def test_subjects_and_photographs_are_disjoint(finished):
    settings, _ = finished
    subjects = {}
    for split in ("train", "test"):
        path = settings.data / "annotations" / split / f"InterHand2.6M_{split}_data.json"
        subjects[split] = {image["subject"] for image in json.loads(path.read_text())["images"]}
    assert not subjects["train"] & subjects["test"]
    names = {split: {path.stem[:-3] for path in settings.photographs(split).iterdir()} for split in subjects}
    assert names["train"]
    assert names["test"]
    assert not names["train"] & names["test"]
    ledger = json.loads((settings.data / "photographs" / "photographs.json").read_text())
    for split in names:
        assert len(list(settings.photographs(split).iterdir())) == ledger[split]["views"]


def test_both_models_were_trained_alike(finished):
    settings, _ = finished
    done = [json.loads((settings.folder(model) / "trained.json").read_text()) for model in MODEL_LABELS]
    assert done[0]["epochs"] == done[1]["epochs"] >= 1
    plan = json.loads((settings.out / "plan.json").read_text())
    shared = json.loads((settings.folder(PRETRAIN) / "trained.json").read_text())
    assert plan["epochs"] == shared["epochs"] + done[0]["epochs"]
    assert all("load_from=" + str(newest(settings.folder(PRETRAIN))) in model["command"] for model in done)
    assert all(0 < speed["data_share"] < 1 and speed["samples_a_second"] > 0 for speed in plan["speeds"].values())
    assert len(read_scalars(settings.folder("marginal"), "loss_keypoint")[0]) > 0


def test_the_sheets_errors_are_those_of_the_metric(finished):
    settings, _ = finished
    dataset = DATASETS.build({**config(settings).test_dataloader.dataset, "pipeline": []})
    predicted = load_predictions(settings.folder("marginal") / "preds.npz")
    errors = sample_errors(dataset, predicted)
    seen = [dataset.get_data_info(i)["keypoints_visible"][0] for i in range(len(dataset))]
    counts = np.array([visible.sum() - visible[[20, 41]].sum() for visible in seen])
    micro = read_metrics(settings)["marginal"]["metrics"]["MPJPE_no_wrist/all"]
    # The table's protocol weighs joints alike, the sheet's error samples; near each other, not the same.
    assert np.nansum(errors * counts) / counts.sum() == pytest.approx(micro, rel=0.15)


def test_the_mean_pose_is_the_mean(finished):
    settings, _ = finished
    cfg = config(settings)
    dataset = DATASETS.build({**cfg.train_dataloader.dataset, "pipeline": []})
    from interhand_mm.codecs import InterHand3DCodec

    answer = mean_answer(dataset, InterHand3DCodec(input_size=(64, 64)))
    assert np.abs(answer["points"][[20, 41], 2]).max() < 1e-4  # wrists are their own origin
    hands = np.mean([dataset.get_data_info(i)["hand_type"][0] for i in range(len(dataset))], axis=0)
    assert answer["hand_prob"] == pytest.approx(hands)
    assert answer["points"][:, :2].min() > 0
    assert answer["points"][:, :2].max() < 64


def test_best_median_worst():
    errors = np.array([5.0, 1.0, np.nan, 3.0, 2.0, 4.0, 6.0])
    assert ranked(errors, 2) == {"best": [1, 4], "median": [3, 5], "worst": [6, 0]}


def test_wrong_use_says_so(tmp_path, monkeypatch):
    settings = Settings(out=tmp_path / "out", data=tmp_path / "data", num=16)
    with pytest.raises(QuickstartError, match="not trained"):
        run_steps(settings, "test", print)
    with pytest.raises(QuickstartError, match="not tested"):
        run_steps(settings, "report", print)
    with pytest.raises(ConfigError, match="num >= 16"):
        Settings(num=3)
    monkeypatch.setattr(photographs, "find", lambda split: ([], ["scikit-image: rocket.jpg"]))
    with pytest.raises(BackgroundError, match="pip install"):
        photographs.write_photographs(tmp_path / "photos", 0)


def test_another_set_is_not_overwritten(finished):
    settings, _ = finished
    with pytest.raises(ConfigError, match="was started with other options"):
        run_steps(Settings(out=settings.out, data=settings.data, num=32), "data", print)


def test_a_failing_step_ends_the_others_and_shows_its_last_words(tmp_path):
    commands = {"slow": ["sleep", "60"], "broken": ["sh", "-c", "echo no such thing; exit 3"]}
    logs = {name: tmp_path / f"{name}.log" for name in commands}
    if len(share_cores(2)) == 1:
        commands = {"broken": commands["broken"]}
    with pytest.raises(QuickstartError, match="no such thing"):
        run_all(commands, logs)


def test_cores_are_divided_among_processes(monkeypatch):
    monkeypatch.setattr(processes, "cores", lambda: [0, 1, 2, 3, 4])
    assert share_cores(2) == [[0, 2, 4], [1, 3]]
    monkeypatch.setattr(processes, "cores", lambda: [3])
    assert share_cores(2) == [[3]]


def test_every_step_of_the_command_line_has_a_function():
    assert tuple(STEP_FUNCTIONS) == (*STEPS, *EXTRA_STEPS)
