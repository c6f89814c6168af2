"""Step "heads": train the marginal head and InterNet's 3D heatmap head for equally long, and compare them.

Both start from random weights and run at the same time on one core each. The step is not part of "all", because it
trains two more networks. The report shows the comparison if it exists.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..utils.files import write_json
from ..utils.paths import CONFIGS
from .processes import python, run_all, time_steps
from .result_tables import COLUMNS
from .settings import PLAIN, Log, Settings, is_kept, read_json
from .training import Progress, amp_arguments, clear, newest, precision

HEADS = {PLAIN: "1D marginals", "heatmap_3d": "InterNet's 3D heatmaps of 32^3"}  # configs in configs/quickstart
_TIME_SHARE = 0.5  # share of the requested minutes: about what one model gets to itself in the step "train"


def compare_heads(settings: Settings, log: Log) -> None:
    """Train and test both heads. `<out>/heads.json` contains the rows of the report's table."""
    amp = precision()
    asked = settings.asked(settings.data, minutes=settings.minutes, amp=amp, overrides=settings.overrides)
    path = settings.out / "heads.json"
    known = read_json(path)
    if is_kept(known, asked, "heads", log):
        log("heads: the comparison is complete")
        return
    epochs = _plan(settings, amp, log)
    log(f"heads: {', '.join(f'{HEADS[head]} for {epochs[head]} epochs' for head in HEADS)}")
    seconds = _train(settings, amp, epochs, log)
    _test(settings)
    rows = []
    for head, label in HEADS.items():
        report: Any = read_json(_folder(settings, head) / "metrics.json")
        numbers = {column: report["metrics"].get(key) for column, key in COLUMNS.items()}
        samples = epochs[head] * settings.num
        rows.append({"head": label, "seconds": round(seconds[head]), "samples": samples, **numbers})
        log(f"heads: {label}: {numbers['all']:.2f} mm after {samples} samples in {seconds[head]:.0f} s")
    write_json(path, {"asked": asked, "rows": rows})


def _plan(settings: Settings, amp: str, log: Log) -> dict[str, int]:
    """Return epochs that take equally long, rounded to whole epochs of the slower head."""
    answers = {head: _folder(settings, head) / "speed.json" for head in HEADS}
    commands = {
        head: time_steps(answer, amp, _config(head), *_options(settings, head)) for head, answer in answers.items()
    }
    log("heads: timing a few steps of both")
    run_all(commands, {head: path.with_name("time_steps.log") for head, path in answers.items()})
    speeds = {head: read_json(path)["samples_a_second"] for head, path in answers.items()}
    slow = min(speeds, key=speeds.__getitem__)
    whole = max(1, round(_TIME_SHARE * settings.minutes * 60 * speeds[slow] / settings.num))
    return {head: whole if head == slow else max(1, round(whole * speeds[head] / speeds[slow])) for head in HEADS}


def _train(settings: Settings, amp: str, epochs: dict[str, int], log: Log) -> dict[str, float]:
    """Train both heads, and return the seconds that each took."""
    commands = {}
    for head in HEADS:
        clear(_folder(settings, head))
        options = [*_options(settings, head), f"train_cfg.max_epochs={epochs[head]}"]
        commands[head] = python("train.py", _config(head), *amp_arguments(amp), *options)
    logs = {head: _folder(settings, head) / "train.log" for head in HEADS}
    return run_all(commands, logs, Progress(logs, log))


def _test(settings: Settings) -> None:
    commands, logs = {}, {}
    for head in HEADS:
        folder = _folder(settings, head)
        arguments = [_config(head), str(newest(folder)), "--out", str(folder / "metrics.json")]
        commands[head], logs[head] = (
            python("test.py", *arguments, *_options(settings, head, training=False)),
            folder / "test.log",
        )
    run_all(commands, logs)


def _folder(settings: Settings, head: str) -> Path:
    return settings.folder("heads") / head


def _config(head: str) -> str:
    return str(CONFIGS / "quickstart" / f"{head}.py")


def _options(settings: Settings, head: str, training: bool = True) -> list[str]:
    """Return the options of every command of a head; they end with `--cfg-options`. Photographs are for tests only."""
    data = ["--work-dir", str(_folder(settings, head)), "--data-root", str(settings.data)]
    return [*data, *([] if training else settings.backgrounds()), "--cfg-options", *settings.config_options()]
