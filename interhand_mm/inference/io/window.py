"""A window on the screen, if there is one."""

from __future__ import annotations

import os
import re
import sys

import cv2
import numpy as np

from ...errors import OutputError


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
