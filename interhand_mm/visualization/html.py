"""An interactive page with the frames beside both hands in 3D, in one self-contained file."""

from __future__ import annotations

import base64
import functools
import gzip
import html
import json
import math
import string
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import cv2
import numpy as np

from ..errors import OutputError
from ..structures.joints import COLORS, FINGERS, JOINT_NAMES, NUM_JOINTS, WRISTS
from ..structures.results import ABSENT, FrameResult, HandsResult
from ..utils.files import atomic_write
from ..utils.images import resize_image
from ..utils.paths import printable
from .overlay import draw_frame

_ASSETS = Path(__file__).parent / "viewer"
_JPEG_QUALITY = 85
_MIN_HALF_MM = 60.0  # minimum of half the side of the plotted cube, about half a hand
_MARGIN = 1.08
_IMAGE_S = 1.0  # time for which an image is shown when a list of images is played


class HtmlViewer:
    """Write frames to one HTML page: image, rotatable 3D plot and the results, with a slider if there are several.

    The page is self-contained (it includes plotly's script, 1.9 MB compressed), and its content security policy forbids
    any request. Memory use stays constant, because frames are kept in a temporary file beside the page. The page is
    written when the `with` block ends; after an error it contains the frames so far.

    Args:
        path: Path of the page, ending in .html.
        title: Heading of the page.
        fps: Frame rate, for frames that have no time.
        max_frames: Maximum number of frames. If more are added, every second, fourth, eighth, ... one is kept, and the
            page says so.
        max_side_px: Images are downscaled to this longer side.

    Raises:
        OutputError: The folder cannot be written.
    """

    def __init__(
        self, path: str | Path, title: str, fps: float | None = None, max_frames: int = 300, max_side_px: int = 800
    ) -> None:
        self.path, self.title, self.fps = Path(path), printable(title), fps
        self.max_frames, self.max_side_px = max(1, max_frames), max_side_px
        self.seen, self.stride = 0, 1
        self._spooled: list[tuple[int, float]] = []  # number among the added frames, and time
        self._sources: set[str] = set()
        self._low, self._high, self._follow_half = np.full(3, np.inf), np.full(3, -np.inf), 0.0
        self._stopped = False
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._spool: IO[bytes] | None = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115  (closed in close)
        except OSError as error:
            raise OutputError(f"cannot write {self.path}", got=error.strerror) from error

    def __enter__(self) -> HtmlViewer:
        """Return the viewer."""
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Write the page, also after an error."""
        self.close(complete=kind is None)

    def add(self, frame: FrameResult) -> None:
        """Add a frame with all its crops.

        Raises:
            OutputError: The page is already closed, or the disk is full.
        """
        if self._spool is None:
            raise OutputError(f"{self.path} is closed", fix="add frames before close()")
        number, self.seen = self.seen, self.seen + 1
        if number % self.stride:
            return
        if len(self._kept()) == self.max_frames:
            self.stride *= 2
            if number % self.stride:
                return
        record = frame_record(frame, self.max_side_px)
        self._measure(frame)
        time_s = frame.time_s if frame.time_s is not None else number / self.fps if self.fps else number * _IMAGE_S
        try:
            self._spool.write(_json(record).encode() + b"\n")
        except OSError as error:
            raise OutputError(f"cannot write {self.path}", got=error.strerror) from error
        self._spooled.append((number, time_s))
        # Two are enough to know that the frames come from several images.
        if len(self._sources) < 2:
            self._sources.add(frame.source)

    def close(self, complete: bool = True) -> None:
        """Write the page; a second call does nothing.

        Args:
            complete: Whether all frames were added. If not, the page says that the run stopped early.

        Raises:
            OutputError: The page cannot be written.
        """
        if self._spool is None:
            return
        spool, self._spool, self._stopped = self._spool, None, not complete
        with spool, atomic_write(self.path) as page:
            page.writelines(self._parts(spool))

    def _kept(self) -> list[float]:
        """Return the times of the frames that go on the page."""
        return [time_s for number, time_s in self._spooled if number % self.stride == 0]

    def _measure(self, frame: FrameResult) -> None:
        """Enlarge the plotted cube, which is the same for all frames, to contain the joints of a frame."""
        center = _center(frame)
        for points in map(_shown_points, frame.hands if center is not None else ()):
            self._low, self._high = (
                np.fmin(self._low, np.fmin.reduce(points)),
                np.fmax(self._high, np.fmax.reduce(points)),
            )
            self._follow_half = float(np.fmax(self._follow_half, np.fmax.reduce(np.abs(points - center), axis=None)))

    def _parts(self, spool: IO[bytes]) -> Iterator[bytes]:
        page = string.Template((_ASSETS / "page.html").read_text("utf-8"))
        yield page.substitute(title=html.escape(self.title), css=(_ASSETS / "page.css").read_text("utf-8")).encode()
        spool.seek(0)
        # Not strict, because a full disk may have left an incomplete last line, which is ignored.
        for (number, _), line in zip(self._spooled, spool, strict=False):
            if number % self.stride == 0:
                yield b'<script type="application/json" class="frame">' + line.rstrip() + b"</script>\n"
        yield b'<script type="application/json" id="viewer">' + _json(self._common()).encode() + b"</script>\n"
        yield b'<script type="application/gzip" id="plotly">' + _packed_plotly() + b"</script>\n"
        yield b"<script>\n" + (_ASSETS / "page.js").read_bytes() + b"</script>\n</body>\n</html>\n"

    def _common(self) -> dict[str, Any]:
        """Return the data that the script of the page needs once."""
        times = self._kept()
        center, half = np.zeros(3), _MIN_HALF_MM
        if np.isfinite(self._low).all():
            center, half = (self._low + self._high) / 2, float((self._high - self._low).max()) / 2
        thinned = f"1 frame in {self.stride} of {self.seen}" if self.stride > 1 else ""
        stopped = "the run stopped early" if self._stopped else ""
        name = Path(next(iter(self._sources))).name if len(self._sources) == 1 else ""
        count = f"{len(times)} frames" if self.seen > 1 else ""
        return {
            "summary": " · ".join(filter(None, (name, count, thinned, stopped))),
            "seen": self.seen,
            "oneSource": len(self._sources) < 2,
            "times": [time_s - times[0] for time_s in times],
            "center": center.tolist(),
            "half": max(half, _MIN_HALF_MM) * _MARGIN,
            "followHalf": max(self._follow_half, _MIN_HALF_MM) * _MARGIN,
            "names": [name.replace("_", " ").rstrip("1234") + _digit(name) for name in JOINT_NAMES],
            "fingers": FINGERS,
            "colors": [f"rgb{color}" for color in COLORS],
        }


def frame_record(frame: FrameResult, max_side_px: int) -> dict[str, Any]:
    """Return a frame as the script of the page reads it, with None for NaN.

    Args:
        frame: Result of inference.
        max_side_px: The image is downscaled to this longer side before it is drawn on, so that lines stay sharp.
    """
    reduced = reduce_frame(frame, max_side_px)
    center = _center(frame)
    encoded, jpeg = cv2.imencode(".jpg", draw_frame(reduced), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    assert encoded  # encoding a uint8 image cannot fail
    return {
        "index": frame.index,
        "time": frame.time_s,
        "source": printable(Path(frame.source).name),
        "size": [frame.image.shape[1], frame.image.shape[0]],
        "focal": _rounded(frame.intrinsics.focal),
        "intrinsics": frame.intrinsics.source,
        "center": None if center is None else _rounded(center),
        "hands": [_hands_record(hands) for hands in frame.hands],
        "jpeg": base64.b64encode(jpeg.tobytes()).decode(),
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


@functools.cache
def _packed_plotly() -> bytes:
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0))
