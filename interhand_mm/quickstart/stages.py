"""The stages in order; each can run alone, and what is there already is not made again."""

from __future__ import annotations

from collections.abc import Callable

from .data import make_data
from .settings import STAGES, Settings


def run_stages(settings: Settings, stage: str, say: Callable[[str], None]) -> None:
    """Run one stage of `STAGES` or `EXTRAS`, or "all" of the former."""
    for name in STAGES if stage == "all" else (stage,):
        if name == "data":
            make_data(settings, say)
        elif name == "train":
            from .training import train_models

            train_models(settings, say)
        elif name == "test":
            from .testing import evaluate_models

            evaluate_models(settings, say)
        elif name == "detector":
            from .wild import make_detector

            make_detector(settings, say)
        elif name == "demo":
            from .wild import run_demo_stage

            run_demo_stage(settings, say)
        elif name == "heads":
            from .heads import compare_heads

            compare_heads(settings, say)
        elif name == "hdr":
            from .hdr import run_hdr

            run_hdr(settings, say)
        else:
            from .page import write_report

            write_report(settings, say)
