"""Network streams (RTSP, HTTP, RTMP, ...) as live sources that connect again when they are lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import av
import numpy as np

from ...errors import InputError
from ...utils.early import public_address
from .live import LiveSource
from .video import as_upright

_OPEN_S, _READ_S = 10.0, 10.0  # longest waits for an answer
_WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)  # before each try to connect again
_CHECKS = (
    "check that the camera or server is on and reachable from this machine, and the address: port, path, user name "
    "and password"
)


class NetworkStream(LiveSource):
    """A `Source` of the frames of a network stream. A connection that is lost is opened again.

    After a loss it tries five times, and waits 1, 2, 4, 8 and 16 seconds before them. Every frame that arrives starts
    the count anew.

    Args:
        address: Any address of a live stream that FFmpeg opens, such as "rtsp://host/path" or "http://host/video.mjpg".
        mirror: Mirror the frames, so that people see themselves as in a mirror.

    Raises:
        InputError: The stream cannot be opened, has no video, or is a file rather than a live stream.
    """

    def __init__(self, address: str, mirror: bool = False) -> None:
        super().__init__(public_address(address), mirror)
        self._address = address
        self._losses = self._delivered = 0
        try:
            self._connect()
        except (av.error.FFmpegError, OSError) as error:
            raise InputError(f"stream cannot be opened: {self.name}", got=_reason(error), fix=_CHECKS) from error

    def _connect(self) -> None:
        options = {"fflags": "nobuffer", "flags": "low_delay"}
        if self._address.lower().startswith("rtsp"):
            options["rtsp_transport"] = "tcp"  # over UDP, lost packets smear the image
        self._container = av.open(self._address, options=options, timeout=(_OPEN_S, _READ_S))
        problem = self._unsuitable()
        if problem is not None:
            self._container.close()
            raise problem
        stream = self._container.streams.video[0]
        stream.thread_type = "SLICE"  # threads that decode several frames at once would delay them
        self.fps = float(stream.average_rate) if stream.average_rate else None
        self._images = self._decode(self._container, stream)

    def _unsuitable(self) -> InputError | None:
        """Return the error of a connection that is not a live video."""
        container = self._container
        if not container.streams.video:
            return InputError(f"there is no video in the stream {self.name}", want="a stream with video")
        over_http = self._address.lower().startswith("http")
        if container.format.name.endswith("_pipe") or (over_http and (container.duration or 0) > 0):
            return InputError(
                f"the address is that of a file, not of a live stream: {self.name}",
                got=container.format.long_name,
                fix="download the file and give its path: curl -L -O ADDRESS",
            )
        return None

    def _decode(self, container: Any, stream: Any) -> Iterator[np.ndarray]:
        """Yield the frames of one connection; broken ones are counted."""
        for packet in container.demux(stream):
            try:
                decoded = packet.decode()
            except av.error.FFmpegError as error:
                self.skipped += 1
                self.problem = self.problem or f"{self.name}: {error.strerror}"
                continue
            for frame in decoded:
                yield as_upright(frame)

    def _read(self, stop: threading.Event) -> np.ndarray | None:
        while not stop.is_set():
            try:
                image = next(self._images)
            except (av.error.FFmpegError, OSError, StopIteration) as error:
                self._reconnect(_reason(error), stop)
                continue
            self._losses = 0
            self._delivered += 1
            return image
        return None

    def _reconnect(self, reason: str, stop: threading.Event) -> None:
        """Wait and connect, until a connection stands or the tries are used up."""
        from mmengine.logging import print_log  # imported late, because it loads torch

        self._container.close()
        while self._losses < len(_WAITS_S):
            wait_s = _WAITS_S[self._losses]
            self._losses += 1
            print_log(
                f"stream {self.name} was lost ({reason}); connecting again in {wait_s:.0f} s "
                f"(try {self._losses} of {len(_WAITS_S)})",
                "current",
                logging.WARNING,
            )
            if stop.wait(wait_s):
                return
            try:
                return self._connect()
            except (av.error.FFmpegError, OSError) as error:
                reason = _reason(error)
        raise InputError(
            f"stream was lost and cannot be opened again: {self.name}",
            got=f"{reason}; {self._delivered} frames so far",
            fix=_CHECKS,
        )

    def _release(self) -> None:
        self._container.close()


def _reason(error: BaseException) -> str:
    if isinstance(error, StopIteration):
        return "the stream ended"
    if isinstance(error, av.error.ExitError):  # FFmpeg's name for its own timeout
        return f"no answer in {_OPEN_S:.0f} seconds"
    return getattr(error, "strerror", None) or type(error).__name__
