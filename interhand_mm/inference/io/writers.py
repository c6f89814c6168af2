"""Files of results: overlays as picture, video or GIF, and the frames as JSON; memory stays flat.

Every file appears under its name when it is closed, so a file that exists is complete. Closing early, after
an error or Ctrl-C, leaves complete files with the frames so far.
"""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np

from ...errors import OutputError
from ...structures.joints import JOINT_NAMES
from ...structures.results import FrameResult, HandsResult
from ...utils.files import atomic_path, atomic_write
from ...utils.images import write_image

FORMAT, VERSION = "interhand_mm.frames", 1
UNITS = {
    "boxes": "px of the full image, x1 y1 x2 y2",
    "keypoints": "u, v px of the full image; d mm relative to the joint's own wrist",
    "rel_root_depth_mm": "mm, z(left wrist) - z(right wrist)",
    "keypoints_mm": "mm, camera frame, x right, y down, z forward; metric only where depth_source is 'given'",
    "time_s": "seconds from the first frame",
}
_TICKS = 90_000  # a second in MP4's usual clock
GIF_SIDE_PX, GIF_FPS = 640, 20


class JsonFrames:
    """The frames' results, one line a frame; docs/demo.md describes every key.

    Args:
        path: File to write.
        head: What is known beforehand: source, kind, fps, mirror, provenance.
    """

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        self.path, self.num_frames = path, 0
        self._output = ExitStack()  # renames the file when it is closed
        self._file = self._output.enter_context(atomic_write(path))
        top = {"format": FORMAT, "version": VERSION, **head, "units": UNITS, "joints": JOINT_NAMES}
        self._file.write(msgspec.json.encode(top)[:-1] + b',\n"frames": [')

    def add(self, result: FrameResult) -> None:
        """Append one frame."""
        self._file.write((b",\n" if self.num_frames else b"\n") + msgspec.json.encode(frame_to_dict(result)))
        self.num_frames += 1

    def close(self, skipped: int = 0, complete: bool = False) -> None:
        """Write the end; `complete` says that the source was read to its end."""
        end = {"num_frames": self.num_frames, "skipped_frames": skipped, "complete": complete}
        with self._output:
            self._file.write(b"\n],\n" + msgspec.json.encode(end)[1:] + b"\n")


def frame_to_dict(result: FrameResult) -> dict[str, Any]:
    """One entry of "frames"; NaN stays NaN, which JSON gets as null."""
    return {
        "index": result.index,
        "time_s": result.time_s,
        "width": result.image.shape[1],
        "height": result.image.shape[0],
        "intrinsics": {
            "focal": _rounded(result.intrinsics.focal),
            "principal_pt": _rounded(result.intrinsics.principal_pt),
            "source": result.intrinsics.source,
        },
        "hands": [_hands_to_dict(hands) for hands in result.hands],
    }


def _hands_to_dict(hands: HandsResult) -> dict[str, Any]:
    sides = ("right", "left")
    return {
        "track_id": hands.track_id,
        "bbox": _rounded(hands.bbox),
        "detections": _rounded(hands.detections),
        "bbox_score": round(float(hands.bbox_score), 4),
        "hand_prob": dict(zip(sides, _rounded(hands.hand_prob, 4), strict=True)),
        "presence": dict(zip(sides, hands.presence, strict=True)),
        "restored": dict(zip(sides, hands.restored, strict=True)),
        "keypoints": _rounded(hands.keypoints),
        "keypoint_scores": _rounded(hands.keypoint_scores, 4),
        "rel_root_depth_mm": round(float(hands.rel_root_depth_mm), 2),
        "keypoints_mm": _rounded(hands.keypoints_mm),
        "depth_source": hands.depth_source,
    }


def _rounded(values: np.ndarray, digits: int = 2) -> list:
    return np.round(np.asarray(values, np.float64), digits).tolist()


class PictureFile:
    """The overlay of one picture."""

    def __init__(self, path: Path, fps: float | None) -> None:
        self.path = path

    def add(self, canvas: np.ndarray, time_s: float | None) -> None:
        """Write the image."""
        write_image(self.path, canvas)

    def close(self) -> None:
        """Do nothing: `add` wrote the whole file."""


class Mp4File:
    """The overlay as H.264 in MP4 (yuv420p, which browsers play), every frame at its own time."""

    def __init__(self, path: Path, fps: float | None) -> None:
        import av  # late: pictures need no video library

        self.path, self._last = path, -1
        self._av = av
        self._output = ExitStack()  # renames the file when it is closed
        temporary = self._output.enter_context(atomic_path(path))
        self._container = av.open(str(temporary), "w", format="mp4", options={"movflags": "+faststart"})
        rate = Fraction(fps or 25.0).limit_denominator(1001)
        self._stream = self._container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast"})
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, _TICKS)

    def add(self, canvas: np.ndarray, time_s: float | None) -> None:
        """Append one frame; an odd side gets one more pixel, which yuv420p wants."""
        height, width = canvas.shape[:2]
        if self._last < 0:
            self._stream.width, self._stream.height = width + width % 2, height + height % 2
        # A stream that changes its size half-way is brought to the size it began with.
        target = (self._stream.width, self._stream.height)
        if (width + width % 2, height + height % 2) != target:
            canvas = cv2.resize(canvas, target, interpolation=cv2.INTER_AREA)
        elif (width, height) != target:
            canvas = cv2.copyMakeBorder(canvas, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        frame = self._av.VideoFrame.from_ndarray(canvas, format="bgr24")
        self._last = max(self._last + 1, round((time_s or 0.0) * _TICKS))
        frame.pts, frame.time_base = self._last, Fraction(1, _TICKS)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what the encoder still holds, and the index."""
        with self._output, self._container:
            if self._last >= 0:
                self._container.mux(self._stream.encode(None))


class GifFile:
    """The overlay as an animated GIF, at most `GIF_SIDE_PX` a side and `GIF_FPS` frames a second.

    Each frame has its own palette; Pillow's writer would do that too, but holds all frames until the end.
    """

    def __init__(self, path: Path, fps: float | None) -> None:
        import av

        self.path, self._last, self._av = path, None, av
        self._output = ExitStack()
        self._container = av.open(str(self._output.enter_context(atomic_path(path))), "w", format="gif")
        self._stream = self._container.add_stream("gif", rate=GIF_FPS)
        self._stream.pix_fmt = "pal8"
        self._stream.codec_context.time_base = Fraction(1, 100)

    def add(self, canvas: np.ndarray, time_s: float | None) -> None:
        """Append one frame, unless the last one stands for it."""
        from PIL import Image

        ticks = round(100 * (time_s or 0.0))
        if self._last is not None and ticks - self._last < 100 // GIF_FPS:
            return
        scale = min(1.0, GIF_SIDE_PX / max(canvas.shape[:2]))
        size = (max(1, round(canvas.shape[1] * scale)), max(1, round(canvas.shape[0] * scale)))
        if self._last is None:
            self._stream.width, self._stream.height = size
        small = cv2.resize(canvas, (self._stream.width, self._stream.height), interpolation=cv2.INTER_AREA)
        paletted = Image.fromarray(small[..., ::-1]).quantize(256, Image.Quantize.FASTOCTREE)
        colors = np.frombuffer(paletted.palette.tobytes(), np.uint8).reshape(-1, 3)
        argb = np.full((256, 4), 255, np.uint8)
        argb[:, 1:] = 0
        argb[: len(colors), 1:] = colors
        frame = self._av.VideoFrame.from_ndarray((np.asarray(paletted), argb), format="pal8")
        frame.pts, frame.time_base = ticks, Fraction(1, 100)
        self._last = ticks
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what the encoder still holds."""
        with self._output, self._container:
            if self._last is not None:
                self._container.mux(self._stream.encode(None))


def prepare_folder(folder: Path, sources: list[Path]) -> Path:
    """Make the output folder and prove that it can be written, before any work.

    Raises:
        OutputError: It cannot, or one of the sources lies in it and might be overwritten.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".part.probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"cannot write into {folder}", got=error.strerror, fix="--out-dir DIR") from error
    if any(source.resolve().parent == folder.resolve() for source in sources):
        raise OutputError(f"the input lies in {folder} and could be overwritten", fix="--out-dir another folder")
    return folder


def unique_stems(paths: list[Path]) -> list[str]:
    """Names without ending, one a path; where two are the same (in any case), the ending stays: a.jpg -> a_jpg."""
    stems = [path.stem for path in paths]
    lowered = [stem.lower() for stem in stems]
    names: list[str] = []
    taken: set[str] = {stem for stem in lowered if lowered.count(stem) == 1}
    for path, stem, low in zip(paths, stems, lowered, strict=True):
        name, number = stem, 1
        if low not in taken or lowered.count(low) > 1:
            name = base = f"{stem}_{path.suffix[1:]}"
            while name.lower() in taken:
                number += 1
                name = f"{base}_{number}"
            taken.add(name.lower())
        names.append(name)
    return names
