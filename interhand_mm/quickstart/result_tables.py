"""Tables of the quick start. Every number is read from the metrics.json files of its runs."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from ..utils.console import TextBuffer
from .processes import QuickstartError
from .settings import BGAUG, MODEL_LABELS, PLAIN, Settings, read_json

CONSTANT, ORIGINAL, AUGMENTED = "constant", "original", "augmented"
COLUMNS = {
    "all": "MPJPE/all",
    "single": "MPJPE/single",
    "interacting": "MPJPE/interacting",
    "MRRPE": "MRRPE",
    "handedness": "HandednessAccuracy",
}
LABELS = {**MODEL_LABELS, CONSTANT: "mean training pose"}


def read_metrics(settings: Settings) -> dict[str, Any]:
    """Read metrics.json of both models and of the mean pose.

    Raises:
        QuickstartError: A model is not tested yet.
    """
    found = {model: read_json(settings.folder(model) / "metrics.json") for model in (*MODEL_LABELS, CONSTANT)}
    missing = [model for model, report in found.items() if report is None]
    if missing:
        raise QuickstartError(f"not tested yet: {', '.join(missing)}", fix="python -m interhand_mm.quickstart test")
    return found


def result_rows(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the main table, in the order of docs/spec/background_augmentation.md, then the mean pose.

    Returns:
        Rows with `set`, `model`, and a number or None for every key of `COLUMNS`.
    """
    rows = []
    for name in (ORIGINAL, AUGMENTED):
        for model in MODEL_LABELS:
            report = metrics[model]
            numbers = report["metrics"] if name == ORIGINAL else report["variants"][name]["metrics"]
            rows.append({"set": name, "model": LABELS[model], **{c: numbers.get(k) for c, k in COLUMNS.items()}})
    constant = metrics[CONSTANT]["metrics"]
    rows.append({"set": "either", "model": LABELS[CONSTANT], **{c: constant.get(k) for c, k in COLUMNS.items()}})
    return rows


def ratio_rows(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the error on the augmented set divided by the error on the original set, for every model."""
    rows = []
    for model in (PLAIN, BGAUG):
        ratios = metrics[model]["ratios"][AUGMENTED]
        rows.append({"model": LABELS[model], **{c: ratios.get(k) for c, k in COLUMNS.items()}})
    return rows


def cell(column: str, value: Any) -> str:
    """Format a number as the published table does: mm with two digits, handedness accuracy with four."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return f"{value:.4f}" if column == "handedness" else f"{value:.2f}"


def console_text(metrics: dict[str, Any], width: int = 100) -> str:
    """Return both tables as text for a terminal."""
    protocol = metrics[PLAIN]["protocol"]
    title = f"MPJPE and MRRPE in mm (synthetic hands; box: {protocol['box']}, depth: {protocol['depth']})"
    table = Table(title=title, title_justify="left")
    for heading in ("set", "model", *COLUMNS):
        table.add_column(heading, justify="right" if heading in COLUMNS else "left")
    for row in result_rows(metrics):
        table.add_row(*(cell(key, row[key]) for key in ("set", "model", *COLUMNS)))
    for row in ratio_rows(metrics):
        table.add_row("augmented/original", row["model"], *(cell("", row[key]) for key in COLUMNS))
    text = TextBuffer()
    Console(file=text, width=width).print(table)
    return text.getvalue()
