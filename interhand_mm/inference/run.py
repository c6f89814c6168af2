"""What the demos do: run the inferencer over a source, write and show the results, and say where the time went."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log
from tqdm import tqdm

from ..errors import InputError, OutputError
from ..structures.results import FrameResult
from ..utils.provenance import provenance
from .inferencer import InterHandInferencer
from .io.frames import Source
from .io.sources import open_source
from .io.window import Window
from .io.writers import GifFile, JsonFrames, Mp4File, PictureFile, prepare_folder, unique_stems


def run_demo(
    inferencer: InterHandInferencer,
    source: Any,
    out_dir: str | Path | None,
    gif: bool = False,
    html: bool = True,
    show: bool = False,
    **origin: Any,
) -> str:
    """Infer a source; write `<stem>.jpg` (or `.mp4`, or `.gif`), `<stem>.json` and `<stem>.html` for it.

    On Ctrl-C and on errors the files are closed with the frames so far, and the exception goes on.

    Args:
        inferencer: Ready to infer.
        source: See `open_source`.
        out_dir: Folder; None writes nothing.
        gif: Write videos as GIF in place of MP4.
        html: Write the pages.
        show: Open a window too; closing it ends the run.
        **origin: For the provenance in the JSON.

    Returns:
        The table of stages.

    Raises:
        InputError: The source cannot be used; or some pictures of a folder cannot (after all others were written).
        OutputError: The folder cannot be written, or there is no screen to show on.
    """
    opened = open_source(source)
    watch = inferencer.watch
    with ExitStack() as stack:
        window = stack.enter_context(Window("interhand_mm")) if show else None
        outputs = None
        if out_dir is not None:
            head = {"mirror": inferencer.mirror, "provenance": provenance(**origin)}
            outputs = stack.enter_context(_Outputs(Path(out_dir), opened, head, gif, html))
        for result in tqdm(inferencer.infer(opened), total=opened.length, unit="frame", disable=None):
            with watch.measure("write"):
                canvas = _draw(result)
                if outputs is not None:
                    outputs.add(result, canvas)
                if window is not None and not window.show(canvas):
                    if outputs is not None:
                        outputs.whole = False
                    break
    _report_skipped(opened)
    return watch.table()


def _draw(result: FrameResult) -> np.ndarray:
    from ..visualization.overlay import draw_frame

    return draw_frame(result)


def _report_skipped(source: Source) -> None:
    if not source.skipped:
        return
    if source.kind == "pictures":
        raise InputError(f"{source.skipped} of {source.length} pictures could not be read; the first: {source.problem}")
    print_log(f"{source.skipped} frames of {source.name} could not be decoded", "current", logging.WARNING)


class _Outputs:
    """The files of a source: one set for a video or camera, one for every picture."""

    def __init__(self, folder: Path, source: Source, head: dict[str, Any], gif: bool, html: bool) -> None:
        paths = [Path(each) for each in getattr(source, "pictures", [source.name]) if not isinstance(each, np.ndarray)]
        self.folder = prepare_folder(folder, [] if source.kind == "camera" else paths)
        self.stems = dict(zip(map(str, paths), unique_stems(paths), strict=True))
        self.source, self.head, self.gif, self.html = source, head, gif, html
        self.whole = True  # False where the user ended it
        self._files: ExitStack | None = None
        self._complete = False

    def __enter__(self) -> _Outputs:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        self._close(complete=kind is None and self.whole)

    def add(self, result: FrameResult, canvas: np.ndarray) -> None:
        """Write one frame; a picture's files are closed at once."""
        try:
            if self._files is None:
                self._open(self.folder / self.stems.get(result.source, "picture"), result)
            self._overlay.add(canvas, result.time_s)
            self._json.add(result)
            if self._page is not None:
                self._page.add(result)
            if self.source.kind == "pictures":
                self._close(complete=True)
        except OSError as error:
            raise OutputError(f"cannot write into {self.folder}", got=error.strerror or error) from error

    def _open(self, stem: Path, result: FrameResult) -> None:
        """Open a set of files; `stem` may hold dots, so endings are added and not replaced."""
        source, self._complete = self.source, False
        kind = {True: (PictureFile, ".jpg"), False: (GifFile, ".gif") if self.gif else (Mp4File, ".mp4")}
        writer, ending = kind[source.kind == "pictures"]
        head = {"source": result.source, "kind": source.kind, "fps": source.fps, **self.head}
        with ExitStack() as files:
            self._json = JsonFrames(stem.with_name(f"{stem.name}.json"), head)
            files.callback(lambda: self._json.close(source.skipped, self._complete))
            self._overlay = writer(stem.with_name(f"{stem.name}{ending}"), source.fps)
            files.callback(self._overlay.close)
            self._page = None
            if self.html:
                from ..visualization.html import HtmlViewer

                page = HtmlViewer(stem.with_name(f"{stem.name}.html"), stem.name, source.fps)
                self._page = files.enter_context(page)
            self._files = files.pop_all()

    def _close(self, complete: bool) -> None:
        self._complete = complete
        files, self._files = self._files, None
        if files is not None:
            files.close()
