"""A window on the screen, if there is one."""

from __future__ import annotations

import os
import re
import sys
import time
from collections import deque

import cv2
import numpy as np

from ...errors import OutputError

_RATE_FRAMES = 30  # the frame rate is the mean over so many frames
_TEXT_SHARE = 0.03  # height of the text, share of the image's longer side


class Window:
    """A window that shows frames. The user ends it with q, Esc or its close button.

    Args:
        title: Title of the window.

    Raises:
        OutputError: OpenCV was built without windows, or there is no display.
    """

    def __init__(self, title: str) -> None:
        toolkit = re.search(r"GUI:\s*(\S+)", cv2.getBuildInformation())
        if toolkit is None or toolkit.group(1) == "NONE":
            raise OutputError(
                "the installed OpenCV cannot open windows (opencv-python-headless)",
                fix=f"pip uninstall opencv-python-headless && pip install opencv-python=={cv2.__version__}; "
                "or run without a window and open the written files",
            )
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise OutputError("there is no display", fix="run without a window and open the written files")
        self.title = title
        cv2.namedWindow(title, cv2.WINDOW_NORMAL)

    def show(self, canvas: np.ndarray) -> bool:
        """Show a frame (H, W, 3) uint8 BGR. Return False if the user ended the window."""
        cv2.imshow(self.title, canvas)
        key = cv2.waitKey(1) & 0xFF
        return key not in (27, ord("q")) and cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) >= 1

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        cv2.destroyWindow(self.title)


class RateLabel:
    """Draw the frame rate, and for live sources the latency, into the corner of the frames that are shown."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_RATE_FRAMES + 1)

    def draw(self, canvas: np.ndarray, latency_s: float | None) -> np.ndarray:
        """Return a copy of the frame with the label on it. Call it once per shown frame.

        Args:
            canvas: (H, W, 3) uint8 BGR.
            latency_s: Time since the frame was captured, s; None if the source is not live.
        """
        self._times.append(time.monotonic())
        text = self.text(latency_s)
        size = max(canvas.shape[:2]) * _TEXT_SHARE / 22  # the font's capitals are 22 px high at scale 1
        thickness = max(1, round(2 * size))
        (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thickness)
        shown = canvas.copy()
        cv2.rectangle(shown, (0, 0), (width + height, 2 * height + below), (0, 0, 0), cv2.FILLED)
        origin = (height // 2, height + height // 2)
        cv2.putText(shown, text, origin, cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), thickness, cv2.LINE_AA)
        return shown

    def text(self, latency_s: float | None) -> str:
        """Return the label, such as "9.8 fps, 113 ms"."""
        passed = self._times[-1] - self._times[0] if self._times else 0.0
        parts = [f"{(len(self._times) - 1) / passed:.1f} fps"] if passed else []
        if latency_s is not None:
            parts.append(f"{1000 * latency_s:.0f} ms")
        return ", ".join(parts)
