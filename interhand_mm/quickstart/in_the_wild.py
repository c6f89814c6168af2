"""Steps "detector" and "demo": train a hand detector for images without given boxes, and run the demo on a few."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from ..checkpoints.io import sha256
from ..utils.files import write_json
from ..utils.paths import CONFIGS, DEMO
from .processes import QuickstartError, cores, python, run_all, train_on_all_cores, training_processes
from .settings import BGAUG, Log, Settings, is_kept, read_json
from .training import RunningTime, amp_arguments, clear, newest, precision

DETECTOR = "detector"
_TRAIN_SCENES_PER_TEST_SCENE = 10
_SIDE_PX = 320  # longer side of a scene; like the frames of the data set, half of what InterHand2.6M would need
_DEMO_IMAGES = 6
_BATCH = 16  # batch size of the config


def detector_config() -> str:
    """Return the path of the detector's config."""
    return str(CONFIGS / "quickstart" / "detector.py")


def make_detector(settings: Settings, log: Log) -> None:
    """Create scenes, train the detector on them from the pose network's backbone, and test it."""
    _make_scenes(settings, log)
    weights = newest(settings.folder(BGAUG))
    if weights is None:
        raise QuickstartError(f"{BGAUG} is not trained yet", fix="python -m interhand_mm.quickstart train")
    folder = settings.folder(DETECTOR)
    more = {"scenes": settings.num_scenes, "overrides": settings.detector_overrides}
    asked = settings.asked(settings.scenes, start=sha256(weights), **more)
    done = read_json(folder / "trained.json")
    if is_kept(done, asked, "detector", log) and newest(folder) is not None:
        log(f"detector: is trained ({done['seconds'] / 60:.1f} min)")
    else:
        clear(folder)
        log(f"detector: training on {settings.num_scenes} scenes, from the backbone of {BGAUG}")
        seconds = _run(settings, _train_command(settings, weights), "train", log, training_processes())
        write_json(folder / "trained.json", {"asked": asked, "seconds": seconds})
        log(f"detector: took {seconds / 60:.1f} min")
    _test_detector(settings, log)


def _train_command(settings: Settings, weights: Path) -> list[str]:
    arguments = [detector_config(), "--data-root", str(settings.scenes)]
    arguments += ["--work-dir", str(settings.folder(DETECTOR)), *amp_arguments(precision())]
    arguments += ["--load-from", str(weights), "--cfg-options", f"randomness.seed={settings.seed}"]
    return train_on_all_cores(_BATCH, settings.detector_overrides, *arguments, *settings.detector_overrides)


def _make_scenes(settings: Settings, log: Log) -> None:
    from ..synthesis.scenes.compose import SceneOptions, are_complete, make_scenes

    photographs = (str(settings.photographs("train")), str(settings.photographs("test")))
    options = SceneOptions(
        str(settings.data), photographs, num=settings.num_scenes,
        num_test=settings.num_scenes // _TRAIN_SCENES_PER_TEST_SCENE, seed=settings.seed, side_px=_SIDE_PX,
    )  # fmt: skip
    if are_complete(settings.scenes, options):
        log(f"detector: {settings.scenes} is complete")
        return
    log(f"detector: {options.num} training scenes and {options.num_test} test scenes of hands on photographs")
    make_scenes(settings.scenes, options, workers=min(len(cores()), 8))


def _test_detector(settings: Settings, log: Log) -> None:
    folder = settings.folder(DETECTOR)
    if read_json(folder / "metrics.json") is None:
        options = [detector_config(), str(newest(folder)), "--data-root", str(settings.scenes)]
        _run(settings, python("test.py", *options, "--work-dir", str(folder)), "test", log)
    report: Any = read_json(folder / "metrics.json")
    numbers = report["metrics"]
    log(f"detector: AP50 {numbers['AP50']:.3f}, AP {numbers['AP']:.3f} on scenes of other subjects and photographs")


def show_demo(settings: Settings, log: Log) -> None:
    """Run the demo on scenes of the test set. `demo.json` contains the images and the command."""
    scenes = sorted((settings.scenes / "images" / "test").rglob("*.jpg"))
    if not scenes:
        raise QuickstartError(f"{settings.scenes} contains no scenes", fix="python -m interhand_mm.quickstart detector")
    out = settings.out / "demo"
    pose, detector = _trained(settings)
    command = demo_command(settings)
    asked = settings.asked(settings.scenes, models=[sha256(detector), sha256(pose)])
    known = read_json(out / "demo.json")
    if is_kept(known, asked, "demo", log):
        log(f"demo: {out} is complete")
    else:
        folder = out / "input"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for path in scenes[:: max(1, len(scenes) // _DEMO_IMAGES)][:_DEMO_IMAGES]:
            shutil.copyfile(path, folder / path.name)
        _run(settings, [*command, "--input", str(folder), "--out-dir", str(out)], "demo", log)
        shown = [str(out / f"{path.stem}.jpg") for path in sorted(folder.iterdir())]
        write_json(out / "demo.json", {"images": shown, "command": shlex.join(command), "asked": asked})
    log(f"demo: images and 3D pages are in {out}")
    log(f"demo: for your own image:\n  {shlex.join(command)} --input IMAGE --out-dir OUT")


def demo_command(settings: Settings) -> list[str]:
    """Return the demo's command line with the trained models, without input and output."""
    pose, detector = _trained(settings)
    # These configs were written beside the weights during training and contain the overrides of this run.
    configs = [str(settings.folder(name) / f"{name}.py") for name in (DETECTOR, BGAUG)]
    return [sys.executable, str(DEMO / "topdown_demo.py"), configs[0], str(detector), configs[1], str(pose)]


def _trained(settings: Settings) -> tuple[Path, Path]:
    """Return the checkpoints of the pose network and the detector."""
    pose, detector = newest(settings.folder(BGAUG)), newest(settings.folder(DETECTOR))
    if pose is None or detector is None:
        raise QuickstartError("the models are not trained yet", fix="python -m interhand_mm.quickstart detector")
    return pose, detector


def _run(settings: Settings, command: list[str], name: str, log: Log, processes: int = 1) -> float:
    log_file = settings.folder(DETECTOR) / f"{name}.log"
    return run_all({name: command}, {name: log_file}, RunningTime(name, log), processes)[name]
