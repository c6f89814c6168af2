"""Step "hdr": render a small data set for the HDR plugin, train and test its networks, and show their results."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from ..utils.files import write_json
from ..utils.images import write_image
from ..utils.paths import CONFIGS
from ..utils.provenance import provenance
from .hdr_report import write_hdr_report
from .processes import QuickstartError, cores, python, run_all, time_steps, train_on_all_cores, training_processes
from .settings import PLAIN, Log, Settings, is_kept, read_json
from .training import HEADROOM, PARALLEL, Progress, amp_arguments, newest, precision

_BASE, _PLUGIN = CONFIGS / "quickstart" / f"{PLAIN}.py", CONFIGS / "hdr" / "small.py"
_SIZE = "256x168"  # the size of the pose networks' data set
_IMAGES = 10


@dataclass(frozen=True)
class Training:
    """One network of the HDR plugin.

    Attributes:
        name: Name of its work folder, OUT/hdr/NAME.
        config: Name of its config in configs/hdr, without ending.
        batch: Batch size of the config.
        from_pose: Whether the training starts from the quick start's pose network, if that is trained.
    """

    name: str
    config: str
    batch: int = 16
    from_pose: bool = False

    @property
    def path(self) -> Path:
        """Path of the config."""
        return CONFIGS / "hdr" / f"{self.config}.py"

    def overrides(self, settings: Settings) -> list[str]:
        """Return the config overrides for training and testing."""
        return [f"randomness.seed={settings.seed}", *settings.hdr_overrides]


SEGMENTOR = Training("segmentor", "small_segmentor", from_pose=True)
INPAINTOR = Training("inpaintor", "small_inpaintor")
POSE = Training("pose", "small_pose", 32, from_pose=True)
TRAININGS = (SEGMENTOR, INPAINTOR, POSE)


def run_hdr(settings: Settings, log: Log) -> None:
    """Run what is missing of rendering, training and testing. `hdr/report.json` contains the results.

    Raises:
        QuickstartError: A command failed, or there is no pose network to compare with.
    """
    if newest(settings.folder(PLAIN)) is None:
        raise QuickstartError(
            "the step 'hdr' needs the quick start's pose network, which is not trained yet",
            fix="python -m interhand_mm.quickstart train",
        )
    make_aih(settings, log)
    for training in TRAININGS:
        if training is POSE:
            restore_hands(settings, log)
        train_network(settings, training, log)
        test_network(settings, training, log)
    evaluate_chain(settings, log)
    evaluate_poses(settings, log)
    write_hdr_report(settings, [training.name for training in TRAININGS], log)


def make_aih(settings: Settings, log: Log) -> None:
    """Render frames with masks, and the same views in the layout of AIH. A run that was interrupted continues."""
    from ..synthesis.generate import generate, is_complete
    from ..synthesis.plan import SynthesisOptions

    options = SynthesisOptions(num=settings.num, num_test=settings.num_test, seed=settings.seed, size=_SIZE, aih=True)
    if is_complete(settings.hdr_data, options):
        log(f"hdr: {settings.hdr_data} is complete")
        return
    log(f"hdr: rendering {options.num} + {options.num_test} images of both hands, together and each alone")
    generate(settings.hdr_data, options, workers=min(len(cores()), 8))


def train_network(settings: Settings, training: Training, log: Log) -> None:
    """Train a network on all cores for `settings.minutes` or `settings.epochs`. `trained.json` describes it."""
    folder, amp = settings.hdr / training.name, precision()
    limits = {"minutes": settings.minutes, "epochs": settings.epochs}
    asked = settings.asked(settings.hdr_data, amp=amp, overrides=settings.hdr_overrides, **limits)
    done = read_json(folder / "trained.json")
    if is_kept(done, asked, f"hdr: {training.name}", log) and newest(folder) is not None:
        log(f"hdr: {training.name} is trained ({done['epochs']} epochs, {done['seconds'] / 60:.1f} min)")
        return
    start = newest(settings.folder(PLAIN)) if training.from_pose else None
    epochs = settings.epochs or _plan(settings, training, amp)
    for old in [*folder.glob("epoch_*.pth"), *folder.glob("*.json")]:  # results of other settings
        old.unlink()
    more = [*amp_arguments(amp), *(["--load-from", str(start)] if start else [])]
    arguments = [str(training.path), "--data-root", str(settings.hdr_data), "--work-dir", str(folder), *more]
    changes = [*training.overrides(settings), f"train_cfg.max_epochs={epochs}"]
    command = train_on_all_cores(training.batch, settings.hdr_overrides, *arguments, "--cfg-options", *changes)
    log(f"hdr: training {training.name}, {epochs} epochs, {amp}")
    logs = {training.name: folder / "train.log"}
    took = run_all({training.name: command}, logs, Progress(logs, log), training_processes())[training.name]
    done = {"asked": asked, "epochs": epochs, "seconds": took, "command": command, "start": start and str(start)}
    write_json(folder / "trained.json", done)
    log(f"hdr: {training.name} took {took / 60:.1f} min")


def _plan(settings: Settings, training: Training, amp: str) -> int:
    """Return how many epochs fit into the minutes, from steps timed on one core."""
    answer, processes = settings.hdr / training.name / "speed.json", training_processes()
    arguments = [str(training.path), "--data-root", str(settings.hdr_data)]
    command = time_steps(answer, amp, *arguments, "--cfg-options", *training.overrides(settings))
    run_all({training.name: command}, {training.name: answer.with_name("time_steps.log")}, processes=processes)
    speed = read_json(answer)
    rate = speed["samples_a_second"] * (processes * PARALLEL if processes > 1 else 1.0)
    return max(1, int(settings.minutes * 60 * HEADROOM * rate / speed["samples"]))


def restore_hands(settings: Settings, log: Log) -> None:
    """Restore the hands of the training frames with the first two networks, as training data of the third."""
    from ..checkpoints.io import sha256
    from ..hdr.restore_dataset import restore_split
    from ..utils.config import DataOptions, load_config

    parts = [str(newest(settings.hdr / training.name)) for training in (SEGMENTOR, INPAINTOR)]
    record = settings.hdr / "restored.json"
    asked = settings.asked(settings.hdr_data, networks=[sha256(part) for part in parts])
    old = [settings.hdr_data / kind / "restored_train" for kind in ("annotations", "images", "masks")]
    if old[0].exists() and is_kept(read_json(record) or {}, asked, "hdr: restored hands", log):
        log("hdr: the hands of the training frames are restored")
        return
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    begun = time.monotonic()
    cfg = load_config(_BASE, (), DataOptions(data_root=str(settings.hdr_data)))
    made = restore_split(cfg, _PLUGIN, parts)
    write_json(record, {"asked": asked})
    log(f"hdr: {made} hands of training frames restored in {time.monotonic() - begun:.0f} s")


def test_network(settings: Settings, training: Training, log: Log) -> None:
    """Test a network that is not tested yet, and write its metrics.json."""
    folder = settings.hdr / training.name
    if read_json(folder / "metrics.json") is not None:
        log(f"hdr: {training.name} is tested")
        return
    log(f"hdr: testing {training.name}")
    arguments = [str(training.path), str(newest(folder)), "--data-root", str(settings.hdr_data)]
    changes = ["--work-dir", str(folder), "--cfg-options", *training.overrides(settings)]
    run_all(
        {training.name: python("test.py", *arguments, *changes)},
        {training.name: folder / "test.log"},
    )


def evaluate_chain(settings: Settings, log: Log) -> None:
    """Restore the hands of the test set with predicted masks: write `chain.json`, and `images.jpg` of ten views."""
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
            raise QuickstartError(f"{training.name} is not trained yet", fix="python -m interhand_mm.quickstart hdr")
        model = build_model(cfg)
        load_checked(model, checkpoint)
        models.append((model.eval(), cfg))
    (segmentor, seg_cfg), (inpaintor, inpaint_cfg) = models
    crop = next(step for step in inpaint_cfg.test_dataloader.dataset.pipeline if step.type == "CropTarget")
    restorer = HandRestorer(segmentor, inpaintor, seg_cfg.codec.input_size[0], crop.size[0])
    steps = [dict(type="LoadAIH"), dict(type="MirrorHands")]
    dataset = AIHDataset(str(settings.hdr_data), split="test", part="render", test_mode=True, pipeline=steps)
    numbers = restorer.evaluate(dataset)
    write_json(settings.hdr / "chain.json", {"metrics": numbers, "samples": len(dataset)})
    sheet = restorer.sheet(dataset, _IMAGES, settings.seed)
    write_image(settings.hdr / "images.jpg", sheet)
    log(f"hdr: {len(dataset)} hands restored with predicted masks in {time.monotonic() - begun:.0f} s")


def evaluate_poses(settings: Settings, log: Log) -> None:
    """Measure the error of two-hand views by hidden share: write `poses.json`, and `stages.jpg` of ten views."""
    from ..hdr.ablation import HDRRun
    from ..utils.config import DataOptions, load_config

    begun = time.monotonic()
    parts = [str(newest(settings.hdr / training.name)) for training in TRAININGS]
    cfg = load_config(_BASE, settings.overrides, DataOptions(data_root=str(settings.hdr_data)))
    run = HDRRun(cfg, str(newest(settings.folder(PLAIN))), _PLUGIN, parts)
    rows = run.table()
    write_json(settings.hdr / "poses.json", {"rows": rows, "provenance": provenance(seed=settings.seed)})
    run.draw(settings.hdr / "stages.jpg", num=_IMAGES, seed=settings.seed)
    log(f"hdr: poses of two-hand views took {time.monotonic() - begun:.0f} s; stages: {settings.hdr / 'stages.jpg'}")
