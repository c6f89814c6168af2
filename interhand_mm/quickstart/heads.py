"""Stage "heads": marginals and InterNet's volume from random weights for equally long, at once, a core each.

Not a part of "all": it trains two networks more. The report shows it where it ran.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..utils.files import write_json
from ..utils.paths import ROOT
from ..utils.precision import bfloat16_is_fast
from .processes import python, run_all
from .settings import PLAIN, Settings, read_json
from .tables import COLUMNS
from .training import Progress, newest

HEADS = {PLAIN: "1-D marginals", "volume": "InterNet's volume of 32^3"}  # configs of configs/quickstart
_TIME_SHARE = 0.5  # of the minutes asked for: what a model has to itself in "train", or a little more


def compare_heads(settings: Settings, say: Callable[[str], None]) -> None:
    """Train and test both heads; `<out>/heads.json` holds the rows of the report's table."""
    amp = "bfloat16" if bfloat16_is_fast() else "float32"
    asked = {"num": settings.num, "minutes": settings.minutes, "seed": settings.seed, "amp": amp}
    asked |= {"data": str(settings.data), "overrides": list(settings.overrides)}
    path = settings.out / "heads.json"
    known = read_json(path)
    if known is not None and known["asked"] == asked:
        say("heads: are compared")
        return
    epochs = _plan(settings, amp, say)
    folders = {head: _folder(settings, head) for head in HEADS}
    for folder in folders.values():
        for old in folder.glob("epoch_*.pth"):
            old.unlink()
    more = ["--amp", "bfloat16"] if amp == "bfloat16" else []
    commands = {
        head: _command(settings, "train.py", head, [], more, f"train_cfg.max_epochs={epochs[head]}") for head in HEADS
    }
    logs = {head: folder / "train.log" for head, folder in folders.items()}
    say(f"heads: {', '.join(f'{HEADS[head]} for {epochs[head]} epochs' for head in HEADS)}")
    took = run_all(commands, logs, Progress(logs, say))
    tests = {
        head: _command(settings, "test.py", head, [str(newest(folder))], ["--out", str(folder / "metrics.json")])
        for head, folder in folders.items()
    }
    run_all(tests, {head: folder / "test.log" for head, folder in folders.items()}, lambda name: None)
    rows = []
    for head, folder in folders.items():
        report: Any = read_json(folder / "metrics.json")
        numbers = {column: report["metrics"].get(key) for column, key in COLUMNS.items()}
        samples = epochs[head] * settings.num
        rows.append({"head": HEADS[head], "seconds": round(took[head]), "samples": samples, **numbers})
        say(f"heads: {HEADS[head]}: {numbers['all']:.2f} mm after {samples} samples in {took[head]:.0f} s")
    write_json(path, {"asked": asked, "rows": rows})


def _plan(settings: Settings, amp: str, say: Callable[[str], None]) -> dict[str, int]:
    """Epochs of equal time, from timed steps of both at once; whole epochs of the slower head."""
    answers = {head: _folder(settings, head) / "speed.json" for head in HEADS}
    commands = {
        head: _command(settings, "quickstart.py", head, [], ["--amp", amp, "--answer", str(answer)], probe=True)
        for head, answer in answers.items()
    }
    say("heads: timing a few steps of both")
    run_all(commands, {head: path.with_name("probe.log") for head, path in answers.items()}, lambda name: None)
    speeds = {head: read_json(path)["samples_a_second"] for head, path in answers.items()}
    slow = min(speeds, key=speeds.__getitem__)
    whole = max(1, round(_TIME_SHARE * settings.minutes * 60 * speeds[slow] / settings.num))
    return {head: whole if head == slow else max(1, round(whole * speeds[head] / speeds[slow])) for head in HEADS}


def _folder(settings: Settings, head: str) -> Path:
    return settings.folder("heads") / head


def _command(
    settings: Settings, tool: str, head: str, checkpoint: list[str], more: list[str], *options: str, probe: bool = False
) -> list[str]:
    config = str(ROOT / "configs" / "quickstart" / f"{head}.py")
    data = ["--work-dir", str(_folder(settings, head)), "--data-root", str(settings.data)]
    photographs = ["--backgrounds", *(str(settings.photographs(split)) for split in ("train", "test"))]
    arguments = [*(["probe"] if probe else []), config, *checkpoint, *data, *photographs, *more]
    return python(tool, *arguments, "--cfg-options", *settings.config_options(), *options)
