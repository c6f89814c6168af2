"""Interactive pages with the frames beside both hands in 3D."""

from __future__ import annotations

import base64
import html
import json
import math
import os
import string
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import quote

import cv2
import numpy as np

from ..errors import OutputError
from ..structures.joints import COLORS, FINGERS, JOINT_NAMES, NUM_JOINTS, WRISTS
from ..structures.results import ABSENT, FrameResult, HandsResult
from ..utils.files import atomic_write, write_text
from ..utils.images import resize_image
from ..utils.mp4 import Mp4Encoder
from ..utils.paths import printable
from .overlay import DEFAULT_STYLE, DrawStyle, draw_frame

_ASSETS = Path(__file__).parent / "viewer"
_JPEG_QUALITY, _VIDEO_CRF = 85, 23
_MIN_HALF_MM = 60.0  # minimum of half the side of the plotted cube, about half a hand
_MARGIN = 1.08
_IMAGE_S = 1.0  # time for which an image is shown when a list of images is played
_BASE64_BYTES = 3 << 18  # a multiple of three, so that parts can be joined


class HtmlViewer:
    """Write frames to one HTML page: image, rotatable 3D plot and the results, with a slider if there are several.

    The page is self-contained, and its content security policy forbids any request. It draws the plot itself and needs
    no graphics card. Memory use stays constant, because frames are kept in temporary files beside the page. The page is
    written when the `with` block ends; after an error it contains the frames so far.

    Args:
        path: Path of the page, ending in .html.
        title: Heading of the page.
        fps: Frame rate, for frames that have no time.
        max_side_px: Images are downscaled to this longer side.
        video: Whether the frames are one video. Then the page contains its images as H.264, which takes a fraction of
            the space, and plays them in real time. Otherwise every image is a JPEG.
        style: Sizes of bones and joints on images of full size.

    Raises:
        OutputError: The folder cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        title: str,
        fps: float | None = None,
        max_side_px: int = 800,
        video: bool = False,
        style: DrawStyle = DEFAULT_STYLE,
    ) -> None:
        self.path, self.title, self.fps, self.style = Path(path), printable(title), fps, style
        self.max_side_px = max_side_px
        self._times: list[float] = []
        self._sources: set[str] = set()
        self._low, self._high, self._follow_half = np.full(3, np.inf), np.full(3, -np.inf), 0.0
        self._encoder: Mp4Encoder | None = None
        self._files = ExitStack()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._spool: IO[bytes] | None = self._temporary()
            self._video = self._temporary() if video else None
        except OSError as error:
            self._files.close()
            raise OutputError(f"cannot write {self.path}", got=error.strerror) from error

    def __enter__(self) -> HtmlViewer:
        """Return the viewer."""
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Write the page, also after an error."""
        self.close(complete=kind is None)

    @property
    def first_s(self) -> float | None:
        """Return the time of the first frame in seconds, or None before that."""
        return self._times[0] if self._times else None

    @property
    def num_frames(self) -> int:
        """Return the number of frames so far."""
        return len(self._times)

    def add(self, frame: FrameResult) -> None:
        """Add a frame with all its crops.

        Raises:
            OutputError: The page is already closed, or the disk is full.
        """
        if self._spool is None:
            raise OutputError(f"{self.path} is closed", fix="add frames before close()")
        number = self.num_frames
        time_s = frame.time_s if frame.time_s is not None else number / self.fps if self.fps else number * _IMAGE_S
        drawn = draw_reduced(frame, self.max_side_px, self.style)
        record = frame_record(frame)
        try:
            if self._video is None:
                record["jpeg"] = _encode_jpeg(drawn)
            else:
                if self._encoder is None:
                    self._encoder = Mp4Encoder(self._video, self.fps, _VIDEO_CRF, seekable=True)
                self._encoder.add(drawn, time_s - (self._times[0] if self._times else time_s))
            self._spool.write(_json(record).encode() + b"\n")
        except OSError as error:
            raise OutputError(f"cannot write {self.path}", got=error.strerror) from error
        self._times.append(time_s)
        self._measure(frame)
        # Two are enough to know that the frames come from several images.
        if len(self._sources) < 2:
            self._sources.add(frame.source)

    def close(self, complete: bool = True, pages: PageOfVideo | None = None) -> None:
        """Write the page; a second call does nothing.

        Args:
            complete: Whether all frames were added. If not, the page says that the run stopped early.
            pages: Place of the page among the pages of one video, which it links to.

        Raises:
            OutputError: The page cannot be written.
        """
        if self._spool is None:
            return
        spool, self._spool = self._spool, None
        with self._files:
            try:
                if self._encoder is not None:
                    self._encoder.close()
            except OSError as error:
                raise OutputError(f"cannot write {self.path}", got=error.strerror) from error
            with atomic_write(self.path) as page:
                page.writelines(self._parts(spool, complete, pages))

    def _temporary(self) -> IO[bytes]:
        return self._files.enter_context(tempfile.TemporaryFile(dir=self.path.parent))

    def _measure(self, frame: FrameResult) -> None:
        """Enlarge the plotted cube, which is the same for all frames, to contain the joints of a frame."""
        center = _center(frame)
        for points in map(_shown_points, frame.hands if center is not None else ()):
            self._low, self._high = (
                np.fmin(self._low, np.fmin.reduce(points)),
                np.fmax(self._high, np.fmax.reduce(points)),
            )
            self._follow_half = float(np.fmax(self._follow_half, np.fmax.reduce(np.abs(points - center), axis=None)))

    def _parts(self, spool: IO[bytes], complete: bool, pages: PageOfVideo | None) -> Iterator[bytes]:
        page = string.Template((_ASSETS / "page.html").read_text("utf-8"))
        # A page from a file has no origin of its own, so "self" alone would not allow the list beside it.
        scripts = "'unsafe-inline'" + (" 'self' file:" if pages else "")
        style = (_ASSETS / "page.css").read_text("utf-8")
        yield page.substitute(title=html.escape(self.title), scripts=scripts, css=style).encode()
        spool.seek(0)
        # Not strict, because a full disk may have left an incomplete last line, which is ignored.
        for _, line in zip(self._times, spool, strict=False):
            yield b'<script type="application/json" class="frame">' + line.rstrip() + b"</script>\n"
        if self._video is not None:
            yield b'<script type="video/mp4" id="packed-video">'
            yield from _base64_parts(self._video)
            yield b"</script>\n"
        common = self._common(complete, pages)
        yield b'<script type="application/json" id="viewer">' + _json(common).encode() + b"</script>\n"
        if pages is not None:
            yield f'<script src="{_link(pages.list_name)}"></script>\n'.encode()
        for name in ("plot.js", "page.js"):
            yield b"<script>\n" + (_ASSETS / name).read_bytes() + b"</script>\n"
        yield b"</body>\n</html>\n"

    def _common(self, complete: bool, pages: PageOfVideo | None) -> dict[str, Any]:
        """Return the data that the script of the page needs once."""
        times = self._times
        center, half = np.zeros(3), _MIN_HALF_MM
        if np.isfinite(self._low).all():
            center, half = (self._low + self._high) / 2, float((self._high - self._low).max()) / 2
        name = Path(next(iter(self._sources))).name if len(self._sources) == 1 else ""
        count = f"{len(times)} frames" if len(times) > 1 else ""
        stopped = "" if complete else "the run stopped early"
        return {
            "summary": " · ".join(filter(None, (printable(name), count, stopped))),
            "oneSource": len(self._sources) < 2,
            "times": [round(time_s - times[0], 5) for time_s in times],
            "video": self._video is not None,
            "page": None if pages is None else pages.number,
            "center": center.tolist(),
            "half": max(half, _MIN_HALF_MM) * _MARGIN,
            "followHalf": max(self._follow_half, _MIN_HALF_MM) * _MARGIN,
            "names": [name.replace("_", " ").rstrip("1234") + _digit(name) for name in JOINT_NAMES],
            "fingers": FINGERS,
            "colors": [f"rgb{color}" for color in COLORS],
        }


@dataclass(frozen=True)
class PageOfVideo:
    """The place of a page among the pages of one video.

    Attributes:
        list_name: Name of the script beside the pages that lists them, from `write_page_list`.
        number: Position of the page in this list, from 0.
    """

    list_name: str
    number: int


def write_page_list(path: Path, pages: Sequence[tuple[str, float]]) -> None:
    """Write the script that links the pages of one video.

    Args:
        path: Script to write.
        pages: Name of each page, and the time of its first frame in seconds.

    Raises:
        OutputError: The script cannot be written.
    """
    content = [{"href": _link(name), "start": round(start_s, 3)} for name, start_s in pages]
    write_text(path, f"var viewerPages = {_json(content)};\n")


def draw_reduced(frame: FrameResult, max_side_px: int, style: DrawStyle) -> np.ndarray:
    """Draw a frame on its image, downscaled first, so that lines stay sharp.

    Args:
        frame: Result of inference.
        max_side_px: Maximum of the longer side.
        style: Sizes of bones and joints on the image of full size.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    reduced = reduce_frame(frame, max_side_px)
    return draw_frame(reduced, style=style.scaled(reduced.image.shape[1] / frame.image.shape[1]))


def frame_record(frame: FrameResult) -> dict[str, Any]:
    """Return the numbers of a frame as the script of the page reads them, with None for NaN."""
    center = _center(frame)
    return {
        "index": frame.index,
        "time": frame.time_s,
        "source": printable(Path(frame.source).name),
        "size": [frame.image.shape[1], frame.image.shape[0]],
        "focal": _rounded(frame.intrinsics.focal),
        "intrinsics": frame.intrinsics.source,
        "center": None if center is None else _rounded(center),
        "hands": [_hands_record(hands) for hands in frame.hands],
    }


def reduce_frame(frame: FrameResult, max_side_px: int) -> FrameResult:
    """Downscale a frame so that its longer side is at most `max_side_px`, and scale every pixel coordinate with it."""
    height, width = frame.image.shape[:2]
    factor = max_side_px / max(height, width)
    if factor >= 1:
        return frame
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    scale = np.array(size) / (width, height)
    # Pixel centers are integers, so the corner of the image, about which it is scaled, is at -0.5.
    shift = scale / 2 - 0.5
    hands = tuple(
        replace(
            crop,
            bbox=crop.bbox * np.tile(scale, 2) + np.tile(shift, 2),
            detections=crop.detections * np.tile(scale, 2) + np.tile(shift, 2),
            keypoints=np.column_stack([crop.keypoints[:, :2] * scale + shift, crop.keypoints[:, 2]]),
        )
        for crop in frame.hands
    )
    camera = frame.intrinsics
    camera = replace(camera, focal=camera.focal * scale, principal_pt=camera.principal_pt * scale + shift)
    return replace(frame, image=resize_image(frame.image, size), intrinsics=camera, hands=hands)


def _hands_record(hands: HandsResult) -> dict[str, Any]:
    prob = [float(p) for p in hands.hand_prob]
    return {
        "tracks": list(hands.track_ids),
        "presence": list(hands.presence),
        "prob": prob,
        "dropped": [presence == "no" and p > ABSENT for presence, p in zip(hands.presence, prob, strict=True)],
        "score": float(hands.bbox_score),
        "detected": len(hands.detections) > 0,
        "root": _finite(float(hands.rel_root_depth_mm)),
        "depth": hands.depth_source,
        "scores": [_finite(round(float(score), 3)) for score in hands.keypoint_scores],
        "xyz": [_rounded(point) if np.isfinite(point).all() else None for point in _shown_points(hands)],
    }


def _shown_points(hands: HandsResult) -> np.ndarray:
    """Return the joints (42, 3) in mm; NaN for hands that are not shown and joints that are not finite."""
    known = hands.shown & np.isfinite(hands.keypoints_mm).all(axis=-1)
    return np.where(known[:, None], hands.keypoints_mm, np.nan)


def _center(frame: FrameResult) -> np.ndarray | None:
    """Return the mean of the wrists (3,) in mm, which does not move with the fingers; without wrists, of all joints."""
    points = np.concatenate([_shown_points(hands) for hands in frame.hands] or [np.zeros((0, 3))])
    known = np.isfinite(points[:, 0])
    wrists = known & np.isin(np.arange(len(points)) % NUM_JOINTS, WRISTS)
    chosen = points[wrists if wrists.any() else known]
    return chosen.mean(axis=0) if len(chosen) else None


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 1) for value in values]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _digit(name: str) -> str:
    return f" {name[-1]}" if name[-1].isdigit() else ""


def _json(content: Any) -> str:
    """Return JSON that is safe inside a <script> element."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _encode_jpeg(image: np.ndarray) -> str:
    encoded, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    assert encoded  # encoding a uint8 image cannot fail
    return base64.b64encode(jpeg.tobytes()).decode()


def _base64_parts(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while part := file.read(_BASE64_BYTES):
        yield base64.b64encode(part)


def _link(name: str) -> str:
    """Return a relative link to a file. Its name may contain bytes that are not UTF-8."""
    return "./" + quote(os.fsencode(name))
