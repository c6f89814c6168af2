"""Text for terminals that cannot show every character."""

from __future__ import annotations

import io
import sys


class TextBuffer(io.StringIO):
    """A buffer for rich that has the encoding of the standard output.

    Tables are then drawn with ASCII characters where the terminal or a log file could not hold others.
    """

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Encoding of the standard output."""
        return getattr(sys.stdout, "encoding", None) or "utf-8"
