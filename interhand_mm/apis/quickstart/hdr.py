"""Stage "hdr": HDR's small set, rendered, trained one network after the other, tested, tabled and pictured."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ...utils.provenance import provenance, write_json
from .settings import (
    BGAUG,
    ROOT,
    QuickstartError,
    Settings,
    bfloat16_is_fast,
    cores,
    python,
    read_json,
    run_all,
    together,
    train_together,
)  # fmt: skip
from .training import Progress, newest

_SIZE = "256x168"  # as the pose networks' set
_HEADROOM = 0.95  # of the time: start-up and checkpoints, which the probe does not see
_PARALLEL = 0.85  # of its ideal speed, that data-parallel training reaches
_PICTURES = 10
HDR_TABLES = ("masks", "pictures")  # of report.json


@dataclass(frozen=True)
class Training:
    """One network of the set.

    Attributes:
        name: Of its work folder, OUT/hdr/NAME.
        config: Stem of the config in configs/hdr.
        batch: Batch size of the config.
        masks: Whether its data sets read the frames' mask files.
        start: Whether it starts from the backbone of the quick start's pose network, where that is trained.
    """

    name: str
    config: str
    batch: int = 16
    masks: bool = False
    start: bool = False

    @property
    def path(self) -> Path:
        """The config."""
        return ROOT / "configs" / "hdr" / f"{self.config}.py"

    def overrides(self, settings: Settings) -> list[str]:
        """Config overrides of its training and its test."""
        masks = [f"{loader}_dataloader.dataset.mask_root={settings.hdr_data / 'masks'}" for loader in ("train", "test")]
        return [*(masks if self.masks else []), f"randomness.seed={settings.seed}", *settings.hdr_overrides]


SEGMENTOR = Training("segmentor", "small_segmentor", masks=True, start=True)
INPAINTOR = Training("inpaintor", "small_inpaintor")
TRAININGS = (SEGMENTOR, INPAINTOR)


def run_hdr(settings: Settings, say: Callable[[str], None]) -> None:
    """Make what is missing of data, networks and tests; `hdr/report.json` holds the numbers."""
    make_aih(settings, say)
    for training in TRAININGS:
        train_network(settings, training, say)
        test_network(settings, training, say)
    evaluate_together(settings, say)
    write_hdr_report(settings, say)


def make_aih(settings: Settings, say: Callable[[str], None]) -> None:
    """Render frames with masks and the AIH layout of the same views; a stopped run goes on where it was."""
    from ...synthesis.generate import generate
    from ...synthesis.plan import MANIFEST, Options

    options = Options(num=settings.num, num_test=settings.num_test, seed=settings.seed, size=_SIZE, aih=True)
    known = read_json(settings.hdr_data / MANIFEST)
    if known is not None and (known["num"], known["seed"], known["aih"]) != (options.num, options.seed, True):
        raise ConfigError(f"{settings.hdr_data} holds another set", mend="give another folder with --data")
    if (settings.hdr_data / "report.json").is_file():
        say(f"hdr: {settings.hdr_data} is complete")
        return
    say(f"hdr: rendering {options.num} + {options.num_test} images of two subjects' hands, together and alone")
    generate(settings.hdr_data, options, workers=min(len(cores()), 8))


def train_network(settings: Settings, training: Training, say: Callable[[str], None]) -> None:
    """Train a network on all cores for `settings.minutes`, or `settings.epochs`; `trained.json` says how."""
    folder = settings.hdr / training.name
    amp = "bfloat16" if bfloat16_is_fast() else "float32"
    asked = {"data": str(settings.hdr_data), "num": settings.num, "seed": settings.seed, "amp": amp}
    asked |= {"overrides": list(settings.hdr_overrides), "minutes": settings.minutes, "epochs": settings.epochs}
    done = read_json(folder / "trained.json")
    if done is not None and done["asked"] == asked and newest(folder) is not None:
        say(f"hdr: {training.name} is trained ({done['epochs']} epochs, {done['seconds'] / 60:.1f} min)")
        return
    start = newest(settings.folder(BGAUG)) if training.start else None
    if training.start and start is None:
        say(f"hdr: {training.name} starts from random weights and learns sides late; 'quickstart.py train' comes first")
    epochs = settings.epochs or _plan(settings, training, amp)
    for old in [*folder.glob("epoch_*.pth"), *folder.glob("*.json")]:  # of a run that was asked for something else
        old.unlink()
    more = ["--amp", "bfloat16"] if amp == "bfloat16" else []
    more += ["--load-from", str(start)] if start else []
    arguments = [str(training.path), "--data-root", str(settings.hdr_data), "--work-dir", str(folder), *more]
    changes = [*training.overrides(settings), f"train_cfg.max_epochs={epochs}"]
    command = train_together(training.batch, settings.hdr_overrides, *arguments, "--cfg-options", *changes)
    say(f"hdr: training {training.name}, {epochs} epochs, {amp}")
    logs = {training.name: folder / "train.log"}
    took = run_all({training.name: command}, logs, Progress(logs, say), together())[training.name]
    done = {"asked": asked, "epochs": epochs, "seconds": took, "command": command, "start": start and str(start)}
    write_json(folder / "trained.json", done)
    say(f"hdr: {training.name} took {took / 60:.1f} min")


def _plan(settings: Settings, training: Training, amp: str) -> int:
    """Epochs that fit into the minutes, from timed steps on one core."""
    answer = settings.hdr / training.name / "speed.json"
    arguments = [str(training.path), "--data-root", str(settings.hdr_data), "--amp", amp, "--answer", str(answer)]
    command = python("quickstart.py", "probe", *arguments, "--cfg-options", *training.overrides(settings))
    run_all({training.name: command}, {training.name: answer.with_name("probe.log")}, lambda name: None, together())
    speed = read_json(answer)
    rate = speed["samples_a_second"] * (together() * _PARALLEL if together() > 1 else 1.0)
    return max(1, int(settings.minutes * 60 * _HEADROOM * rate / speed["samples"]))


def test_network(settings: Settings, training: Training, say: Callable[[str], None]) -> None:
    """Write metrics.json of a network that has none."""
    folder = settings.hdr / training.name
    if read_json(folder / "metrics.json") is not None:
        say(f"hdr: {training.name} is tested")
        return
    say(f"hdr: testing {training.name}")
    arguments = [str(training.path), str(newest(folder)), "--data-root", str(settings.hdr_data)]
    changes = ["--work-dir", str(folder), "--cfg-options", *training.overrides(settings)]
    run_all(
        {training.name: python("test.py", *arguments, *changes)},
        {training.name: folder / "test.log"},
        lambda name: None,
    )


def evaluate_together(settings: Settings, say: Callable[[str], None]) -> None:
    """Restore the test set's hands by predicted masks: `together.json`, and pictures of ten random views."""
    import cv2

    from ...datasets import AIHDataset
    from ...utils.config import DataOptions, load_config
    from ..restoration import HandRestorer, load_network

    models, begun = [], time.monotonic()
    for training in (SEGMENTOR, INPAINTOR):
        cfg = load_config(training.path, training.overrides(settings), DataOptions(data_root=str(settings.hdr_data)))
        checkpoint = newest(settings.hdr / training.name)
        if checkpoint is None:
            raise QuickstartError(f"{training.name} is not trained", mend="python tools/quickstart.py hdr")
        models.append((load_network(cfg, checkpoint), cfg))
    (segmentor, seg_cfg), (inpaintor, inpaint_cfg) = models
    crop = next(step for step in inpaint_cfg.test_dataloader.dataset.pipeline if step.type == "CropTarget")
    restorer = HandRestorer(segmentor, inpaintor, seg_cfg.codec.input_size[0], crop.size[0])
    steps = [dict(type="LoadAIH"), dict(type="MirrorHands")]
    dataset = AIHDataset(str(settings.hdr_data), split="test", part="render", test_mode=True, pipeline=steps)
    numbers = restorer.evaluate(dataset)
    write_json(settings.hdr / "together.json", {"metrics": numbers, "samples": len(dataset)})
    sheet = restorer.sheet(dataset, _PICTURES, settings.seed)
    if not cv2.imwrite(str(settings.hdr / "pictures.jpg"), sheet, [cv2.IMWRITE_JPEG_QUALITY, 88]):
        raise QuickstartError("the pictures cannot be written", got=settings.hdr / "pictures.jpg")
    say(f"hdr: {len(dataset)} hands restored by predicted masks in {time.monotonic() - begun:.0f} s")


def write_hdr_report(settings: Settings, say: Callable[[str], None]) -> None:
    """Print the tables and write `hdr/report.json`, from what the runs wrote."""
    masks = _numbers(settings.hdr / "segmentor" / "metrics.json")
    pictures = _numbers(settings.hdr / "inpaintor" / "metrics.json")
    predicted = _numbers(settings.hdr / "together.json")
    content: dict[str, Any] = {
        "masks": mask_rows(masks),
        "pictures": picture_rows(pictures, predicted),
        "phantom": {side: masks[f"Phantom/{side}"] for side in ("right", "left")},
        "training": [{"network": t.name, **_how(settings, t)} for t in TRAININGS],
        "provenance": provenance(seed=settings.seed),
    }
    write_json(settings.hdr / "report.json", content)
    say("hdr: IoU of masks\n" + _table(content["masks"]))
    say("hdr: PSNR in dB inside what was edited\n" + _table(content["pictures"]))
    for side, share in content["phantom"].items():
        say(f"hdr: a {side} hand was made up in {share:.1%} of the pictures without one")
    say(f"hdr: ten random views of the test set are in {settings.hdr / 'pictures.jpg'}")


def _numbers(path: Path) -> dict[str, float]:
    """A test's metrics; what nothing was measured for, null in the file, is NaN."""
    return {key: math.nan if value is None else value for key, value in read_json(path)["metrics"].items()}


def _how(settings: Settings, training: Training) -> dict[str, Any]:
    done = read_json(settings.hdr / training.name / "trained.json")
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
        "mean colours, true masks": (true_masks, "mean/"),
        "Telea, true masks": (true_masks, "telea/"),
        "network, true masks": (true_masks, ""),
        "network, predicted masks": (predicted_masks, ""),
    }
    regions = {"de-occlusion": "hole", "removal": "removal", "both": "edited", "whole hand": "hand"}
    return [
        {"PSNR": label, **{text: numbers[f"{prefix}PSNR_composite/{key}"] for text, key in regions.items()}}
        for label, (numbers, prefix) in sources.items()
    ]


def _table(rows: list[dict[str, Any]]) -> str:
    import io

    from rich.console import Console
    from rich.table import Table

    table, text = Table(), io.StringIO()
    for i, heading in enumerate(rows[0]):
        table.add_column(heading, justify="right" if i else "left")
    for row in rows:
        table.add_row(*(value if isinstance(value, str) else f"{value:.3f}" for value in row.values()))
    Console(file=text, width=100).print(table)
    return text.getvalue()
