"""Run the steps of the quick start in order. Each can run alone, and finished work is not repeated."""

from __future__ import annotations

from collections.abc import Callable

from .data import make_data
from .hdr import run_hdr
from .heads import compare_heads
from .in_the_wild import make_detector, show_demo
from .page import write_report
from .settings import STEPS, Log, Settings
from .testing import evaluate_models
from .training import train_models

STEP_FUNCTIONS: dict[str, Callable[[Settings, Log], None]] = {
    "data": make_data,
    "train": train_models,
    "test": evaluate_models,
    "detector": make_detector,
    "demo": show_demo,
    "report": write_report,
    "heads": compare_heads,
    "hdr": run_hdr,
}


def run_steps(settings: Settings, step: str, log: Log) -> None:
    """Run one step of `STEPS` or `EXTRA_STEPS`.

    Args:
        settings: Settings of the run.
        step: Name of the step, or "all" for those of `STEPS`.
        log: Receives one line of progress at a time.
    """
    for name in STEPS if step == "all" else (step,):
        STEP_FUNCTIONS[name](settings, log)
