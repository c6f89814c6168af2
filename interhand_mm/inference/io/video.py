"""Reader of video files and animated GIFs. Times come from the file, and broken frames are counted."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from ...errors import InputError
from ..options import WHOLE_VIDEO, Section
from .frames import Frame, SourceKind, empty_section

_REORDER_FRAMES = 3  # some files' decoding times waver by a frame or two


class Video:
    """A `Source` of the frames of a video file.

    The index of a frame is its position among all frames of the file in order of presentation, so it does not shift
    if an earlier frame is broken. Its time is its own presentation time, so variable frame rates are kept.

    Args:
        path: The file.
        section: Frames to read. They keep their index and time.

    Raises:
        InputError: The file is not a video.
    """

    kind: SourceKind = "video"

    def __init__(self, path: Path, section: Section = WHOLE_VIDEO) -> None:
        self.name, self.path, self.section = str(path), path, section
        self.paths: Sequence[Path] = (path,)
        self.skipped = 0
        self.problem: str | None = None
        with self._open() as container:
            stream = container.streams.video[0]
            rate = float(stream.average_rate) if stream.average_rate else None
            self.fps: float | None = rate and rate / section.stride
            self.length: int | None = section.count(stream.frames or None, rate)

    def _open(self) -> Any:
        try:
            container = av.open(self.name)
        except (av.error.FFmpegError, OSError) as error:
            raise self._unknown_format(error.strerror or str(error)) from error
        # FFmpeg trusts the suffix: it takes any .jpg for an image and any .txt for terminal art.
        if container.format.name in ("image2", "tty") or container.format.name.endswith("_pipe"):
            container.close()
            raise self._unknown_format("unknown content")
        if not container.streams.video:
            container.close()
            raise InputError(f"there is no video in {self.path}", want="a file with a video stream")
        return container

    def _unknown_format(self, problem: str) -> InputError:
        return InputError(
            f"neither an image nor a video: {self.path}",
            got=f"{self.path.stat().st_size} bytes; {problem}",
            fix="copy or download it again, or convert it to mp4",
        )

    def __iter__(self) -> Iterator[Frame]:
        """Decode one frame after the other, each turned upright as the file says.

        Raises:
            InputError: Not a single frame could be decoded, or none lies in the section.
        """
        first, last_s = None, 0.0
        for index, last_s, decoded in self._decoded():
            if self.section.ends_before(last_s):
                break
            if last_s < self.section.start_s:
                continue
            first = index if first is None else first
            if (index - first) % self.section.stride == 0:
                yield Frame(self.name, index, last_s, as_upright(decoded))
        if first is None:
            raise empty_section(self.name, self.section, last_s)

    def _decoded(self) -> Iterator[tuple[int, float, Any]]:
        """Yield the index, the time and the decoded frame of all good frames, some of which precede the section."""
        start_s = self.section.start_s
        with self._open() as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            clock = _Clock(stream)
            for packet in _packets_for(start_s, _packets(container, stream, clock.frame_ticks), clock):
                for decoded in self._decode(packet):
                    index, time_s = clock.place(decoded)
                    if decoded.is_corrupt:
                        continue
                    # Before the section, lost frames do not count.
                    clock.good = clock.good + 1 if time_s >= start_s else index + 1
                    self.skipped = index + 1 - clock.good
                    yield index, time_s, decoded
            self.skipped = clock.placed + len(clock.pending) - clock.good
        if not clock.good:
            raise InputError(f"no frame of {self.path} could be decoded", got=self.problem)

    def _decode(self, packet: Any) -> list[Any]:
        try:
            return packet.decode()
        except av.error.FFmpegError as error:
            self.problem = self.problem or f"{self.path}: {error.strerror}"
            return []


class _Clock:
    """Assigns an index and a time to decoded frames.

    Every packet announces the presentation time of a frame before the decoder returns that frame, possibly in another
    order. A time that was announced, is earlier than the current frame, and was never returned belongs to a lost frame.
    """

    def __init__(self, stream: Any) -> None:
        self.rate = float(stream.average_rate or 25)
        self.time_base = float(stream.time_base or 0)
        self.frame_ticks = max(1, round(1 / self.rate / self.time_base)) if self.time_base else 1
        self.pending: list[int] = []
        self.placed = self.good = 0  # number of frames with an index so far, and of those that were yielded
        self.first: int | None = None

    def announce(self, packet: Any) -> None:
        if _holds_frame(packet):
            heapq.heappush(self.pending, packet.pts)

    def seconds(self, ticks: int) -> float:
        """Return the seconds from the start of a time that was announced."""
        first = self.first if self.first is not None else min(self.pending, default=ticks)
        return (ticks - first) * self.time_base

    def place(self, frame: Any) -> tuple[int, float]:
        """Return the index and the seconds from the start. Without times in the file, the frame rate gives them."""
        if frame.pts is None:
            self.placed += 1
            return self.placed - 1, (self.placed - 1) / self.rate
        earlier = 0
        while self.pending and self.pending[0] <= frame.pts:
            first = heapq.heappop(self.pending)
            earlier += first < frame.pts
            self.first = first if self.first is None else self.first
        self.first = frame.pts if self.first is None else self.first
        self.placed += earlier + 1
        return self.placed - 1, (frame.pts - self.first) * self.time_base


def _holds_frame(packet: Any) -> bool:
    return packet.pts is not None and bool(packet.size) and not packet.is_discard


def _packets_for(start_s: float, packets: Iterator[Any], clock: _Clock) -> Iterator[Any]:
    """Announce all packets, and yield those that the decoder needs for the frames from a time on.

    A decoder can begin at any key frame. The group of frames before is decoded too, because frames that follow a key
    frame in the file may precede it in time and depend on that group.
    """
    before: list[Any] = []
    group: list[Any] = []
    started = start_s <= 0
    for packet in packets:
        clock.announce(packet)
        if started:
            yield packet
            continue
        if packet.is_keyframe:
            clock.good += sum(map(_holds_frame, before))  # they are left out, not lost
            before, group = group, []
        group.append(packet)
        if not _holds_frame(packet) or clock.seconds(packet.pts) >= start_s:  # the last packet is an empty one
            started = True
            yield from before + group
            before, group = [], []


def _packets(container: Any, stream: Any, frame_ticks: int) -> Iterator[Any]:
    """Yield packets until the file ends or is cut short.

    Decoding times grow. Where they fall back, two streams were joined, as IP cameras and `cat a.ts b.ts` do; all times
    from there on are moved, so that they continue where the first stream ended.
    """
    moved, last = 0, None
    try:
        for packet in container.demux(stream):
            if packet.dts is not None:
                if last is not None and packet.dts + moved < last - _REORDER_FRAMES * frame_ticks:
                    moved = last + frame_ticks - packet.dts
                if moved:
                    packet.pts = None if packet.pts is None else packet.pts + moved
                    packet.dts += moved
                last = packet.dts
            yield packet
    except av.error.FFmpegError:
        return


def as_upright(frame: Any) -> np.ndarray:
    """Return (H, W, 3) uint8 BGR, turned and mirrored by the display matrix that phones write.

    The matrix maps a stored pixel (x, y) to (a x + c y, b x + d y). A front camera's may contain a reflection.
    """
    image = frame.to_ndarray(format="bgr24")
    side = frame.side_data.get("DISPLAYMATRIX")
    if side is None:
        return image
    a, b, _, c, d = np.frombuffer(bytes(side), np.int32)[:5].astype(np.int64)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        image = image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    else:
        image = image.transpose(1, 0, 2)[:: -1 if b < 0 else 1, :: -1 if c < 0 else 1]
    return np.ascontiguousarray(image)
