"""What stage "hdr" found, as tables: masks, pictures, and poses by how much of the hand is hidden."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..utils.files import write_json
from ..utils.provenance import provenance
from .settings import Settings, read_json

HDR_TABLES = ("masks", "pictures", "poses")  # of report.json


def write_hdr_report(settings: Settings, networks: Sequence[str], say: Callable[[str], None]) -> None:
    """Print the tables and write `hdr/report.json`, from what the runs wrote."""
    masks = _numbers(settings.hdr / "segmentor" / "metrics.json")
    pictures = _numbers(settings.hdr / "inpaintor" / "metrics.json")
    predicted = _numbers(settings.hdr / "together.json")
    content: dict[str, Any] = {
        "masks": mask_rows(masks),
        "pictures": picture_rows(pictures, predicted),
        "phantom": {side: masks[f"Phantom/{side}"] for side in ("right", "left")},
        "poses": pose_rows(read_json(settings.hdr / "poses.json")["rows"]),
        "training": [{"network": name, **_how(settings, name)} for name in networks],
        "provenance": provenance(seed=settings.seed),
    }
    write_json(settings.hdr / "report.json", content)
    say("hdr: IoU of masks\n" + _table(content["masks"]))
    say("hdr: PSNR in dB inside what was edited\n" + _table(content["pictures"]))
    say(
        "hdr: MPJPE in mm, root aligned, of two-hand views, by the share of the hand that is hidden in %\n"
        + _table(content["poses"])
    )
    for side, share in content["phantom"].items():
        say(f"hdr: a {side} hand was made up in {share:.1%} of the pictures without one")
    say(f"hdr: ten random views of the test set are in {settings.hdr / 'pictures.jpg'}")


def _numbers(path: Path) -> dict[str, float]:
    """A test's metrics; what nothing was measured for, null in the file, is NaN."""
    return {key: _number(value) for key, value in read_json(path)["metrics"].items()}


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _how(settings: Settings, network: str) -> dict[str, Any]:
    done = read_json(settings.hdr / network / "trained.json")
    return {"epochs": done["epochs"], "minutes": done["seconds"] / 60, "precision": done["asked"]["amp"]}


def mask_rows(numbers: dict[str, float]) -> list[dict[str, Any]]:
    """IoU of the network and of the two answers that know the true visible mask; means of both hands."""
    rows = []
    for label, prefix in (("network", ""), ("visible mask only", "visible/"), ("hull of the visible mask", "hull/")):
        keys = {"amodal": "IoU/{}_amodal", "visible": "IoU/{}_visible", "hidden part": "IoU_hidden/{}"}
        means = {
            column: sum(numbers[prefix + key.format(side)] for side in ("right", "left")) / 2
            for column, key in keys.items()
        }
        rows.append({"IoU": label, **means})
    return rows


def picture_rows(true_masks: dict[str, float], predicted_masks: dict[str, float]) -> list[dict[str, Any]]:
    """PSNR of the composed picture in the hidden part, in the other hand's place, and in both."""
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
    """Rows of `hdr.ablation.HDRRun.table` without their counts: errors by hidden share, root aligned."""
    groups = [*rows[0]["hands"], "all"]
    return [{"MPJPE": row["variant"], **{group: _number(row[f"EPE_root/{group}"]) for group in groups}} for row in rows]


def _table(rows: list[dict[str, Any]]) -> str:
    from rich.console import Console
    from rich.table import Table

    table, text = Table(), io.StringIO()
    for i, heading in enumerate(rows[0]):
        table.add_column(heading, justify="right" if i else "left")
    for row in rows:
        table.add_row(*(value if isinstance(value, str) else f"{value:.3f}" for value in row.values()))
    Console(file=text, width=100).print(table)
    return text.getvalue()
