"""Tables of the step "hdr": masks, restored images, and poses by the share of the hand that is hidden."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..utils.console import TextBuffer
from ..utils.files import write_json
from ..utils.provenance import provenance
from .settings import Log, Settings, read_json

HDR_TABLES = ("masks", "images", "poses")  # keys of report.json


def write_hdr_report(settings: Settings, networks: Sequence[str], log: Log) -> None:
    """Log the tables and write `hdr/report.json`, from the result files of the networks."""
    masks = _numbers(settings.hdr / "segmentor" / "metrics.json")
    images = _numbers(settings.hdr / "inpaintor" / "metrics.json")
    predicted = _numbers(settings.hdr / "chain.json")
    content: dict[str, Any] = {
        "masks": mask_rows(masks),
        "images": image_rows(images, predicted),
        "phantom": {side: masks[f"Phantom/{side}"] for side in ("right", "left")},
        "poses": pose_rows(read_json(settings.hdr / "poses.json")["rows"]),
        "training": [{"network": name, **_how(settings, name)} for name in networks],
        "provenance": provenance(seed=settings.seed),
    }
    write_json(settings.hdr / "report.json", content)
    log("hdr: IoU of the masks\n" + _table(content["masks"]))
    log("hdr: PSNR in dB of the edited pixels\n" + _table(content["images"]))
    log(
        "hdr: root-aligned MPJPE in mm of two-hand views, by the share of the hand that is hidden, in %\n"
        + _table(content["poses"])
    )
    for side, share in content["phantom"].items():
        log(f"hdr: a {side} hand was detected in {share:.1%} of the images without one")
    log(f"hdr: ten random views of the test set are in {settings.hdr / 'images.jpg'}")


def _numbers(path: Path) -> dict[str, float]:
    """Return the metrics of a test. A metric without samples, null in the file, becomes NaN."""
    return {key: _number(value) for key, value in read_json(path)["metrics"].items()}


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _how(settings: Settings, network: str) -> dict[str, Any]:
    done = read_json(settings.hdr / network / "trained.json")
    return {"epochs": done["epochs"], "minutes": done["seconds"] / 60, "precision": done["asked"]["amp"]}


def mask_rows(numbers: dict[str, float]) -> list[dict[str, Any]]:
    """Return the IoU of the network and of two baselines that use the true visible mask, averaged over both hands."""
    rows = []
    for label, prefix in (("network", ""), ("visible mask only", "visible/"), ("hull of the visible mask", "hull/")):
        keys = {"amodal": "IoU/{}_amodal", "visible": "IoU/{}_visible", "hidden part": "IoU_hidden/{}"}
        means = {
            column: sum(numbers[prefix + key.format(side)] for side in ("right", "left")) / 2
            for column, key in keys.items()
        }
        rows.append({"IoU": label, **means})
    return rows


def image_rows(true_masks: dict[str, float], predicted_masks: dict[str, float]) -> list[dict[str, Any]]:
    """Return the PSNR of the restored image in the hidden part, in the place of the other hand, and in both."""
    sources = {
        "mean colors, true masks": (true_masks, "mean/"),
        "Telea, true masks": (true_masks, "telea/"),
        "network, true masks": (true_masks, ""),
        "network, predicted masks": (predicted_masks, ""),
    }
    regions = {"de-occlusion": "hole", "removal": "removal", "both": "edited", "whole hand": "hand"}
    return [
        {"PSNR": label, **{text: numbers[f"{prefix}PSNR_composite/{key}"] for text, key in regions.items()}}
        for label, (numbers, prefix) in sources.items()
    ]


def pose_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the root-aligned errors by hidden share: the rows of `hdr.ablation.HDRRun.table` without their counts."""
    groups = [*rows[0]["hands"], "all"]
    return [{"MPJPE": row["variant"], **{group: _number(row[f"EPE_root/{group}"]) for group in groups}} for row in rows]


def _table(rows: list[dict[str, Any]]) -> str:
    from rich.console import Console
    from rich.table import Table

    table, text = Table(), TextBuffer()
    for i, heading in enumerate(rows[0]):
        table.add_column(heading, justify="right" if i else "left")
    for row in rows:
        table.add_row(*(value if isinstance(value, str) else f"{value:.3f}" for value in row.values()))
    Console(file=text, width=100).print(table)
    return text.getvalue()
