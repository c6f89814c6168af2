"""Benchmark of the renderer: images per second, including poses, collisions, shading, noise, JPEG and masks."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from ..utils.provenance import provenance


def benchmark_render(count: int, workers: tuple[int, ...] = (1, 2), repeat: int = 1) -> dict[str, Any]:
    """Render data sets into a temporary folder, with the function that `tools/make_synthetic.py` uses.

    Args:
        count: Number of images per run.
        workers: Numbers of processes to measure. The ratios are relative to the first one.
        repeat: Runs for each number of processes; the median is reported.

    Returns:
        "runs": {workers: {"seconds", "ms_per_image", "images_per_second"}}, "ratios" (time of the first number of
        processes divided by the time of this one) and "provenance".
    """
    from ..synthesis.generate import generate
    from ..synthesis.plan import SynthesisOptions

    runs = {}
    with tempfile.TemporaryDirectory() as folder:
        # The first run compiles the renderer, which is then cached.
        generate(Path(folder) / "warm", SynthesisOptions(num=2, seed=1, subjects=1), progress=False)
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
