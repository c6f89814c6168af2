"""The results of inference as JSON and as JSON lines: the schema of both, and their writers.

docs/guide/inference.md documents every key. The writers and the reader (`results_reader.py`) share the records below,
so they cannot drift apart.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import numpy as np

from ...structures.joints import JOINT_NAMES, NUM_JOINTS
from ...structures.results import DepthSource, FrameResult, HandsResult, Intrinsics, IntrinsicsSource, Presence
from ...utils.files import atomic_write, growing_write
from .frames import Source

FORMAT, LINES_FORMAT, VERSION = "interhand_mm.frames", "interhand_mm.frame_lines", 2
UNITS = {
    "boxes": "px of the full image, x1 y1 x2 y2",
    "keypoints": "u, v px of the full image; d mm relative to the joint's own wrist",
    "rel_root_depth_mm": "mm, z(left wrist) - z(right wrist)",
    "keypoints_mm": "mm, camera frame, x right, y down, z forward; metric only where depth_source is 'given'",
    "time_s": "seconds from the first frame",
}

Value = TypeVar("Value")
_Number = float | None  # JSON has no NaN; null stands for it
_Pair = Annotated[list[_Number], msgspec.Meta(min_length=2, max_length=2)]
_Triple = Annotated[list[_Number], msgspec.Meta(min_length=3, max_length=3)]
_Box = Annotated[list[_Number], msgspec.Meta(min_length=4, max_length=4)]
_Joints = msgspec.Meta(min_length=NUM_JOINTS, max_length=NUM_JOINTS)


class _Sides(msgspec.Struct, Generic[Value]):
    right: Value
    left: Value


class _Intrinsics(msgspec.Struct):
    focal: _Pair
    principal_pt: _Pair
    source: IntrinsicsSource


class _Hands(msgspec.Struct, kw_only=True):
    track_ids: tuple[int | None, int | None]
    bbox: _Box
    detections: list[_Box]
    bbox_score: float
    hand_prob: _Sides[float]
    presence: _Sides[Presence]
    restored: _Sides[bool] = msgspec.field(default_factory=lambda: _Sides(False, False))
    keypoints: Annotated[list[_Triple], _Joints]
    keypoint_scores: Annotated[list[_Number], _Joints]
    rel_root_depth_mm: _Number
    keypoints_mm: Annotated[list[_Triple], _Joints]
    depth_source: DepthSource


class FrameRecord(msgspec.Struct):
    """One frame of the file."""

    index: int
    time_s: float | None
    width: int
    height: int
    intrinsics: _Intrinsics
    hands: list[_Hands]


class EndRecord(msgspec.Struct):
    """The last line of JSON lines."""

    num_frames: int
    skipped_frames: int
    complete: bool


class HeadRecord(msgspec.Struct):
    """What identifies a file of either form."""

    format: str = ""
    version: int = 0


class JsonWriter:
    """Write the results of a source as JSON, one line per frame; a `Writer`.

    Args:
        mirror: Whether the input was treated as mirrored.
        provenance: How the results were made, from `utils.provenance.provenance`.
    """

    def __init__(self, mirror: bool, provenance: dict[str, Any]) -> None:
        self.head = {"mirror": mirror, "provenance": provenance}

    def suffix(self, source: Source) -> str:
        """Return ".json"."""
        return ".json"

    def open(self, path: Path, name: str, source: Source) -> None:
        """Write the head of the file."""
        self._source, self._num_frames = source, 0
        self._output = ExitStack()  # gives the file its name in `close`
        self._file = self._output.enter_context(atomic_write(path))
        self._file.write(_encode_head(FORMAT, name, source, self.head)[:-1] + b',\n"frames": [')

    def add(self, result: FrameResult, canvas: np.ndarray) -> None:
        """Append one frame."""
        self._file.write((b",\n" if self._num_frames else b"\n") + msgspec.json.encode(_frame_record(result)))
        self._num_frames += 1

    def close(self, complete: bool) -> None:
        """Write the end of the file, and give the file its name."""
        end = EndRecord(self._num_frames, _skipped(self._source), complete)
        with self._output:
            self._file.write(b"\n],\n" + msgspec.json.encode(end)[1:] + b"\n")


class JsonLinesWriter:
    """Write the results of a source as JSON lines: a head, one line per frame, and an end; a `Writer`.

    Other programs can read the file while it grows, because every line is flushed. The last line marks a complete file.

    Args:
        mirror: Whether the input was treated as mirrored.
        provenance: How the results were made, from `utils.provenance.provenance`.
    """

    def __init__(self, mirror: bool, provenance: dict[str, Any]) -> None:
        self.head = {"mirror": mirror, "provenance": provenance}

    def suffix(self, source: Source) -> str:
        """Return ".jsonl"."""
        return ".jsonl"

    def open(self, path: Path, name: str, source: Source) -> None:
        """Create the file and write its head."""
        self._source, self._num_frames = source, 0
        self._output = ExitStack()
        self._file = self._output.enter_context(growing_write(path))
        self._write_line(_encode_head(LINES_FORMAT, name, source, self.head))

    def add(self, result: FrameResult, canvas: np.ndarray) -> None:
        """Append one frame."""
        self._write_line(msgspec.json.encode(_frame_record(result)))
        self._num_frames += 1

    def close(self, complete: bool) -> None:
        """Write the line that marks the end."""
        with self._output:
            self._write_line(msgspec.json.encode(EndRecord(self._num_frames, _skipped(self._source), complete)))

    def _write_line(self, line: bytes) -> None:
        self._file.write(line + b"\n")
        self._file.flush()


def _skipped(source: Source) -> int:
    """Return the number of frames of a file that could not be decoded. An image that has a file was decoded."""
    return 0 if source.kind == "images" else source.skipped


def _encode_head(form: str, name: str, source: Source, head: dict[str, Any]) -> bytes:
    """Return the head of a file as a JSON object."""
    content = {
        "format": form, "version": VERSION, "source": name, "kind": source.kind, "fps": source.fps,
        **head, "units": UNITS, "joints": JOINT_NAMES,
    }  # fmt: skip
    return msgspec.json.encode(content)


def _frame_record(result: FrameResult) -> FrameRecord:
    camera = result.intrinsics
    return FrameRecord(
        index=result.index,
        time_s=result.time_s,
        width=result.image.shape[1],
        height=result.image.shape[0],
        intrinsics=_Intrinsics(_rounded(camera.focal), _rounded(camera.principal_pt), camera.source),
        hands=[_hands_record(hands) for hands in result.hands],
    )


def frame_result(frame: FrameRecord, source: str) -> FrameResult:
    """Return the result that a record describes, with a black image that takes no memory.

    Args:
        frame: Record of the frame.
        source: Name of the file or camera that the frame is from.
    """
    camera = frame.intrinsics
    return FrameResult(
        source=source,
        index=frame.index,
        time_s=frame.time_s,
        image=np.broadcast_to(np.uint8(0), (frame.height, frame.width, 3)),
        intrinsics=Intrinsics(_array(camera.focal), _array(camera.principal_pt), camera.source),
        hands=tuple(_hands_result(hands) for hands in frame.hands),
    )


def _hands_record(hands: HandsResult) -> _Hands:
    return _Hands(
        track_ids=hands.track_ids,
        bbox=_rounded(hands.bbox),
        detections=_rounded(hands.detections),
        bbox_score=round(float(hands.bbox_score), 4),
        hand_prob=_Sides(*_rounded(hands.hand_prob, 4)),
        presence=_Sides(*hands.presence),
        restored=_Sides(*hands.restored),
        keypoints=_rounded(hands.keypoints),
        keypoint_scores=_rounded(hands.keypoint_scores, 4),
        rel_root_depth_mm=round(float(hands.rel_root_depth_mm), 2),
        keypoints_mm=_rounded(hands.keypoints_mm),
        depth_source=hands.depth_source,
    )


def _hands_result(hands: _Hands) -> HandsResult:
    return HandsResult(
        bbox=_array(hands.bbox),
        detections=_array(hands.detections).reshape(-1, 4),
        bbox_score=hands.bbox_score,
        hand_prob=np.array([hands.hand_prob.right, hands.hand_prob.left]),
        presence=(hands.presence.right, hands.presence.left),
        keypoints=_array(hands.keypoints),
        keypoint_scores=_array(hands.keypoint_scores),
        rel_root_depth_mm=float("nan") if hands.rel_root_depth_mm is None else hands.rel_root_depth_mm,
        keypoints_mm=_array(hands.keypoints_mm),
        depth_source=hands.depth_source,
        track_ids=hands.track_ids,
        restored=(hands.restored.right, hands.restored.left),
    )


def _rounded(values: np.ndarray, digits: int = 2) -> list[Any]:
    """Return nested lists of rounded numbers. NaN stays NaN, which JSON encodes as null."""
    return np.round(np.asarray(values, np.float64), digits).tolist()


def _array(values: list[Any]) -> np.ndarray:
    """Return an array, with NaN for None."""
    return np.array(values, dtype=np.float64)
