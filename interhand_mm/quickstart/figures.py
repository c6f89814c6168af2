"""Figures of the report: training curves as SVG, and a sheet of predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.registry import init_default_scope

from ..apis.test import with_variant
from ..evaluation.functional.pose_3d import joint_errors_mm, wrist_relative_mm
from ..evaluation.predictions_file import load_predictions
from ..structures.joints import NOT_WRIST
from ..utils.images import resize_image
from ..visualization.overlay import contact_sheet, draw_hands, draw_label
from .result_tables import AUGMENTED
from .settings import BGAUG, Settings
from .testing import build_dataset, config

_COLORS = ("#c2410c", "#1d4ed8")
_TILE = 256  # px
_EACH = 4  # number of best, median and worst predictions


def read_scalars(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return iterations and values, (N,) each, of a scalar that mmengine logged in a work folder's last training."""
    for file in sorted(folder.glob("*/vis_data/scalars.json"), reverse=True):
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        pairs = [(line["step"], line[name]) for line in lines if name in line]
        if pairs:  # tests write such files too, without losses
            steps, values = np.array(pairs, float).T
            return steps, values
    return np.zeros(0), np.zeros(0)


def curves(series: dict[str, tuple[np.ndarray, np.ndarray]], title: str, unit: str) -> str:
    """Return a line chart as an inline SVG.

    Args:
        series: Values (x, y), (N,) each, of every label.
        title: Title above the chart.
        unit: Unit of y.
    """
    width, height, left, top, right, bottom = 460, 260, 58, 30, 12, 34
    filled = {label: pair for label, pair in series.items() if len(pair[0])}
    if not filled:
        return f"<p>{escape(title)}: no values were logged.</p>"
    x_max = max(pair[0].max() for pair in filled.values())
    low, high = (float(f([f(pair[1]) for pair in filled.values()])) for f in (np.min, np.max))
    span = high - low or 1.0
    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">']
    parts.append(f'<text x="{left}" y="18" class="title">{escape(title)}</text>')
    for value in np.linspace(low, high, 4):
        y = height - bottom - (value - low) / span * (height - top - bottom)
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(f'<text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    for i, (label, (x, y)) in enumerate(filled.items()):
        px = left + x / max(x_max, 1) * (width - left - right)
        py = height - bottom - (y - low) / span * (height - top - bottom)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{_COLORS[i % 2]}" stroke-width="1.8"/>')
        parts.append(
            f'<text x="{width - right}" y="{top + 14 * (i + 1)}" text-anchor="end" fill="{_COLORS[i % 2]}">'
            f"{escape(label)}</text>"
        )
    parts.append(f'<text x="{left}" y="{height - 10}">{escape(unit)}; x: training step, 0 to {x_max:.0f}</text></svg>')
    return "".join(parts)


def sample_errors(dataset: Any, predicted: dict[str, np.ndarray]) -> np.ndarray:
    """Return the mean error of each sample's visible joints without the wrists, (N,) mm; NaN if none is visible."""
    rows = [dataset.get_data_info(i) for i in range(len(dataset))]
    stacked = {key: np.stack([row[key] for row in rows]) for key in ("abs_depth", "focal", "principal_pt")}
    relative = wrist_relative_mm(predicted["keypoints"], **stacked)
    errors = joint_errors_mm(relative, np.stack([row["keypoints_cam"][0] for row in rows]))[:, NOT_WRIST]
    visible = np.stack([row["keypoints_visible"][0] for row in rows])[:, NOT_WRIST] > 0
    counts = visible.sum(axis=1)
    return np.where(counts > 0, np.where(visible, errors, 0).sum(axis=1) / np.maximum(counts, 1), np.nan)


def ranked(errors: np.ndarray, each: int) -> dict[str, list[int]]:
    """Return the rows of the best, the median and the worst samples.

    Args:
        errors: Error of each sample (N,). Samples with NaN are left out.
        each: Number of rows of each kind. Small data sets give fewer, so that no row is in two kinds.

    Example:
        >>> ranked(np.array([5.0, 1.0, np.nan, 3.0]), 1)
        {'best': [1], 'median': [3], 'worst': [0]}
    """
    order = np.argsort(errors)[: int(np.isfinite(errors).sum())]
    each = min(each, max(1, len(order) // 3))
    middle = (len(order) - each) // 2
    parts = {"best": order[:each], "median": order[middle : middle + each], "worst": order[-each:][::-1]}
    return {name: rows.tolist() for name, rows in parts.items()}


def prediction_sheet(settings: Settings, model: str = BGAUG, variant: str = AUGMENTED) -> np.ndarray:
    """Draw the best, median and worst predictions of a model on a variant of the test set.

    Each tile shows the network's crop twice: with the ground truth and with the prediction.

    Returns:
        Image (H, W, 3) uint8 BGR.
    """
    cfg = config(settings)
    init_default_scope(cfg.default_scope)
    dataset = build_dataset(with_variant(cfg.test_dataloader, cfg.test_variants[variant]), ("PackHandInputs",))
    predicted = load_predictions(settings.folder(model) / f"preds_{variant}.npz")
    errors = sample_errors(dataset, predicted)
    tiles: list[np.ndarray] = []
    for kind, rows in ranked(errors, _EACH).items():
        tiles += [_tile(dataset[row], predicted["keypoints"][row], f"{kind}: {errors[row]:.1f} mm") for row in rows]
    return contact_sheet(tiles, columns=2)


def _tile(sample: dict[str, Any], keypoints: np.ndarray, label: str) -> np.ndarray:
    size = sample["img"].shape[1]
    crop = resize_image(sample["img"], (_TILE, _TILE))
    visible = sample["keypoints_visible"][0]

    def drawn(points: np.ndarray, text: str) -> np.ndarray:
        moved = sample["warp"].to_crop(points[:, :2]) * (_TILE / size)
        return draw_label(draw_hands(crop, moved, visible), text)

    return np.hstack([drawn(sample["keypoints"][0], "truth"), drawn(keypoints, label)])


def chart_of(settings: Settings, models: Sequence[str], labels: dict[str, str], scalar: str, title: str) -> str:
    """Return the chart of one logged scalar of several models; see `curves`."""
    series = {labels[model]: read_scalars(settings.folder(model), scalar) for model in models}
    return curves(series, title, scalar)
