"""The writers that the options of a run ask for."""

from __future__ import annotations

from typing import Any

from ...errors import ConfigError
from ..options import OutputOptions
from .csv_frames import CsvWriter
from .frames import SourceKind, Writer
from .json_frames import JsonLinesWriter, JsonWriter
from .pages import HtmlWriter
from .writers import OverlayWriter


def make_writers(output: OutputOptions, kind: SourceKind, mirror: bool, provenance: dict[str, Any]) -> list[Writer]:
    """Return the writers of a run: the overlay and JSON always, the others as the options say.

    Args:
        output: Options of the output.
        kind: Kind of the source.
        mirror: Whether the input is treated as mirrored.
        provenance: How the results are made, from `utils.provenance.provenance`.

    Raises:
        ConfigError: A range of time was given for images.
    """
    if output.html_range is not None and kind == "images":
        raise ConfigError("html_range needs a video", got="images, which have no time", fix="leave it out")
    writers: list[Writer] = [OverlayWriter(output.gif), JsonWriter(mirror, provenance)]
    if output.json_lines:
        writers.append(JsonLinesWriter(mirror, provenance))
    if output.csv:
        writers.append(CsvWriter())
    if output.html:
        writers.append(HtmlWriter(output))
    return writers
