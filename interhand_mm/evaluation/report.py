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
    """Print a report as text: poses of two hands, and below them every other number."""
    protocol = report["protocol"]
    title = f"mm; box: {protocol['box']}, depth: {protocol['depth']}" if protocol else ""  # pictures alone have neither
    if boxes := report["counts"].get("boxes"):
        title += f"\nover the {boxes['found']} of {boxes['annotations']} annotations whose hands were found "
        title += f"(recall {report['metrics']['BoxRecall']:.4f}); {boxes['missed']} missed are not in the errors"
    text = io.StringIO()
    console = Console(file=text, width=width)
    sets = {"original": report, **report["variants"]}
    blocks = {f"{name} {part}": block for name, r in sets.items() for part, block in r.get("sets", {}).items()}
    poses = {name: block["metrics"] for name, block in (blocks or sets).items() if "MPJPE/all" in block["metrics"]}
    if poses:
        console.print(_pose_table(title, poses, {} if blocks else report["ratios"]))
    others = {name: _others(block["metrics"]) for name, block in (blocks or sets).items()}
    if any(others.values()):
        console.print(_plain_table("" if poses else title, {name: rows for name, rows in others.items() if rows}))
    return text.getvalue()


def _others(metrics: dict[str, float]) -> dict[str, float]:
    """What the table of poses does not show."""
    shown = ("MPJPE/", "MPJPE_micro/", "MPJPE_no_wrist/")
    told = ("MRRPE", "HandednessAccuracy") if "MPJPE/all" in metrics else ()
    return {k: v for k, v in metrics.items() if not k.startswith(shown) and k not in (*told, "BoxRecall")}


def _plain_table(title: str, sets: dict[str, dict[str, float]]) -> Table:
    """A row a set and metric."""
    table = Table(title=title or None, title_justify="left")
    for column in ("set", "metric"):
        table.add_column(column)
    table.add_column("value", justify="right")
    for name, metrics in sets.items():
        for row, (metric, value) in enumerate(metrics.items()):
            share = metric.startswith(("AUC", "PCK", "IoU", "Handedness"))
            table.add_row("" if row else name, metric, _cell(value, 4 if share else 2))
    return table


def _pose_table(title: str, sets: dict[str, dict[str, float]], of_variants: dict[str, dict[str, float]]) -> Table:
    """A row a set and protocol, and the variants' ratios below."""
    table = Table(title=title, title_justify="left")
    table.add_column("set")
    table.add_column("protocol")
    for column in (*(f"MPJPE {group}" for group in GROUPS), "MRRPE", "handedness"):
        table.add_column(column, justify="right")
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
    for name, ratios in of_variants.items():
        table.add_row(
            f"{name}/original",
            "official",
            *(_cell(ratios.get(f"MPJPE/{group}"), 3) for group in GROUPS),
            _cell(ratios.get("MRRPE"), 3),
            _cell(ratios.get("HandednessAccuracy"), 3),
        )
    return table
