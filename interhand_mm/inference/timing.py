"""Measure the time of every stage of inference."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

TIMED_STAGES = ("decode", "detect", "crop", "pose", "lift", "write")


class Stopwatch:
    """Sum the wall time of every stage of `TIMED_STAGES`, and count frames.

    Attributes:
        seconds: Time of every stage. The stages follow each other, so their sum is the time of the run.
        beside_s: Time of the work that went on beside them, in the thread that draws and writes. The stage "write" is
            the time that the run waited for that thread, or showed frames.
        frames: Number of frames.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(TIMED_STAGES, 0.0)
        self.beside_s = 0.0
        self.frames = 0

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time of the enclosed block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start

    @contextmanager
    def measure_beside(self) -> Iterator[None]:
        """Add the time of the enclosed block to the work beside the stages. For one thread only."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.beside_s += time.perf_counter() - start

    def table(self) -> str:
        """Return a table of milliseconds per frame and share of every stage, and of frames per second."""
        total, frames = sum(self.seconds.values()), max(self.frames, 1)
        lines = [f"{'stage':8} {'ms/frame':>9} {'share':>6}"]
        for stage, seconds in self.seconds.items():
            lines.append(f"{stage:8} {1000 * seconds / frames:9.2f} {seconds / max(total, 1e-9):6.1%}")
        rate = self.frames / total if total else 0.0
        lines.append(f"{'all':8} {1000 * total / frames:9.2f}        {rate:.1f} frames per second")
        if self.beside_s:
            lines.append(f"{'beside':8} {1000 * self.beside_s / frames:9.2f}        drawing and writing, in a thread")
        return "\n".join(lines)
