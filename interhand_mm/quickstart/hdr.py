"""Stage "hdr": HDR's small set, rendered, trained one network after the other, tested, tabled and pictured."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError
from ..utils.files import write_json
from ..utils.paths import ROOT
from ..utils.precision import bfloat16_is_fast
from ..utils.provenance import provenance
from .hdr_report import write_hdr_report
from .processes import QuickstartError, cores, python, run_all, together, train_together  # fmt: skip
from .settings import PLAIN, Settings, read_json
from .training import HEADROOM, PARALLEL, Progress, newest

_BASE, _PLUGIN = ROOT / "configs" / "quickstart" / f"{PLAIN}.py", ROOT / "configs" / "hdr" / "small.py"
_SIZE = "256x168"  # as the pose networks' set
_PICTURES = 10


@dataclass(frozen=True)
class Training:
    """One network of the set.

    Attributes:
        name: Of its work folder, OUT/hdr/NAME.
        config: Stem of the config in configs/hdr.
        batch: Batch size of the config.
        masks: Config paths of its data sets that read the frames' mask files.
        start: Whether it starts from the quick start's pose network, where that is trained.
    """

    name: str
    config: str
    batch: int = 16
    masks: tuple[str, ...] = ()
    start: bool = False

    @property
    def path(self) -> Path:
        """The config."""
        return ROOT / "configs" / "hdr" / f"{self.config}.py"

    def overrides(self, settings: Settings) -> list[str]:
        """Config overrides of its training and its test."""
        masks = [f"{path}.mask_root={settings.hdr_data / 'masks'}" for path in self.masks]
        return [*masks, f"randomness.seed={settings.seed}", *settings.hdr_overrides]


_TRAIN, _TEST = "train_dataloader.dataset", "test_dataloader.dataset"
SEGMENTOR = Training("segmentor", "small_segmentor", masks=(_TRAIN, _TEST), start=True)
INPAINTOR = Training("inpaintor", "small_inpaintor")
POSE = Training("pose", "small_pose", 32, (f"{_TRAIN}.datasets.0", f"{_TRAIN}.datasets.1", _TEST), start=True)
TRAININGS = (SEGMENTOR, INPAINTOR, POSE)


def run_hdr(settings: Settings, say: Callable[[str], None]) -> None:
    """Make what is missing of data, networks and tests; `hdr/report.json` holds the numbers.

    Raises:
        QuickstartError: A step failed, or there is no pose network to compare with.
    """
    if newest(settings.folder(PLAIN)) is None:
        raise QuickstartError("hdr compares with the quick start's pose network", fix="tools/quickstart.py train")
    make_aih(settings, say)
    for training in TRAININGS:
        if training is POSE:
            restore_hands(settings, say)
        train_network(settings, training, say)
        test_network(settings, training, say)
    evaluate_together(settings, say)
    evaluate_poses(settings, say)
    write_hdr_report(settings, [training.name for training in TRAININGS], say)


def make_aih(settings: Settings, say: Callable[[str], None]) -> None:
    """Render frames with masks and the AIH layout of the same views; a stopped run goes on where it was."""
    from ..synthesis.chunks import MANIFEST
    from ..synthesis.generate import generate
    from ..synthesis.plan import SynthesisOptions

    options = SynthesisOptions(num=settings.num, num_test=settings.num_test, seed=settings.seed, size=_SIZE, aih=True)
    known = read_json(settings.hdr_data / MANIFEST)
    if known is not None and (known["num"], known["seed"], known["aih"]) != (options.num, options.seed, True):
        raise ConfigError(f"{settings.hdr_data} holds another set", fix="give another folder with --data")
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
    start = newest(settings.folder(PLAIN)) if training.start else None
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
    rate = speed["samples_a_second"] * (together() * PARALLEL if together() > 1 else 1.0)
    return max(1, int(settings.minutes * 60 * HEADROOM * rate / speed["samples"]))


def restore_hands(settings: Settings, say: Callable[[str], None]) -> None:
    """Let the first two networks restore the training frames' hands, for the third to learn from."""
    from ..hdr.restore_dataset import restore_split
    from ..utils.config import DataOptions, load_config

    if (settings.hdr_data / "annotations" / "restored_train").exists():
        say("hdr: the training frames' hands are restored")
        return
    begun = time.monotonic()
    parts = [str(newest(settings.hdr / training.name)) for training in (SEGMENTOR, INPAINTOR)]
    cfg = load_config(_BASE, (), DataOptions(data_root=str(settings.hdr_data)))
    made = restore_split(cfg, _PLUGIN, parts)
    say(f"hdr: {made} hands of training frames restored in {time.monotonic() - begun:.0f} s")


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

    from ..checkpoints.io import load_checked
    from ..engine.runner import build_model
    from ..hdr.data import AIHDataset
    from ..hdr.evaluate_chain import HandRestorer
    from ..utils.config import DataOptions, load_config

    models, begun = [], time.monotonic()
    for training in (SEGMENTOR, INPAINTOR):
        cfg = load_config(training.path, training.overrides(settings), DataOptions(data_root=str(settings.hdr_data)))
        checkpoint = newest(settings.hdr / training.name)
        if checkpoint is None:
            raise QuickstartError(f"{training.name} is not trained", fix="python tools/quickstart.py hdr")
        model = build_model(cfg)
        load_checked(model, checkpoint)
        models.append((model.eval(), cfg))
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


def evaluate_poses(settings: Settings, say: Callable[[str], None]) -> None:
    """Errors of two-hand views by hidden share: `poses.json`, and `stages.jpg` of ten random views."""
    from ..hdr.ablation import HDRRun
    from ..utils.config import DataOptions, load_config

    begun = time.monotonic()
    parts = [str(newest(settings.hdr / training.name)) for training in TRAININGS]
    cfg = load_config(_BASE, settings.overrides, DataOptions(data_root=str(settings.hdr_data)))
    run = HDRRun(cfg, str(newest(settings.folder(PLAIN))), _PLUGIN, parts)
    rows = run.table()
    write_json(settings.hdr / "poses.json", {"rows": rows, "provenance": provenance(seed=settings.seed)})
    run.draw(settings.hdr / "stages.jpg", num=_PICTURES, seed=settings.seed)
    say(f"hdr: poses of two-hand views in {time.monotonic() - begun:.0f} s; {settings.hdr / 'stages.jpg'} shows stages")
