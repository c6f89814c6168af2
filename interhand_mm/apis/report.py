"""The content of metrics.json, and the table printed from it."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console
from rich.table import Table

GROUPS = ("all", "single", "interacting")


def metrics_report(reports: dict[str, dict[str, Any]], dataset: Any, origin: dict[str, Any]) -> dict[str, Any]:
    """Join the reports of the test set and its variants; the first is the set as it is.

    Args:
        reports: metrics, per_joint and counts of each.
        dataset: Says its `protocol` and, with detected boxes, its `coverage`: the metrics are over the annotations
            that were found, and beside them stands how many were not.
        origin: Provenance.

    Returns:
        metrics, per_joint and counts of the first; `variants` with the same of the others; `ratios`
        variant/original of every error; protocol; provenance.
    """
    first, *others = reports
    base = reports[first]
    coverage = getattr(dataset, "coverage", None)
    if coverage:
        recall = coverage["found"] / coverage["annotations"]
        base = {
            **base,
            "metrics": {**base["metrics"], "BoxRecall": recall},
            "counts": {**base["counts"], "boxes": coverage},
        }
    ratios = {
        name: {
            key: reports[name]["metrics"][key] / value
            for key, value in base["metrics"].items()
            if value and key in reports[name]["metrics"]
        }
        for name in others
    }
    return {
        **base,
        "variants": {name: reports[name] for name in others},
        "ratios": ratios,
        "protocol": getattr(dataset, "protocol", {}),
        "provenance": origin,
    }


def _cell(value: float | None, digits: int = 2) -> str:
    return "-" if value is None or value != value else f"{value:.{digits}f}"


def metrics_table(report: dict[str, Any], width: int = 110) -> str:
    """Print a report as text: a row a set and protocol, and the variants' ratios below; without MPJPE every number."""
    if not any(name.startswith("MPJPE") for name in report["metrics"]):
        return _numbers_table(report["metrics"], width)
    protocol = report["protocol"]
    title = f"mm; box: {protocol['box']}, depth: {protocol['depth']}"
    if boxes := report["counts"].get("boxes"):
        title += f"\nover the {boxes['found']} of {boxes['annotations']} annotations whose hands were found "
        title += f"(recall {report['metrics']['BoxRecall']:.4f}); {boxes['missed']} missed are not in the errors"
    table = Table(title=title, title_justify="left")
    table.add_column("set")
    table.add_column("protocol")
    for column in (*(f"MPJPE {group}" for group in GROUPS), "MRRPE", "handedness"):
        table.add_column(column, justify="right")
    sets = {"original": report["metrics"], **{n: v["metrics"] for n, v in report["variants"].items()}}
    for name, metrics in sets.items():
        for label, prefix in (("official", "MPJPE"), ("micro", "MPJPE_micro"), ("no_wrist", "MPJPE_no_wrist")):
            shared = label == "official"
            table.add_row(
                name if shared else "",
                label,
                *(_cell(metrics.get(f"{prefix}/{group}")) for group in GROUPS),
                _cell(metrics.get("MRRPE")) if shared else "",
                _cell(metrics.get("HandednessAccuracy"), 4) if shared else "",
            )
    for name, ratios in report["ratios"].items():
        table.add_row(
            f"{name}/original",
            "official",
            *(_cell(ratios.get(f"MPJPE/{group}"), 3) for group in GROUPS),
            _cell(ratios.get("MRRPE"), 3),
            _cell(ratios.get("HandednessAccuracy"), 3),
        )
    return _text(table, width)


def _numbers_table(metrics: dict[str, float], width: int) -> str:
    """Metrics named "[prefix/]number/group" (of masks, restored pictures): a row a number, a column a group."""
    groups = list(dict.fromkeys(name.rpartition("/")[2] for name in metrics))
    table = Table()
    table.add_column("")
    for group in groups:
        table.add_column(group, justify="right")
    for row in dict.fromkeys(name.rpartition("/")[0] for name in metrics):
        cells = [metrics.get(f"{row}/{group}" if row else group) for group in groups]
        table.add_row(row, *("" if value is None else _cell(value, 3) for value in cells))
    return _text(table, width)


def _text(table: Table, width: int) -> str:
    text = io.StringIO()
    Console(file=text, width=width).print(table)
    return text.getvalue()
