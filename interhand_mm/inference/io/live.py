"""Live sources: cameras and network streams. A thread reads them, and keeps only the newest frame.

Drivers and networks buffer frames. A consumer that is slower than the camera and reads every frame would see older and
older ones; see `NewestFrameReader`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...errors import InputError
from .frames import Frame, SourceKind
from .pixels import as_bgr

_CAMERA_TRIES = 5  # some drivers drop single frames
_CAMERA_WAIT_S = 0.02  # after a dropped frame
_CAMERA_PATIENCE_S = 15.0  # V4L2 gives up after 10 s
_POLL_S = 0.2  # Windows delivers Ctrl-C only between two waits
_JOIN_S = 3.0


@dataclass(frozen=True)
class LiveFrame:
    """A frame of a live source with the time at which it arrived.

    Attributes:
        index: Number of the frame among all that arrived, from 0.
        captured_s: Time of `time.monotonic`.
        image: (H, W, 3) uint8 BGR.
    """

    index: int
    captured_s: float
    image: np.ndarray


class NewestFrameReader:
    """Read frames in a thread, and keep only the newest one. A context manager; the thread ends with the block.

    Args:
        read: Function that waits for the next frame and returns it as (H, W, 3) uint8 BGR, or None at the end. Its
            argument is set when the block ends. It is called in the thread only.
        release: Function that the thread calls after the last `read`.
        patience_s: Longest time that `take` waits for a frame, s. None waits forever.

    Example:
        >>> images = iter([np.zeros((4, 4, 3), np.uint8), None])
        >>> with NewestFrameReader(lambda stop: next(images)) as reader:
        ...     print(reader.take().index, reader.take())
        0 None
    """

    def __init__(
        self,
        read: Callable[[threading.Event], np.ndarray | None],
        release: Callable[[], None] = lambda: None,
        patience_s: float | None = None,
    ) -> None:
        self._read, self._release, self._patience_s = read, release, patience_s
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._newest: LiveFrame | None = None
        self._error: BaseException | None = None
        self._ended = False
        self.captured = self.taken = 0
        self._thread = threading.Thread(target=self._run, name="frame reader", daemon=True)

    def __enter__(self) -> NewestFrameReader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_JOIN_S)  # a driver that hangs does not keep the program from ending

    @property
    def is_running(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def take(self) -> LiveFrame | None:
        """Wait for a frame that was not taken yet, and return the newest one; None after the last one.

        Raises:
            TimeoutError: No frame came for `patience_s` seconds.
            Exception: Whatever `read` raised, after the last frame was taken.
        """
        start = time.monotonic()
        with self._changed:
            while self._newest is None and not self._ended:
                if self._patience_s is not None and time.monotonic() - start > self._patience_s:
                    raise TimeoutError(f"no frame in {self._patience_s:.0f} seconds")
                self._changed.wait(_POLL_S)
            shot, self._newest = self._newest, None
        if shot is not None:
            self.taken += 1
        elif self._error is not None:
            raise self._error
        return shot

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                image = self._read(self._stop)
                if image is None:
                    break
                with self._changed:
                    self._newest = LiveFrame(self.captured, time.monotonic(), image)
                    self.captured += 1
                    self._changed.notify_all()
        except BaseException as error:  # it is raised in the thread that takes the frames
            self._error = error
        finally:
            self._release()
            with self._changed:
                self._ended = True
                self._changed.notify_all()


class LiveSource:
    """A `Source` whose frames come when they come. Only the newest frame is kept while the consumer is busy.

    The index of a frame counts all frames that arrived, also those that nobody took. Its time is the moment of its
    arrival, in seconds from the first one.

    Args:
        name: Name for messages and files.
        mirror: Mirror the frames, so that people see themselves as in a mirror. Drivers do not do this.
        patience_s: Longest wait for a frame, s. None leaves it to the reader.

    Attributes:
        passed_over: Number of frames that arrived while the consumer was busy, and were replaced by newer ones.
    """

    kind: SourceKind = "camera"
    paths: Sequence[Path] = ()
    fps: float | None = None
    length: int | None = None

    def __init__(self, name: str, mirror: bool, patience_s: float | None = None) -> None:
        self.name, self.mirror, self._patience_s = name, mirror, patience_s
        self.skipped = self.passed_over = 0
        self.problem: str | None = None
        self._start_s: float | None = None

    def age_s(self, time_s: float) -> float:
        """Return how many seconds ago the frame of this time arrived."""
        return time.monotonic() - (self._start_s or 0.0) - time_s

    def __iter__(self) -> Iterator[Frame]:
        """Yield the newest frame whenever the consumer asks for one.

        Raises:
            InputError: Frames stopped coming.
        """
        with NewestFrameReader(self._read, self._release, self._patience_s) as reader:
            while (shot := self._take(reader)) is not None:
                if self._start_s is None:
                    self._start_s = shot.captured_s
                self.passed_over = shot.index + 1 - reader.taken
                image = cv2.flip(shot.image, 1) if self.mirror else shot.image
                yield Frame(self.name, shot.index, shot.captured_s - self._start_s, image)

    def _take(self, reader: NewestFrameReader) -> LiveFrame | None:
        try:
            return reader.take()
        except TimeoutError as error:
            raise self._lost(f"{error}, {reader.captured} before") from error

    def _lost(self, got: str) -> InputError:
        return InputError(f"{self.name} delivers no more frames", got=got, fix="check its cable and try again")

    def _read(self, stop: threading.Event) -> np.ndarray | None:
        raise NotImplementedError

    def _release(self) -> None:
        raise NotImplementedError


class Camera(LiveSource):
    """A `Source` of a camera's frames. It never ends by itself; when frames stop coming it raises an error.

    Args:
        number: Number of the camera, as the system counts them from 0.
        mirror: Mirror the frames, so that people see themselves as in a mirror. Drivers do not do this.

    Raises:
        InputError: The camera cannot be opened.
    """

    def __init__(self, number: int, mirror: bool = False) -> None:
        super().__init__(f"camera{number}", mirror, _CAMERA_PATIENCE_S)
        self.number, self._delivered = number, 0
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise InputError(
                f"camera {number} cannot be opened",
                fix="try another number (0, 1, ...), close the program that uses it, or check its permissions",
            )
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # not every driver obeys; the reader empties the buffer anyway
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or None

    def _read(self, stop: threading.Event) -> np.ndarray | None:
        for _ in range(_CAMERA_TRIES):
            found, image = self._capture.read()
            if found:
                self._delivered += 1
                return as_bgr(image)
            if stop.wait(_CAMERA_WAIT_S):
                return None
        raise self._lost(f"{self._delivered} frames so far")

    def _release(self) -> None:
        self._capture.release()
