"""Read InterHand2.6M's camera and joint_3d files into tables that the samples refer to by row."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta, Raw, Struct

from ...errors import AnnotationError
from ...structures.joints import NUM_JOINTS
from ...utils.json_stream import FIX_FILE, decode_file, decode_lenient
from .column_cache import Columns

_PLACEHOLDER_MM = 1.0  # the files contain (1, 1, 1) for a joint that was not annotated


class _CaptureCameras(Struct):
    campos: dict[str, Raw]
    camrot: dict[str, Raw]
    focal: dict[str, Raw]
    princpt: dict[str, Raw]


_Vector2 = tuple[float, float]
_Vector3 = tuple[float, float, float]
_CAMERA_COLUMNS = {
    "rotation": ("camrot", tuple[_Vector3, _Vector3, _Vector3], (3, 3)),
    "position": ("campos", _Vector3, (3,)),
    "focal": ("focal", _Vector2, (2,)),
    "principal_pt": ("princpt", _Vector2, (2,)),
}

_Number = float | None  # None for a NaN or an infinity in the file
_Point = tuple[_Number, _Number, _Number] | None
_Points = Annotated[list[_Point], Meta(min_length=NUM_JOINTS, max_length=NUM_JOINTS)]


class _Frame(Struct):
    world_coord: _Points


class Table(NamedTuple):
    """Columns of a table, and the row of each (capture, camera or frame)."""

    columns: Columns
    rows: dict[tuple[str, str], int]


_Key = tuple[int | str, int | str]  # capture, then camera or frame


class RowLookup:
    """Look up rows of a table by the keys that data.json uses, and collect the missing ones.

    >>> missing = []
    >>> RowLookup({("3", "401"): 0}, "camera", missing).rows([(3, 401), (3, 402)]), missing
    ([0, -1], ['capture 3, camera 402'])

    Args:
        rows: Row of each (capture, camera or frame).
        label: Name of the second part of the key in messages, "camera" or "frame".
        missing: List that receives the descriptions of missing keys. Several lookups may share it.
    """

    def __init__(self, rows: dict[tuple[str, str], int], label: str, missing: list[str]) -> None:
        self._rows, self._label, self._missing = rows, label, missing
        self._known: dict[_Key, int] = {}  # by the key as it is written: its parts may be numbers or text

    def rows(self, keys: list[_Key]) -> list[int]:
        """Return the rows of many keys, ``-1 - k`` for a key that is the k-th missing one."""
        for key in dict.fromkeys(keys):  # each key once, in the order of the file
            if key in self._known:
                continue
            row = self._rows.get((str(key[0]), str(key[1])))
            if row is None:
                self._missing.append(f"capture {key[0]}, {self._label} {key[1]}")
                row = -len(self._missing)
            self._known[key] = row
        known = self._known
        return [known[key] for key in keys]


def pack_flags(flags: np.ndarray) -> np.ndarray:
    """Pack the flags of each row into one integer.

    Args:
        flags: (N, 42) bool.

    Returns:
        (N,) uint64, bit j for flag j.

    >>> flags = np.zeros((1, NUM_JOINTS), bool)
    >>> flags[0, [0, 2]] = True
    >>> pack_flags(flags).tolist()
    [5]
    """
    packed = np.zeros((len(flags), 8), np.uint8)
    packed[:, : (NUM_JOINTS + 7) // 8] = np.packbits(flags, axis=1, bitorder="little")
    return packed.view("<u8")[:, 0]


def read_cameras(path: Path) -> Table:
    """Read the cameras. A camera without one of the four entries counts as missing.

    Returns:
        Table with rows in the order of the file. Its columns are rotation (C, 3, 3), position (C, 3) mm, focal (C, 2)
        px and principal_pt (C, 2) px, all float32, camera_capture (C,) int32 and camera_name (C,) text.
    """
    captures = decode_file(path, dict[str, _CaptureCameras])
    decoders = {key: msgspec.json.Decoder(type_) for key, (_, type_, _) in _CAMERA_COLUMNS.items()}
    values: dict[str, list[Any]] = {key: [] for key in _CAMERA_COLUMNS}
    rows: dict[tuple[str, str], int] = {}
    for capture, entry in captures.items():
        for name in entry.campos:
            if not all(name in getattr(entry, field) for field, _, _ in _CAMERA_COLUMNS.values()):
                continue
            rows[capture, name] = len(rows)
            for key, (field, _, shape) in _CAMERA_COLUMNS.items():
                where = f"{path}: capture {capture}, {field}, camera {name}"
                values[key].append(_decode_named(decoders[key], getattr(entry, field)[name], where, shape))
    columns: Columns = {
        key: np.array(values[key], np.float32).reshape(-1, *shape) for key, (_, _, shape) in _CAMERA_COLUMNS.items()
    }
    columns["camera_capture"] = np.array([_int_key(path, "capture", capture) for capture, _ in rows], np.int32)
    columns["camera_name"] = np.array([name for _, name in rows] or [""], dtype=np.str_)[: len(rows)]
    return Table(columns, rows)


def read_steps(path: Path) -> tuple[Table, np.ndarray]:
    """Read the world coordinates of every (capture, frame).

    Returns:
        Table of joints_world (T, 42, 3) float32 mm, step_capture (T,) int32 and step_frame (T,) int64; and the joints
        without coordinates, (T,) uint64, bit j for joint j. Their coordinates are NaN. In the file they are NaN, null,
        infinite or the placeholder.
    """
    captures = decode_file(path, dict[str, Raw])
    frame_decoder, bare_decoder = msgspec.json.Decoder(_Frame), msgspec.json.Decoder(_Points)
    blocks: list[np.ndarray] = []
    frames: list[tuple[int, int]] = []
    rows: dict[tuple[str, str], int] = {}
    nowhere = (None, None, None)
    for capture, raw_capture in captures.items():
        capture_id = _int_key(path, "capture", capture)
        entries = _decode_named(msgspec.json.Decoder(dict[str, Raw]), raw_capture, f"{path}: capture {capture}")
        for frame, raw in entries.items():
            where = f"{path}: capture {capture}, frame {frame}"
            if memoryview(raw)[0] == ord("["):  # the oldest release has the points without a dict around them
                points = _decode_named(bare_decoder, raw, where, (NUM_JOINTS, 3))
            else:
                points = _decode_named(frame_decoder, raw, where).world_coord
            blocks.append(np.array([point or nowhere for point in points], np.float32))
            rows[capture, frame] = len(rows)
            frames.append((capture_id, _int_key(path, "frame", frame)))
    world = np.stack(blocks) if blocks else np.empty((0, NUM_JOINTS, 3), np.float32)
    bad = ~np.isfinite(world).all(axis=-1) | (world == _PLACEHOLDER_MM).all(axis=-1)
    world[bad] = np.nan
    ids = np.array(frames, np.int64).reshape(-1, 2)
    columns = {"joints_world": world, "step_capture": ids[:, 0].astype(np.int32), "step_frame": ids[:, 1].copy()}
    return Table(columns, rows), pack_flags(bad)


def _decode_named(decoder: msgspec.json.Decoder, raw: Raw, where: str, shape: tuple[int, ...] | None = None) -> Any:
    try:
        return decode_lenient(decoder, raw)
    except msgspec.DecodeError as error:
        want = f"numbers of shape {shape}" if shape else None
        raise AnnotationError(
            f"{where} does not have the expected format", got=error, want=want, fix=FIX_FILE
        ) from None


def _int_key(path: Path, label: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise AnnotationError(f"{path}: a {label} key is not a whole number", got=repr(text), fix=FIX_FILE) from None
