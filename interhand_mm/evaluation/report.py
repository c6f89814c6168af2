"""The content of metrics.json, and the table printed from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, cast

from rich.console import Console
from rich.table import Table

from ..utils.console import TextBuffer
from .functional.pose_3d import GROUPS

_COLUMNS = ("all", *GROUPS)


class MetricsBlock(TypedDict, total=False):
    """Numbers of one pass over a data set.

    A number without data is NaN, which the file stores as null.

    Attributes:
        metrics: Name of each metric -> value. Lengths are mm unless the name ends in "_px"; accuracies, PCK, AUC and
            IoU are fractions. "MPJPE/...", "MPJPE_micro/..." and "MPJPE_no_wrist/..." are the three protocols, each for
            "all", "single" and "interacting" samples.
        per_joint: Name of each joint -> its mean error in mm.
        counts: Number of items behind the means: "joints" (by group), "wrist_pairs", "hand_types", "boxes", ...;
            "samples" of the test set, and how many of them were "skipped" because their images cannot be used.
        sets: Name of each data set -> its own block, if the test set mixes several.
    """

    metrics: dict[str, float]
    per_joint: dict[str, float]
    counts: dict[str, Any]
    sets: dict[str, MetricsBlock]


class MetricsReport(MetricsBlock, total=False):
    """The content of metrics.json: the block of the test set, and what it was measured with.

    Attributes:
        variants: Name of each test variant -> its block.
        ratios: Name of each test variant -> metric -> value on the variant divided by value on the test set.
        protocol: Origin of the boxes and of the absolute depths: {"box", "depth"}, each "gt", "rootnet" or "detected".
        provenance: Config, checkpoint and its sha256, versions, seed, command, git commit and hardware.
    """

    variants: dict[str, MetricsBlock]
    ratios: dict[str, dict[str, float]]
    protocol: dict[str, str]
    provenance: dict[str, Any]


def metrics_report(reports: Mapping[str, MetricsBlock], dataset: Any, origin: dict[str, Any]) -> MetricsReport:
    """Join the blocks of the test set and of its variants.

    Args:
        reports: Name -> block; the first is the test set itself, the others are its variants.
        dataset: The test set. Its `protocol` goes into the report. With detected boxes its `coverage` does too: the
            metrics are over the annotations with a detected box, "BoxRecall" is their share.
        origin: Provenance; see `utils.provenance`.
    """
    first, *others = reports
    base = reports[first]
    coverage = getattr(dataset, "coverage", None)
    if coverage:
        recall = coverage["found"] / coverage["annotations"]
        metrics, counts = {**base["metrics"], "BoxRecall": recall}, {**base["counts"], "boxes": coverage}
        base = cast(MetricsBlock, {**base, "metrics": metrics, "counts": counts})
    ratios = {
        name: {
            key: reports[name]["metrics"][key] / value
            for key, value in base["metrics"].items()
            if value and key in reports[name]["metrics"]
        }
        for name in others
    }
    report = {
        **base,
        "variants": {name: reports[name] for name in others},
        "ratios": ratios,
        "protocol": getattr(dataset, "protocol", {}),
        "provenance": origin,
    }
    return cast(MetricsReport, report)


def _cell(value: float | None, digits: int = 2) -> str:
    return "-" if value is None or value != value else f"{value:.{digits}f}"


def metrics_table(report: MetricsReport, width: int = 110) -> str:
    """Return a report as text: a table of MPJPE, MRRPE and handedness, and below it all other numbers.

    Args:
        report: Report from `metrics_report`.
        width: Width of the text in characters.
    """
    protocol = report["protocol"]
    # Data sets without poses have no protocol.
    title = f"mm; box: {protocol['box']}, depth: {protocol['depth']}" if protocol else ""
    if boxes := report["counts"].get("boxes"):
        title += f"\nover the {boxes['found']} of {boxes['annotations']} annotations whose hands were found "
        title += f"(recall {report['metrics']['BoxRecall']:.4f}); {boxes['missed']} missed are not in the errors"
    for block in (report, *report.get("sets", {}).values()):
        if skipped := block["counts"].get("skipped"):
            title += f"\n{skipped} of {block['counts']['samples']} samples could not be used and are in no number below"
    text = TextBuffer()
    console = Console(file=text, width=width)
    sets: dict[str, MetricsBlock] = {"original": report, **report["variants"]}
    blocks = {f"{name} {part}": block for name, r in sets.items() for part, block in r.get("sets", {}).items()}
    poses = {name: block["metrics"] for name, block in (blocks or sets).items() if "MPJPE/all" in block["metrics"]}
    if poses:
        console.print(_pose_table(title, poses, {} if blocks else report["ratios"]))
    others = {name: _others(block["metrics"]) for name, block in (blocks or sets).items()}
    if any(others.values()):
        console.print(_plain_table("" if poses else title, {name: rows for name, rows in others.items() if rows}))
    return text.getvalue()


def _others(metrics: dict[str, float]) -> dict[str, float]:
    """Return the metrics that the table of poses does not show."""
    shown = ("MPJPE/", "MPJPE_micro/", "MPJPE_no_wrist/")
    also_shown = ("MRRPE", "HandednessAccuracy") if "MPJPE/all" in metrics else ()
    return {k: v for k, v in metrics.items() if not k.startswith(shown) and k not in (*also_shown, "BoxRecall")}


def _plain_table(title: str, sets: dict[str, dict[str, float]]) -> Table:
    """Return a table with one row per set and metric."""
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
    """Return a table with one row per set and protocol, and below them the ratios of the variants."""
    table = Table(title=title, title_justify="left")
    table.add_column("set")
    table.add_column("protocol")
    for column in (*(f"MPJPE {group}" for group in _COLUMNS), "MRRPE", "handedness"):
        table.add_column(column, justify="right")
    for name, metrics in sets.items():
        for label, prefix in (("official", "MPJPE"), ("micro", "MPJPE_micro"), ("no_wrist", "MPJPE_no_wrist")):
            shared = label == "official"
            table.add_row(
                name if shared else "",
                label,
                *(_cell(metrics.get(f"{prefix}/{group}")) for group in _COLUMNS),
                _cell(metrics.get("MRRPE")) if shared else "",
                _cell(metrics.get("HandednessAccuracy"), 4) if shared else "",
            )
    for name, ratios in of_variants.items():
        table.add_row(
            f"{name}/original",
            "official",
            *(_cell(ratios.get(f"MPJPE/{group}"), 3) for group in _COLUMNS),
            _cell(ratios.get("MRRPE"), 3),
            _cell(ratios.get("HandednessAccuracy"), 3),
        )
    return table
