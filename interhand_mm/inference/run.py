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

from ..errors import ImageError, InputError, InterHandError, OutputError
from ..structures.results import FrameResult
from ..utils.paths import printable
from ..utils.provenance import provenance
from ..visualization.overlay import DrawStyle, draw_frame
from .inferencer import InterHandInferencer
from .io.frames import Source, Writer
from .io.inputs import InputGroup
from .io.live import LiveSource
from .io.naming import is_finished, output_stems, prepare_folder
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
    with _Run(inferencer, out_dir, output, show, origin) as run:
        run.infer(opened, {} if out_dir is None else output_stems(out_dir, opened))
    return inferencer.watch.table()


def run_inputs(
    inferencer: InterHandInferencer,
    groups: Sequence[InputGroup],
    out_dir: str | Path | None,
    output: OutputOptions = DEFAULT_OUTPUT,
    show: bool = False,
    **origin: Any,
) -> str:
    """Infer several inputs, one after the other, and write the files that `run_demo` writes for each.

    An input that cannot be read does not end the run; it is an error after all others were written.

    Args:
        inferencer: The inferencer.
        groups: The inputs, from `find_inputs`.
        out_dir: Output folder. None writes no files.
        output: The files to write, and what they look like.
        show: Also open a window. Closing it ends the run.
        **origin: Further entries for the provenance in the JSON files.

    Returns:
        A table with the time of every stage.

    Raises:
        ConfigError: A range of time was given for images.
        InputError: Some inputs could not be read.
        OutputError: The folder cannot be written, or there is no display.
    """
    stems: dict[str, Path] = {}
    if out_dir is not None:
        names = {key: stem for group in groups for key, stem in group.outputs.items()}
        stems = prepare_folder(out_dir, names, [path for group in groups for path in group.paths])
    problems: list[InterHandError] = []
    with _Run(inferencer, out_dir, output, show, origin) as run:
        for group in run.without_finished(groups, stems):
            try:
                run.infer(group.open(), stems)
            except (InputError, ImageError) as error:
                if len(groups) == 1:
                    raise
                problems.append(error)
                print_log(f"{error}\nthe other inputs are not affected", "current", logging.ERROR)
            if run.stopped:
                break
    if problems:
        raise InputError(
            f"{len(problems)} of {len(groups)} inputs could not be read, or only in part",
            got="\n".join(error.what for error in problems),
        )
    return inferencer.watch.table()


class _Run:
    """What is the same for all sources of a run: the inferencer, the window, and how results are written.

    Attributes:
        stopped: Whether the user closed the window.
    """

    def __init__(
        self,
        inferencer: InterHandInferencer,
        out_dir: str | Path | None,
        output: OutputOptions,
        show: bool,
        origin: dict[str, Any],
    ) -> None:
        self.inferencer, self.output, self.show = inferencer, output, show
        self.folder = None if out_dir is None else Path(out_dir)
        self.style = DrawStyle(output.line_width, output.point_size)
        self.provenance = {} if out_dir is None else provenance(**origin)
        self.stopped = False

    def __enter__(self) -> _Run:
        self.window = Window("interhand_mm") if self.show else None
        return self

    def __exit__(self, *error: Any) -> None:
        if self.window is not None:
            self.window.__exit__(*error)

    def infer(self, source: Source, stems: dict[str, Path]) -> None:
        """Infer a source, and write and show its results.

        Args:
            source: The source.
            stems: {`Frame.source`: path of the outputs without suffix}.

        Raises:
            InputError: The source cannot be used, or some of its images cannot.
        """
        with ExitStack() as stack:
            outputs = None
            if self.folder is not None:
                writers = make_writers(self.output, source.kind, self.inferencer.options.mirror, self.provenance)
                outputs = _Outputs(self.folder, stems, source, writers, self.style, self.inferencer.watch)
                stack.enter_context(outputs)
            results = stack.enter_context(closing(cast("Generator[FrameResult]", self.inferencer.infer(source))))
            frames, with_hands = self._consume(results, source, outputs)
        _report(source, frames, with_hands)

    def _consume(self, results: Iterator[FrameResult], source: Source, outputs: _Outputs | None) -> tuple[int, int]:
        """Write and show results until they end, or the window is closed.

        Returns:
            Number of frames, and of frames with hands.
        """
        frames = with_hands = 0
        label = RateLabel()
        for result in tqdm(results, desc=Path(source.name).name, total=source.length, unit="frame", disable=None):
            frames, with_hands = frames + 1, with_hands + bool(result.hands)
            with self.inferencer.watch.measure("write"):
                # A window belongs to the main thread, so what it shows is drawn here, and else by the writer's thread.
                canvas = draw_frame(result, style=self.style) if self.window is not None else None
                if outputs is not None:
                    outputs.add(result, canvas)
                if self.window is not None and canvas is not None:
                    latency = source.age_s(result.time_s or 0.0) if isinstance(source, LiveSource) else None
                    self.stopped = not self.window.show(label.draw(canvas, latency))
            if self.stopped:
                if outputs is not None:
                    outputs.complete = False
                break
        return frames, with_hands

    def without_finished(self, groups: Sequence[InputGroup], stems: dict[str, Path]) -> Iterator[InputGroup]:
        """Yield the groups and images that are to be inferred: with `skip_existing`, those without complete outputs."""
        left_out = total = 0
        for group in groups:
            total += len(group.outputs)
            pending = list(group.outputs)
            if group.options.skip_existing:
                writers = make_writers(self.output, group.kind, self.inferencer.options.mirror, self.provenance)
                suffixes = [writer.suffix(cast("Source", group)) for writer in writers]  # they look at its kind alone
                pending = [key for key in group.outputs if not is_finished(stems[key], suffixes, printable(key))]
            left_out += len(group.outputs) - len(pending)
            if pending:
                yield group.only(pending) if group.form == "images" else group
        if left_out:
            print_log(f"{left_out} of {total} inputs were left out, because their outputs are complete", "current")


def _report(source: Source, frames: int, with_hands: int) -> None:
    """Log what a user should know after a source, and raise `InputError` if images could not be read."""
    if isinstance(source, LiveSource) and source.passed_over:
        print_log(
            f"{source.passed_over} frames of {source.name} came while others were in work, and were passed over",
            "current",
        )
    if source.skipped and source.kind == "images":
        raise InputError(f"{source.skipped} of {source.length} images could not be read", got=source.problem)
    if source.skipped:
        print_log(f"{source.skipped} frames of {source.name} could not be decoded", "current", logging.WARNING)
    if frames and not with_hands:
        # The webcam demo has no --bbox.
        fix = "lower --score-thr" + ("" if source.kind == "camera" else ", or give the box of the hands with --bbox")
        print_log(f"no hands were found in {source.name} ({frames} frames)\n  fix:  {fix}", "current", logging.WARNING)


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
