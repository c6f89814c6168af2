"""Writer of the interactive 3D pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...structures.results import FrameResult
from .frames import Source

if TYPE_CHECKING:
    from ...visualization.html import HtmlViewer


class HtmlWriter:
    """Write the interactive page, see `HtmlViewer`; a `Writer`."""

    _viewer: HtmlViewer

    def suffix(self, source: Source) -> str:
        """Return ".html"."""
        return ".html"

    def open(self, path: Path, name: str, source: Source) -> None:
        """Begin the page."""
        from ...visualization.html import HtmlViewer  # imported late, because not every run writes pages

        self._viewer = HtmlViewer(path, path.stem, source.fps)

    def add(self, result: FrameResult, canvas: np.ndarray) -> None:
        """Append one frame."""
        self._viewer.add(result)

    def close(self, complete: bool) -> None:
        """Write the page."""
        self._viewer.close(complete)
