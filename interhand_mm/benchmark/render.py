"""Synthetic hands: images a second, everything included (posing, collision, views, shading, JPEG, masks)."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from ..utils.provenance import provenance


def benchmark_render(count: int, workers: tuple[int, ...] = (1, 2), repeat: int = 1) -> dict[str, Any]:
    """Time `tools/make_synthetic.py`'s generator into a temporary folder.

    Args:
        count: Images a run.
        workers: Numbers of processes to try; the first is the base of the ratios.
        repeat: Runs of each; the median counts.

    Returns:
        "runs": {workers: {"seconds", "ms_per_image", "images_per_second"}}, "ratios" against the first, and
        "provenance". The bytes do not depend on the number of processes.
    """
    from ..synthesis.generate import generate
    from ..synthesis.plan import SynthesisOptions

    runs = {}
    with tempfile.TemporaryDirectory() as folder:
        generate(
            Path(folder) / "warm", SynthesisOptions(num=2, seed=1, subjects=1), progress=False
        )  # compiled once, then kept
        for number in workers:
            seconds = []
            for i in range(repeat):
                started = time.perf_counter()
                generate(Path(folder) / f"{number}_{i}", SynthesisOptions(num=count), workers=number, progress=False)
                seconds.append(time.perf_counter() - started)
            middle = statistics.median(seconds)
            runs[str(number)] = {
                "seconds": middle,
                "ms_per_image": 1000 * middle / count,
                "images_per_second": count / middle,
            }
    first = runs[str(workers[0])]["seconds"]
    ratios = {name: first / run["seconds"] for name, run in runs.items()}
    return {"count": count, "runs": runs, "ratios": ratios, "provenance": provenance()}
