"""Writers of overlays. Memory use stays constant.

Every file appears under its name when it is closed, so a file that exists is complete. Closing early, after an error
or Ctrl-C, leaves complete files with the frames so far.
"""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from ...structures.results import FrameResult
from ...utils.files import atomic_path
from ...utils.images import resize_image, write_image
from .frames import Source

_MP4_TICKS = 90_000  # ticks per second of MP4's usual clock
_GIF_TICKS = 100
GIF_SIDE_PX, GIF_FPS = 640, 20


class _Encoder(Protocol):
    def add(self, canvas: np.ndarray, time_s: float | None) -> None: ...
    def close(self) -> None: ...


class ImageFile:
    """Write one image.

    Args:
        path: File to write; its suffix selects the format.
        fps: Ignored; the video files take it.
    """

    def __init__(self, path: Path, fps: float | None = None) -> None:
        self.path = path

    def add(self, canvas: np.ndarray, time_s: float | None = None) -> None:
        """Write the image (H, W, 3) uint8 BGR."""
        write_image(self.path, canvas)

    def close(self) -> None:
        """Do nothing: `add` wrote the whole file."""


class Mp4File:
    """Write a video as H.264 in MP4 (yuv420p, which browsers play), every frame at its own time.

    Args:
        path: File to write.
        fps: Mean frame rate, if known.
    """

    def __init__(self, path: Path, fps: float | None) -> None:
        import av  # imported late, because images do not need it

        self.path, self._last_tick, self._av = path, -1, av
        self._output = ExitStack()  # gives the file its name in `close`
        temporary = self._output.enter_context(atomic_path(path))
        self._container = av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"})
        rate = Fraction(fps or 25.0).limit_denominator(1001)
        self._stream = self._container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast"})
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, _MP4_TICKS)

    def add(self, canvas: np.ndarray, time_s: float | None) -> None:
        """Append a frame (H, W, 3) uint8 BGR. An odd side gets one more pixel, because yuv420p needs even sides."""
        height, width = canvas.shape[:2]
        if self._last_tick < 0:
            self._stream.width, self._stream.height = width + width % 2, height + height % 2
        # If the size of the frames changes, they are resized to the size of the first frame.
        target = (self._stream.width, self._stream.height)
        if (width + width % 2, height + height % 2) != target:
            canvas = resize_image(canvas, target)
        elif (width, height) != target:
            canvas = cv2.copyMakeBorder(canvas, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        frame = self._av.VideoFrame.from_ndarray(canvas, format="bgr24")
        self._last_tick = max(self._last_tick + 1, round((time_s or 0.0) * _MP4_TICKS))
        frame.pts, frame.time_base = self._last_tick, Fraction(1, _MP4_TICKS)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write the frames that the encoder still holds, and the index."""
        with self._output, self._container:
            if self._last_tick >= 0:
                self._container.mux(self._stream.encode(None))


class GifFile:
    """Write a video as an animated GIF of at most `GIF_SIDE_PX` per side and `GIF_FPS` frames per second.

    Each frame has its own palette. Pillow can write such files too, but holds all frames in memory.

    Args:
        path: File to write.
        fps: Ignored; every frame is shown at its own time.
    """

    def __init__(self, path: Path, fps: float | None) -> None:
        import av

        self.path = path
        self._av: Any = av  # its stubs do not know palettes
        self._last_tick: int | None = None
        self._output = ExitStack()  # gives the file its name in `close`
        self._container = av.open(str(self._output.enter_context(atomic_path(path))), "w", format="gif")
        self._stream = self._container.add_stream("gif", rate=GIF_FPS)
        self._stream.pix_fmt = "pal8"
        self._stream.codec_context.time_base = Fraction(1, _GIF_TICKS)

    def add(self, canvas: np.ndarray, time_s: float | None) -> None:
        """Append a frame (H, W, 3) uint8 BGR, unless the previous one is less than 1 / `GIF_FPS` seconds older."""
        from PIL import Image

        tick = round(_GIF_TICKS * (time_s or 0.0))
        if self._last_tick is not None and tick - self._last_tick < _GIF_TICKS // GIF_FPS:
            return
        scale = min(1.0, GIF_SIDE_PX / max(canvas.shape[:2]))
        size = (max(1, round(canvas.shape[1] * scale)), max(1, round(canvas.shape[0] * scale)))
        if self._last_tick is None:
            self._stream.width, self._stream.height = size
        small = resize_image(canvas, (self._stream.width, self._stream.height))
        paletted = Image.fromarray(small[..., ::-1]).quantize(256, Image.Quantize.FASTOCTREE)
        assert paletted.palette is not None  # `quantize` makes one
        colors = np.frombuffer(paletted.palette.tobytes(), np.uint8).reshape(-1, 3)
        argb = np.full((256, 4), 255, np.uint8)
        argb[:, 1:] = 0
        argb[: len(colors), 1:] = colors
        frame = self._av.VideoFrame.from_ndarray((np.asarray(paletted), argb), format="pal8")
        frame.pts, frame.time_base = tick, Fraction(1, _GIF_TICKS)
        self._last_tick = tick
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write the frames that the encoder still holds."""
        with self._output, self._container:
            if self._last_tick is not None:
                self._container.mux(self._stream.encode(None))


class OverlayWriter:
    """Write the frames with the results drawn on them: a JPEG per image, and an MP4 or GIF per video; a `Writer`.

    Args:
        gif: Write videos as GIF instead of MP4.
    """

    def __init__(self, gif: bool = False) -> None:
        self.gif = gif

    def suffix(self, source: Source) -> str:
        """Return ".jpg", ".mp4" or ".gif"."""
        if source.kind == "images":
            return ".jpg"
        return ".gif" if self.gif else ".mp4"

    def open(self, path: Path, name: str, source: Source) -> None:
        """Begin the file."""
        kinds: dict[str, type[ImageFile | Mp4File | GifFile]]
        kinds = {".jpg": ImageFile, ".mp4": Mp4File, ".gif": GifFile}
        self._file: _Encoder = kinds[self.suffix(source)](path, source.fps)
        self._start_s: float | None = None  # a section of a video does not begin at 0

    def add(self, result: FrameResult, canvas: np.ndarray) -> None:
        """Append the canvas. The file begins with the first frame, whatever time that has."""
        if self._start_s is None:
            self._start_s = result.time_s
        self._file.add(canvas, None if result.time_s is None else result.time_s - (self._start_s or 0.0))

    def close(self, complete: bool) -> None:
        """Finish the file."""
        self._file.close()
