"""Benchmarks run at tiny sizes and compare like with like; nothing here asserts a time."""

from __future__ import annotations

import runpy

import pytest
import torch
from rich.table import Table

from interhand_mm.benchmark import infer
from interhand_mm.benchmark.hdr import PIXELS, benchmark_hdr
from interhand_mm.benchmark.index import benchmark_index
from interhand_mm.benchmark.infer import benchmark_infer
from interhand_mm.benchmark.loss import benchmark_loss, dense_mse, separable_mse
from interhand_mm.benchmark.measure import add_ratios, interleaved
from interhand_mm.benchmark.pipeline import benchmark_pipeline
from interhand_mm.benchmark.scale import benchmark_scale
from interhand_mm.benchmark.step import benchmark_step
from interhand_mm.benchmark.video import benchmark_video
from interhand_mm.inference.options import InferenceOptions
from interhand_mm.models.losses import gaussian_mse
from interhand_mm.utils.config import load_config
from tests.conftest import ROOT
from tests.fixtures.tiny import write_photographs, write_set

SMALL = [
    "codec.input_size=(64,64)", "codec.heatmap_size=(16,16,16)", "model.backbone.depth=18",
    "model.head.in_channels=512", "model.head.deconv_channels=8",
]  # fmt: skip


def test_tasks_take_turns():
    order = []
    rows = interleaved({name: lambda name=name: order.append(name) for name in "ab"}, repeat=2, count=4)
    assert order == ["a", "b", "a", "b", "a", "b"]  # warmed up once, then in turn
    assert len(rows["a"]["runs_ms"]) == 2
    assert add_ratios({"a": {"ms": 2.0}, "b": {"ms": 5.0}, "c": {}}, "a") == {"b": 2.5}


def test_the_losses_compared_are_the_same_loss():
    torch.manual_seed(0)
    bins, weights = torch.rand(2, 42, 3) * 8, (torch.rand(2, 42) > 0.3).float()
    grads, values = [], []
    for loss in (gaussian_mse, separable_mse, dense_mse):
        volume = torch.randn(2, 42, 8, 8, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
        value = loss(volume, bins, weights, 2.5)
        value.backward()
        values.append(value.item())
        grads.append(volume.grad)
    assert values[1:] == pytest.approx([values[0]] * 2, rel=1e-5)
    assert torch.allclose(grads[0], grads[2], rtol=1e-3, atol=1e-6)
    assert torch.allclose(grads[0], grads[1], rtol=1e-3, atol=1e-6)


def test_loss_runs():
    result = benchmark_loss(batch=1, bins=8, repeat=1)
    assert set(result["ratios"]) == {"separable", "dense"}
    assert result["gradient_mb"] == pytest.approx(42 * 8**3 * 4 / 1e6)
    assert result["provenance"]["hardware"]["cores"]


def test_step_and_infer_run(tmp_path, monkeypatch):
    monkeypatch.setattr(infer, "_SIDE", 128)
    cfg = load_config(ROOT / "configs/internet.py", SMALL)
    result = benchmark_step(cfg, batch=2, repeat=1)
    assert len(result["rows"]) == 4 + 6
    assert sum(row.get("share", 0) for row in result["rows"].values()) == pytest.approx(1)
    assert all(row["ms"] > 0 for row in result["rows"].values())
    image = next((write_set(tmp_path / "tiny", num=1) / "images").rglob("*.jpg"))
    result = benchmark_infer(cfg, repeat=1, image_path=image)
    assert result["gflop"] > 0.01
    assert result["products_ms"]["float32"] > 0
    assert {"decode and crop", "matrix products bfloat16", "torch float32, the official form"} <= set(result["ratios"])


def test_scale_runs():
    cfg = load_config(ROOT / "configs/internet.py", SMALL)
    result = benchmark_scale(cfg, sizes=(1, 2), counts=(20, 60), batch=1, repeat=1)
    assert len(result["rows"]) == 2 * 2 + 2 + 2
    assert all(row["ms"] > 0 for row in result["rows"].values())
    assert len(result["ratios"]) == 4  # one for each that is not the first of its kind


def test_pipeline_runs_beside_mmpose(tmp_path):
    root = write_set(tmp_path / "tiny", num=4)
    result = benchmark_pipeline(
        ROOT / "configs", root, write_photographs(tmp_path / "photos"), count=4, repeat=1, crop_cache=True
    )
    assert {"interhand_mm", "mmpose", "plain float32 loader", "interhand_mm, crop cache"} <= set(result["rows"])
    assert {"interhand_mm, photographs behind 50%", "interhand_mm, photographs behind 100%"} <= set(result["rows"])


def test_video_runs(tiny_pose):
    result = benchmark_video(*tiny_pose, frames=3, options=InferenceOptions(batch_size=2))
    assert set(result["rows"]) == {"decode", "detect", "crop", "pose", "lift", "write"}
    assert sum(row["share"] for row in result["rows"].values()) == pytest.approx(1)


def test_index_runs():
    result = benchmark_index(30, peers=("pycocotools",))
    assert result["count"] == 30
    assert set(result["loaders"]) == {"build", "reopen", "pycocotools"}
    assert result["ratios"]["pycocotools"]["seconds"] > 0


def test_hdr_runs(monkeypatch):
    monkeypatch.setitem(PIXELS, "small", 64)
    rows = benchmark_hdr(1, threads=(1,), sizes=("small",))["rows"]
    assert [row["stage"] for row in rows] == ["segmentor", "inpaintor", "pose"]
    assert all(row["ms"]["1"] > 0 and row["parameters"] > 10_000 for row in rows)


def test_a_markdown_table_has_one_line_per_row(capsys):
    """A wide table can be pasted into a page as it is."""
    table = Table("clip", *(f"column {i}" for i in range(14)))
    table.add_row("rendered 00000_twins, networks, every 15, smooth", *["12345.6"] * 14)
    runpy.run_path(str(ROOT / "tools/benchmark.py"))["print_table"](table, markdown=True)
    _header, _line, row = capsys.readouterr().out.strip().splitlines()
    assert row.startswith("| rendered 00000_twins, networks, every 15, smooth | 12345.6 ")
