"""Writers of overlays. Memory use stays constant.

Every file appears under its name when it is closed, so a file that exists is complete. Closing early, after an error
or Ctrl-C, leaves complete files with the frames so far.
"""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...structures.results import FrameResult
from ...utils.files import atomic_path
from ...utils.images import resize_image, write_image
from ...utils.mp4 import Mp4Encoder
from .audio import AudioTrack
from .frames import Source

_GIF_TICKS = 100
GIF_SIDE_PX, GIF_FPS = 640, 20


class _Encoder(Protocol):
    def add(self, canvas: np.ndarray, time_s: float | None) -> None: ...
    def close(self) -> None: ...


class ImageFile:
    """Write one image.

    Args:
        path: File to write; its suffix selects the format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, canvas: np.ndarray, time_s: float | None = None) -> None:
        """Write the image (H, W, 3) uint8 BGR."""
        write_image(self.path, canvas)

    def close(self) -> None:
        """Do nothing: `add` wrote the whole file."""


class Mp4File:
    """Write a video as H.264 in MP4, see `Mp4Encoder`, with the sound of a video file.

    Args:
        path: File to write.
        fps: Mean frame rate, if known.
        sound: Video file whose sound is copied.
    """

    def __init__(self, path: Path, fps: float | None, sound: Path | None = None) -> None:
        self.path, self._frame_s = path, 1 / (fps or 25.0)
        self._output = ExitStack()  # gives the file its name in `close`
        self._encoder = Mp4Encoder(self._output.enter_context(atomic_path(path)), fps)
        self._audio = None if sound is None else AudioTrack(sound, self._encoder.container)
        self._times: tuple[float, float] | None = None  # of the first frame and the last one

    def add(self, canvas: np.ndarray, time_s: float | None) -> None:
        """Append a frame (H, W, 3) uint8 BGR. The file begins with the first frame, whatever time that has."""
        now = time_s or 0.0
        start = self._times[0] if self._times else now
        self._times = (start, now)
        if self._audio is not None:
            self._audio.copy(start, now)
        self._encoder.add(canvas, now - start)

    def close(self) -> None:
        """Write the frames that the encoder still holds, the rest of the sound, and the index."""
        with self._output, ExitStack() as stack:
            stack.callback(self._encoder.close)
            if self._audio is not None:
                stack.callback(self._audio.close)
                if self._times is not None:
                    self._audio.copy(self._times[0], self._times[1] + self._frame_s)


class GifFile:
    """Write a video as an animated GIF of at most `GIF_SIDE_PX` per side and `GIF_FPS` frames per second.

    Each frame has its own palette. Pillow can write such files too, but holds all frames in memory.

    Args:
        path: File to write.
    """

    def __init__(self, path: Path) -> None:
        import av

        self.path = path
        self._av: Any = av  # its stubs do not know palettes
        self._first_s = 0.0
        self._last_tick: int | None = None
        self._output = ExitStack()  # gives the file its name in `close`
        self._container = av.open(str(self._output.enter_context(atomic_path(path))), "w", format="gif")
        self._stream = self._container.add_stream("gif", rate=GIF_FPS)
        self._stream.pix_fmt = "pal8"
        self._stream.codec_context.time_base = Fraction(1, _GIF_TICKS)

    def add(self, canvas: np.ndarray, time_s: float | None) -> None:
        """Append a frame (H, W, 3) uint8 BGR, unless the previous one is less than 1 / `GIF_FPS` seconds older.

        The file begins with the first frame, whatever time that has.
        """
        from PIL import Image

        if self._last_tick is None:
            self._first_s = time_s or 0.0
        tick = round(_GIF_TICKS * ((time_s or 0.0) - self._first_s))
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
        self._file: _Encoder
        if source.kind == "images":
            self._file = ImageFile(path)
        elif self.gif:
            self._file = GifFile(path)
        else:
            single = source.kind == "video" and len(source.paths) == 1
            self._file = Mp4File(path, source.fps, source.paths[0] if single else None)

    def add(self, result: FrameResult, canvas: np.ndarray) -> None:
        """Append the canvas."""
        self._file.add(canvas, result.time_s)

    def close(self, complete: bool) -> None:
        """Finish the file."""
        self._file.close()
