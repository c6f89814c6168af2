"""The demos: run the inferencer over a source, write and show the results, and measure the time of every stage."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, cast

import numpy as np
from mmengine.logging import print_log
from tqdm import tqdm

from ..errors import InputError, OutputError
from ..structures.results import FrameResult
from ..utils.paths import printable
from ..utils.provenance import provenance
from ..visualization.overlay import DrawStyle, draw_frame
from .inferencer import InterHandInferencer
from .io.frames import Source, Writer
from .io.live import LiveSource
from .io.naming import output_stems
from .io.outputs import make_writers
from .io.sources import open_source
from .io.window import RateLabel, Window
from .io.work_queue import BackgroundQueue
from .options import DEFAULT_OUTPUT, OutputOptions
from .timing import Stopwatch

# Frames that wait for the writer.
_MAX_WAITING, _MAX_WAITING_BYTES = 32, 256e6


def run_demo(
    inferencer: InterHandInferencer,
    source: Any,
    out_dir: str | Path | None,
    output: OutputOptions = DEFAULT_OUTPUT,
    show: bool = False,
    **origin: Any,
) -> str:
    """Infer a source, and write `<stem>.jpg` (or `.mp4`, or `.gif`), `<stem>.json` and other files for it.

    After Ctrl-C or an error, the files are closed with the frames so far, and the exception continues.

    Args:
        inferencer: The inferencer.
        source: Anything that `open_source` opens.
        out_dir: Output folder. None writes no files.
        output: The files to write, and what they look like.
        show: Also open a window. Closing it ends the run.
        **origin: Further entries for the provenance in the JSON file.

    Returns:
        A table with the time of every stage.

    Raises:
        ConfigError: A range of time was given for images.
        InputError: The source cannot be used, or some images of a folder cannot (after all others were written).
        OutputError: The folder cannot be written, or there is no display.
    """
    opened = open_source(source)
    style = DrawStyle(output.line_width, output.point_size)
    with ExitStack() as stack:
        window = stack.enter_context(Window("interhand_mm")) if show else None
        outputs = None
        if out_dir is not None:
            writers = make_writers(output, opened.kind, inferencer.options.mirror, provenance(**origin))
            stems = output_stems(out_dir, opened)
            outputs = stack.enter_context(_Outputs(Path(out_dir), stems, opened, writers, style, inferencer.watch))
        results = stack.enter_context(closing(cast("Generator[FrameResult]", inferencer.infer(opened))))
        frames, with_hands = _consume(results, opened, outputs, window, style, inferencer.watch)
    _report_skipped(opened)
    if isinstance(opened, LiveSource) and opened.passed_over:
        print_log(
            f"{opened.passed_over} frames of {opened.name} came while others were in work, and were passed over",
            "current",
        )
    if frames and not with_hands:
        # The webcam demo has no --bbox.
        fix = "lower --score-thr" + ("" if opened.kind == "camera" else ", or give the box of the hands with --bbox")
        print_log(f"no hands were found in {opened.name} ({frames} frames)\n  fix:  {fix}", "current", logging.WARNING)
    return inferencer.watch.table()


def _consume(
    results: Iterator[FrameResult],
    source: Source,
    outputs: _Outputs | None,
    window: Window | None,
    style: DrawStyle,
    watch: Stopwatch,
) -> tuple[int, int]:
    """Write and show results until they end, or the window is closed.

    Returns:
        Number of frames, and of frames with hands.
    """
    frames = with_hands = 0
    label = RateLabel()
    for result in tqdm(results, total=source.length, unit="frame", disable=None):
        frames, with_hands = frames + 1, with_hands + bool(result.hands)
        with watch.measure("write"):
            # A window belongs to the main thread, so what is shown is drawn here, and otherwise in the writer's thread.
            canvas = draw_frame(result, style=style) if window is not None else None
            if outputs is not None:
                outputs.add(result, canvas)
            if window is not None and canvas is not None:
                latency = source.age_s(result.time_s or 0.0) if isinstance(source, LiveSource) else None
                if not window.show(label.draw(canvas, latency)):
                    if outputs is not None:
                        outputs.complete = False
                    break
    return frames, with_hands


def _report_skipped(source: Source) -> None:
    if not source.skipped:
        return
    if source.kind == "images":
        raise InputError(f"{source.skipped} of {source.length} images could not be read", got=source.problem)
    print_log(f"{source.skipped} frames of {source.name} could not be decoded", "current", logging.WARNING)


class _Outputs:
    """The files of a source: one set for a video or camera, one set per image.

    A thread of its own draws and writes, so that the networks do not wait for the encoder, unless many frames wait.

    Attributes:
        complete: Set to False if the user stops the run before the end of the source.
    """

    def __init__(
        self,
        folder: Path,
        stems: dict[str, Path],
        source: Source,
        writers: Sequence[Writer],
        style: DrawStyle,
        watch: Stopwatch,
    ) -> None:
        self.folder, self.stems, self.source, self.writers = folder, stems, source, writers
        self.style, self.watch = style, watch
        self.complete = True
        self._opened: list[Writer] = []

    def __enter__(self) -> _Outputs:
        self._queue = BackgroundQueue(self._write, _MAX_WAITING, _MAX_WAITING_BYTES)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        finished = False
        try:
            self._queue.close(quiet=kind is not None)
            finished = kind is None and self.complete
        finally:
            self._close(finished)

    def add(self, result: FrameResult, canvas: np.ndarray | None) -> None:
        """Append one frame, and draw it if there is no canvas. An error of an earlier frame is raised here."""
        self._queue.put((result, canvas), result.image.nbytes)

    def _write(self, item: tuple[FrameResult, np.ndarray | None]) -> None:
        """Write one frame. The files of an image are closed at once."""
        result, canvas = item
        with self.watch.measure_beside():
            canvas = draw_frame(result, style=self.style) if canvas is None else canvas
            try:
                if not self._opened:
                    self._open(result.source)
                for writer in self._opened:
                    writer.add(result, canvas)
                if self.source.kind == "images":
                    self._close(complete=True)
            except OSError as error:
                raise OutputError(f"cannot write into {self.folder}", got=error.strerror or error) from error

    def _open(self, name: str) -> None:
        stem = self.stems[name]
        for writer in self.writers:
            # A stem may contain dots, so the suffix is added, not replaced.
            writer.open(stem.with_name(stem.name + writer.suffix(self.source)), printable(name), self.source)
            self._opened.append(writer)

    def _close(self, complete: bool) -> None:
        """Close all files that are open, the others too if one of them cannot be closed."""
        opened, self._opened = self._opened, []
        with ExitStack() as stack:
            for writer in opened:
                stack.callback(writer.close, complete)
