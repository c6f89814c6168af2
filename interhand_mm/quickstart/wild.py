"""Stages "detector" and "demo": a hand detector for pictures that nobody put a box in, and the whole chain on some."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

from ..checkpoints.io import sha256
from ..utils.files import write_json
from ..utils.paths import ROOT
from ..utils.precision import bfloat16_is_fast
from .processes import QuickstartError, cores, python, run_all, together, train_together  # fmt: skip
from .settings import BGAUG, Settings, read_json
from .training import newest

DETECTOR = "detector"
_SCENES_A_TEST = 10
_SIDE_PX = 320  # of a scene: the set's frames are half of InterHand2.6M's, and scenes go with them
_PICTURES = 6  # of the demo
_BATCH = 16  # of the config


def detector_config() -> str:
    """Path of the detector's config."""
    return str(ROOT / "configs" / "quickstart" / "detector.py")


def make_detector(settings: Settings, say: Callable[[str], None]) -> None:
    """Make scenes, train the detector on them, starting from the pose network's backbone, and test it."""
    _make_scenes(settings, say)
    start = newest(settings.folder(BGAUG))
    if start is None:
        raise QuickstartError(f"{BGAUG} is not trained", fix="python tools/quickstart.py train")
    folder = settings.folder(DETECTOR)
    asked = {"start": sha256(start), "scenes": settings.num_scenes, "overrides": list(settings.detector_overrides)}
    done = read_json(folder / "trained.json")
    if done is not None and done["asked"] == asked and newest(folder) is not None:
        say(f"detector: is trained ({done['seconds'] / 60:.1f} min)")
    else:
        options = [detector_config(), "--data-root", str(settings.scenes), "--work-dir", str(folder)]
        more = ["--amp", "bfloat16"] if bfloat16_is_fast() else []
        more += ["--load-from", str(start), "--cfg-options", f"randomness.seed={settings.seed}"]
        more += settings.detector_overrides
        for name in ("trained.json", "metrics.json"):
            (folder / name).unlink(missing_ok=True)
        say(f"detector: training on {settings.num_scenes} scenes, from the backbone of {BGAUG}")
        command = train_together(_BATCH, settings.detector_overrides, *options, *more)
        took = _run(settings, command, "train", say, together())
        write_json(folder / "trained.json", {"asked": asked, "seconds": took})
        say(f"detector: took {took / 60:.1f} min")
    _test_detector(settings, say)


def _make_scenes(settings: Settings, say: Callable[[str], None]) -> None:
    from ..synthesis.scenes.compose import SceneOptions, make_scenes

    if (settings.scenes / "annotations" / "skeleton.txt").is_file():
        say(f"detector: {settings.scenes} is complete")
        return
    photographs = (str(settings.photographs("train")), str(settings.photographs("test")))
    options = SceneOptions(
        str(settings.data), photographs, num=settings.num_scenes, num_test=settings.num_scenes // _SCENES_A_TEST,
        seed=settings.seed, side_px=_SIDE_PX,
    )  # fmt: skip
    say(f"detector: {options.num} scenes of hands on photographs for training and {options.num_test} for the test")
    make_scenes(settings.scenes, options, workers=min(len(cores()), 8))


def _test_detector(settings: Settings, say: Callable[[str], None]) -> None:
    folder = settings.folder(DETECTOR)
    if read_json(folder / "metrics.json") is None:
        options = [detector_config(), str(newest(folder)), "--data-root", str(settings.scenes)]
        _run(settings, python("test.py", *options, "--work-dir", str(folder)), "test", say)
    report: Any = read_json(folder / "metrics.json")
    numbers = report["metrics"]
    say(f"detector: AP50 {numbers['AP50']:.3f}, AP {numbers['AP']:.3f} on scenes of other subjects and photographs")


def run_demo_stage(settings: Settings, say: Callable[[str], None]) -> None:
    """Run the demo on scenes of the test set; `demo.json` names the pictures and the command."""
    scenes = sorted((settings.scenes / "images" / "test").rglob("*.jpg"))
    if not scenes:
        raise QuickstartError(f"there are no scenes in {settings.scenes}", fix="python tools/quickstart.py detector")
    out = settings.out / "demo"
    command = demo_command(settings)
    asked = [sha256(command[3]), sha256(command[5])]
    known = read_json(out / "demo.json")
    if known is not None and known["models"] == asked:
        say(f"demo: {out} is complete")
    else:
        pictures = out / "input"
        pictures.mkdir(parents=True, exist_ok=True)
        for path in scenes[:: max(1, len(scenes) // _PICTURES)][:_PICTURES]:
            shutil.copyfile(path, pictures / path.name)
        _run(settings, [*command, "--input", str(pictures), "--out-dir", str(out)], "demo", say)
        shown = [str(out / f"{path.stem}.jpg") for path in sorted(pictures.iterdir())]
        write_json(out / "demo.json", {"pictures": shown, "command": shlex.join(command), "models": asked})
    say(f"demo: pictures and 3D pages are in {out}; your own:\n  {shlex.join(command)} --input PICTURE --out-dir OUT")


def demo_command(settings: Settings) -> list[str]:
    """Command line of the demo with the models that were just trained, but for input and output."""
    pose, detector = newest(settings.folder(BGAUG)), newest(settings.folder(DETECTOR))
    if pose is None or detector is None:
        raise QuickstartError("the models are not trained", fix="python tools/quickstart.py detector")
    demo = str(ROOT / "demo" / "topdown_demo.py")
    # The configs that training wrote beside the weights: with this run's overrides.
    configs = [str(settings.folder(name) / f"{name}.py") for name in (DETECTOR, BGAUG)]
    return [sys.executable, demo, configs[0], str(detector), configs[1], str(pose)]


def _run(settings: Settings, command: list[str], step: str, say: Callable[[str], None], processes: int = 1) -> float:
    log = settings.folder(DETECTOR) / f"{step}.log"
    begun, shown = time.monotonic(), time.monotonic()

    def tick(name: str) -> None:
        nonlocal shown
        if time.monotonic() - shown >= 20.0:
            shown = time.monotonic()
            say(f"{name}: running for {shown - begun:.0f} s")

    return run_all({step: command}, {step: log}, tick, processes)[step]
