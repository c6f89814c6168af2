"""The sound of a video file, copied without decoding it into the overlay."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

# Codecs that MP4 holds and players know.
MP4_CODECS = ("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac")
_MAX_STEP_BACK_S = 0.5


class AudioTrack:
    """Copies the packets of a video's first audio stream, in step with the frames that are written.

    Args:
        path: The video file.
        output: PyAV's container of the overlay, before its first frame. It gets an audio stream if the sound can be
            copied.
    """

    def __init__(self, path: Path, output: Any) -> None:
        import av

        self.path, self._output, self._av = path, output, av
        self._source: Any = None
        self._packets: Any = iter(())
        self._waiting: Any = None
        self._last_s = float("-inf")
        try:
            self._source = av.open(str(path))
            self._begin()
        except (av.error.FFmpegError, OSError) as error:
            self._give_up(str(error))

    def _begin(self) -> None:
        videos, sounds = self._source.streams.video, self._source.streams.audio
        if not sounds:
            return
        codec = sounds[0].codec_context.name
        if codec not in MP4_CODECS:
            self._give_up(f"MP4 does not hold the codec {codec}")
            return
        first = videos[0] if videos else None
        # Times of frames count from the first frame.
        self._zero_s = float(first.start_time * first.time_base) if first and first.start_time is not None else 0.0
        self._stream = self._output.add_stream_from_template(sounds[0])
        self._packets = self._source.demux(sounds[0])

    def copy(self, start_s: float, end_s: float) -> None:
        """Copy what is heard from the last call on until a time.

        Args:
            start_s: Time of the first frame in the overlay, in seconds from the first frame of the video. What is heard
                earlier is left out.
            end_s: Time in seconds from the first frame of the video.
        """
        try:
            while (packet := self._next()) is not None:
                at_s = float(packet.pts * packet.time_base) - self._zero_s
                if at_s >= end_s:
                    return
                self._waiting = None
                if at_s < self._last_s - _MAX_STEP_BACK_S:
                    self._give_up(f"its times start anew after {self._last_s:.1f} s")
                elif at_s >= start_s:
                    self._mux(packet, start_s)
                self._last_s = at_s
        except self._av.error.FFmpegError as error:
            self._give_up(str(error))

    def close(self) -> None:
        """Close the video file."""
        self._packets, self._waiting = iter(()), None
        if self._source is not None:
            self._source.close()
            self._source = None

    def _next(self) -> Any:
        while self._waiting is None:
            packet = next(self._packets, None)
            if packet is None or packet.pts is not None:  # the last packet of a stream is empty
                self._waiting = packet
                break
        return self._waiting

    def _mux(self, packet: Any, start_s: float) -> None:
        shift = round((self._zero_s + start_s) / packet.time_base)
        packet.pts -= shift
        packet.dts = packet.pts
        packet.stream = self._stream
        self._output.mux(packet)

    def _give_up(self, problem: str) -> None:
        print_log(f"the sound of {self.path} is not copied: {problem}", "current", logging.WARNING)
        self.close()
