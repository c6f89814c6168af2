"""An encoder of videos that browsers play."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np

from .images import resize_image

_TICKS = 90_000  # ticks per second of MP4's usual clock


class Mp4Encoder:
    """Encode frames as H.264 in MP4 (yuv420p, which browsers play), every frame at its own time.

    Args:
        target: File to write, or an empty stream that can be read, written and moved in.
        fps: Mean frame rate, if known.
        crf: Quality of x264; smaller is better and larger. 20 is hard to tell from the original.
        seekable: Encode so that a player reaches every single frame quickly, for some more bytes.

    Attributes:
        container: PyAV's container, for further streams. Streams must be added before the first frame.
    """

    def __init__(self, target: Path | IO[bytes], fps: float | None, crf: int = 20, seekable: bool = False) -> None:
        import av  # imported late, because images do not need it

        self._last_tick, self._av = -1, av
        is_path = isinstance(target, Path)
        # Moving the index to the front reads the file again, which needs its path.
        movflags = {"movflags": "+faststart"} if is_path else {}
        self.container: Any = av.open(str(target) if is_path else target, "w", format="mp4", options=movflags)
        rate = Fraction(fps or 25.0).limit_denominator(1001)
        options = {"crf": str(crf), "preset": "veryfast", **({"g": "30", "bf": "0"} if seekable else {})}
        self._stream = self.container.add_stream("libx264", rate=rate, options=options)
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, _TICKS)

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
        self._last_tick = max(self._last_tick + 1, round((time_s or 0.0) * _TICKS))
        frame.pts, frame.time_base = self._last_tick, Fraction(1, _TICKS)
        self.container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write the frames that the encoder still holds, and the index."""
        with self.container:
            if self._last_tick >= 0:
                self.container.mux(self._stream.encode(None))
