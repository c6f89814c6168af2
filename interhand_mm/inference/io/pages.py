"""Writer of the interactive 3D pages: one per image, and one per minute of a video."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from mmengine.logging import print_log

from ...structures.results import FrameResult
from ..options import OutputOptions
from .frames import Source

if TYPE_CHECKING:
    from ...visualization.html import HtmlViewer

PAGE_S, PAGE_FRAMES = 60.0, 3600  # a page ends with the first of these


class HtmlWriter:
    """Write interactive pages, see `HtmlViewer`; a `Writer`.

    An image, and a video of up to a minute, is one self-contained page. Longer videos get a page for every minute or
    3600 frames. These pages load the list of all pages, a script of a few bytes that lies beside them.

    Args:
        output: Range of the video that is shown, and sizes of what is drawn.
    """

    def __init__(self, output: OutputOptions) -> None:
        self.output = output

    def suffix(self, source: Source) -> str:
        """Return ".html"."""
        return ".html"

    def open(self, path: Path, name: str, source: Source) -> None:
        """Begin the first page."""
        self._path, self._source = path, source
        self._pages: list[tuple[str, float]] = []  # name and time of the first frame
        self._viewer = self._begin(path)

    def add(self, result: FrameResult, canvas: np.ndarray) -> None:
        """Append one frame, unless it is outside of the range, and begin a new page where one is full."""
        time_s = result.time_s
        if time_s is not None and self.output.html_range is not None:
            start_s, end_s = self.output.html_range
            if not start_s <= time_s <= end_s:
                return
        if self._is_full(time_s):
            self._finish(complete=True, more=True)
            self._viewer = self._begin(self._path_of(len(self._pages)))
        self._viewer.add(result)

    def close(self, complete: bool) -> None:
        """Write the last page."""
        if self.output.html_range is not None and not self._viewer.num_frames:
            start_s, end_s = self.output.html_range
            print_log(f"no frame lies between {start_s:g} and {end_s:g} s: {self._path}", "current", logging.WARNING)
        self._finish(complete, more=False)

    def _begin(self, path: Path) -> HtmlViewer:
        from ...visualization.html import HtmlViewer  # imported late, because not every run writes pages
        from ...visualization.overlay import DrawStyle

        style = DrawStyle(self.output.line_width, self.output.point_size)
        is_video = self._source.kind != "images"
        return HtmlViewer(path, self._path.stem, self._source.fps, video=is_video, style=style)

    def _is_full(self, time_s: float | None) -> bool:
        first_s = self._viewer.first_s
        if self._source.kind == "images" or time_s is None or first_s is None:
            return False
        return time_s - first_s >= PAGE_S or self._viewer.num_frames >= PAGE_FRAMES

    def _path_of(self, page: int) -> Path:
        return self._path if page == 0 else self._path.with_name(f"{self._path.stem}.page{page + 1:03d}.html")

    def _finish(self, complete: bool, more: bool) -> None:
        """Write the current page, and the list of pages if there are several."""
        self._pages.append((self._viewer.path.name, self._viewer.first_s or 0.0))
        if not more and len(self._pages) == 1:
            self._viewer.close(complete)
            return
        from ...visualization.html import PageOfVideo, write_page_list

        page_list = self._path.with_suffix(".pages.js")
        self._viewer.close(complete, PageOfVideo(page_list.name, len(self._pages) - 1))
        write_page_list(page_list, self._pages)
