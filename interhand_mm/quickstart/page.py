"""Step "report": write a self-contained HTML page."""

from __future__ import annotations

import base64
import shlex
import sys
from html import escape
from pathlib import Path
from typing import Any

import cv2

from ..utils.files import write_json, write_text
from ..utils.provenance import provenance
from .figures import chart_of, prediction_sheet
from .hdr_report import HDR_TABLES
from .processes import QuickstartError
from .result_tables import COLUMNS, LABELS, cell, console_text, ratio_rows, read_metrics, result_rows
from .settings import MODEL_LABELS, PRETRAIN, Log, Settings, read_json

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1080px; margin: 2em auto; padding: 0 1em; color: #1c1917; }
table { border-collapse: collapse; margin: 1em 0; } th, td { padding: .3em .8em; border-bottom: 1px solid #d6d3d1; }
th { text-align: left; background: #f5f5f4; } td.n { text-align: right; font-variant-numeric: tabular-nums; }
svg { width: 49%; } svg text { font-size: 11px; } svg .title { font-size: 13px; font-weight: 600; }
.grid { stroke: #e7e5e4; } img { max-width: 100%; } img.third { width: 32%; margin: .3%; vertical-align: top; }
code { background: #f5f5f4; padding: .1em .3em; }
"""
_NUMBER = ' class="n"'
_CURVES = {
    "loss_keypoint": "cross entropy of the marginals",
    "loss_expectation": "distance of the expected bins (weighted)",
    "loss_handedness": "handedness",
    "loss_root_depth": "depth between the wrists (weighted)",
}


def write_report(settings: Settings, log: Log) -> None:
    """Log the tables and write report.json and report.html, from the result files of the earlier steps."""
    metrics = read_metrics(settings)
    content = {
        "results": result_rows(metrics),
        "ratios": ratio_rows(metrics),
        "training": training_rows(settings),
        "photographs": read_json(settings.data / "photographs" / "photographs.json"),
        "rendering": read_json(settings.out / "data.json"),  # None if the data set was made by an earlier run
        "synthesis": read_json(settings.data / "report.json"),
        # Each of the following is None if its step did not run.
        "detector": read_json(settings.folder("detector") / "metrics.json"),
        "demo": read_json(settings.out / "demo" / "demo.json"),
        "heads": read_json(settings.out / "heads.json"),
        "hdr": read_json(settings.hdr / "report.json"),
        "provenance": provenance(seed=settings.seed),
    }
    write_json(settings.out / "report.json", content)
    sheet = prediction_sheet(settings)
    done, jpeg = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, 88])
    if not done:
        raise QuickstartError("the image of the predictions cannot be encoded", got=sheet.shape)
    write_text(settings.out / "report.html", page(settings, content, metrics, jpeg.tobytes()))
    log("report:\n" + console_text(metrics))
    log(f"report: written to {settings.out / 'report.html'}")


def training_rows(settings: Settings) -> list[dict[str, Any]]:
    """Return how the shared epochs and each model were trained: epochs, samples, minutes, precision, command."""
    rows = []
    for model in (PRETRAIN, *MODEL_LABELS):
        done = read_json(settings.folder(model) / "trained.json")
        if done is None:
            raise QuickstartError(f"{model} is not trained yet", fix="python -m interhand_mm.quickstart train")
        label = LABELS.get(model, "shared epochs of both")
        rows.append({"model": label, "precision": done["asked"]["amp"], "minutes": done["seconds"] / 60}
                    | {key: done[key] for key in ("epochs", "samples", "at_once", "command")})  # fmt: skip
    return rows


def html_table(columns: dict[str, str], rows: list[dict[str, Any]]) -> str:
    """Return rows as an HTML table. `columns` maps keys of the rows to headings."""
    head = "".join(f"<th>{escape(text)}</th>" for text in columns.values())
    body = []
    for row in rows:
        cells = []
        for key in columns:
            number = isinstance(row[key], (int, float))
            text = str(row[key]) if isinstance(row[key], int) else cell(key, row[key])
            cells.append(f"<td{_NUMBER if number else ''}>{escape(text)}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _about(settings: Settings, content: dict[str, Any], metrics: dict[str, Any]) -> str:
    origin = content["provenance"]
    machine = origin["hardware"]
    photos = content["photographs"] or {}
    lines = [
        f"command: <code>{escape(shlex.join([sys.executable, *sys.argv]))}</code>",
        f"seed {settings.seed}; written {escape(origin['time'])}; commit {escape(str(origin['git_commit']))}",
        f"machine: {escape(machine['cpu'])}, {machine['cores']} cores, GPUs: {len(machine['gpus'])}",
        "versions: " + escape(", ".join(f"{name} {version}" for name, version in origin["versions"].items())),
    ]
    if content["rendering"]:
        lines.append(f"{content['rendering']['images']} images rendered in {content['rendering']['seconds']:.0f} s")
    for split in ("train", "test"):
        if split in photos:
            missing = "; not installed: " + ", ".join(photos[split]["missing"]) if photos[split]["missing"] else ""
            lines.append(
                f"photographs for {split}: {escape('; '.join(photos[split]['sources']))}{escape(missing)} "
                f"({photos[split]['views']} views)"
            )
    for model in MODEL_LABELS:
        digest = metrics[model]["provenance"]["checkpoint_sha256"]
        lines.append(f"{escape(LABELS[model])}: checkpoint sha256 <code>{digest[:16]}</code>")
    lines += [f"<code>{escape(shlex.join(row['command']))}</code>" for row in content["training"]]
    return "<ul>" + "".join(f"<li>{line}</li>" for line in lines) + "</ul>"


def _in_the_wild(content: dict[str, Any]) -> str:
    """Return the section on the detector and the demo, empty if their steps did not run."""
    if content["detector"] is None or content["demo"] is None:
        return ""
    numbers, counts = content["detector"]["metrics"], content["detector"]["counts"]
    files = [Path(path) for path in content["demo"]["images"]]
    jpegs = [base64.b64encode(path.read_bytes()).decode() for path in files if path.is_file()]
    images = "".join(f'<img class="third" alt="demo" src="data:image/jpeg;base64,{jpeg}">' for jpeg in jpegs)
    return f"""<h2>In the wild: detect, group, lift</h2>
<p>Hands of other subjects on other photographs, found by a detector that this run trained: AP50
{numbers["AP50"]:.3f}, AP {numbers["AP"]:.3f} on {counts["images"]} scenes with {counts["hands"]} hands. For your own
image: <code>{escape(content["demo"]["command"])} --input IMAGE --out-dir OUT</code></p>
{images}"""


def _heads(content: dict[str, Any]) -> str:
    """Return the section that compares heads, empty if its step did not run."""
    if content["heads"] is None:
        return ""
    columns = {"head": "head", "seconds": "seconds", "samples": "samples", **{c: c for c in COLUMNS}}
    return f"""<h2>1D marginals and 3D heatmaps after equal training time</h2>
<p>Both heads use the same backbone and the data without photographs. They start from random weights and are trained at
the same time on one core each. Errors are on the original test set.</p>
{html_table(columns, content["heads"]["rows"])}"""


def _hdr(settings: Settings, content: dict[str, Any]) -> str:
    """Return the section on the HDR plugin, empty if its step did not run."""
    if content["hdr"] is None:
        return ""
    tables = [html_table({key: key for key in rows[0]}, rows) for rows in map(content["hdr"].get, HDR_TABLES)]
    images = "".join(
        f'<img alt="ten random views" src="data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}">'
        for path in (settings.hdr / "images.jpg", settings.hdr / "stages.jpg")
    )
    return f"""<h2>HDR: each hand alone</h2>
<p>The visible and the amodal mask of each hand are segmented, then each hand is restored without the other. The test
subjects are not in the training set. First table: IoU of the masks; the baselines use the true visible mask. Second
table: PSNR in dB of the restored image in the hidden part of the hand (de-occlusion), in the place of the other hand
(removal), in both, and over the whole hand. Third table: root-aligned MPJPE in mm of two-hand views by the share of the
hand that is hidden, in %; "pose alone" is the single-hand network on the original crop.</p>
{"".join(tables)}{images}"""


def page(settings: Settings, content: dict[str, Any], metrics: dict[str, Any], jpeg: bytes) -> str:
    """Return the self-contained page."""
    charts = "".join(chart_of(settings, list(MODEL_LABELS), LABELS, name, title) for name, title in _CURVES.items())
    results = html_table({"set": "set", "model": "model", **{c: c for c in COLUMNS}}, content["results"])
    ratios = html_table({"model": "augmented / original", **{c: c for c in COLUMNS}}, content["ratios"])
    training = html_table(
        {"model": "model", "epochs": "epochs", "samples": "samples", "minutes": "minutes", "precision": "precision"},
        content["training"],
    )
    image = base64.b64encode(jpeg).decode()
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>interhand_mm: quick start</title><style>{_STYLE}</style></head><body>
<h1>Quick start: do photographs behind the hands help?</h1>
<p>Two small networks are trained on rendered hands in a dark studio. In the last part of the training, one of them
sees photographs behind some of the samples. Both are tested on other subjects, as rendered (original) and with other
photographs as background (augmented). MPJPE and MRRPE are in mm; boxes and wrist depths are ground truth; all data is
synthetic.</p>
{results}{ratios}
<h2>Training</h2>{training}<div>{charts}</div>
<h2>Best, median and worst predictions</h2>
<p>Model {escape(LABELS["marginal_bgaug"])} on the augmented set. The error is the mean over the joints of a sample.</p>
<img alt="predictions" src="data:image/jpeg;base64,{image}">
{_in_the_wild(content)}
{_heads(content)}
{_hdr(settings, content)}
<h2>Provenance</h2>{_about(settings, content, metrics)}
</body></html>
"""
