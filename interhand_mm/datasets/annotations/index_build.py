"""Convert InterHand2.6M's JSON files to columns. `index.HandIndex` describes each column."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta, Raw, Struct
from tqdm import tqdm

from ...errors import AnnotationError
from ...structures.boxes import box_faults, corners_of
from ...structures.joints import LEFT_WRIST, NUM_HAND_JOINTS, NUM_JOINTS, RIGHT_WRIST
from ...utils.json_stream import FIX_FILE, read_records, record_name
from .column_cache import Columns
from .tables import RowLookup, pack_flags, read_cameras, read_steps

HAND_TYPES = {"right": 1, "left": 2, "interacting": 3}  # bit 0 right, bit 1 left
PROBLEM_DTYPE = np.dtype([("row", "<i8"), ("kind", "u1"), ("detail", "<i4")])


class ProblemKind(IntEnum):
    """Reason why a sample cannot be used as annotated, with the meaning of the problem's `detail`."""

    CAMERA_MISSING = 1  # detail: row of `missing_name`
    FRAME_MISSING = 2  # detail: row of `missing_name`
    BAD_BBOX = 3  # detail: -1
    JOINT_NOT_3D = 4  # detail: number of the joint


_Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Side = Annotated[int, Meta(ge=1, le=65535)]
_Number = float | None  # None for a NaN or an infinity in the file
_Flag = bool | int | float


class _Image(Struct, gc=False):
    id: _Id
    file_name: Annotated[str, Meta(min_length=1, max_length=16383)]
    width: _Side
    height: _Side
    capture: int | str
    camera: int | str
    frame_idx: int | str


class _Annotation(Struct, gc=False):
    id: _Id
    image_id: _Id
    bbox: tuple[_Number, _Number, _Number, _Number]
    joint_valid: Raw
    hand_type: Literal["right", "left", "interacting"]
    hand_type_valid: _Flag


class _RootNetRecord(Struct, gc=False):
    annot_id: _Id
    bbox: tuple[_Number, _Number, _Number, _Number]
    abs_depth: Annotated[list[_Number], Meta(min_length=2, max_length=2)] | _Number
    root_valid: Annotated[list[_Flag], Meta(min_length=2, max_length=2)] | _Flag = 1


def build_hand_columns(data: Path, camera: Path, joint_3d: Path) -> Columns:
    """Read the three files of a split into columns, with the samples in the official order (single hands first).

    Raises:
        AnnotationError: A file is missing, malformed or inconsistent. Faults of single samples do not raise; the column
            `problems` lists them.
    """
    cameras, (steps, bad_joints) = read_cameras(camera), read_steps(joint_3d)
    missing: list[str] = []
    camera_rows = RowLookup(cameras.rows, "camera", missing)
    step_rows = RowLookup(steps.rows, "frame", missing)
    images, annotations = _Blocks(), _Blocks()
    with _progress(data) as bar:
        for section, records in read_records(data, {"images": _Image, "annotations": _Annotation}, bar.update):
            if section == "images":
                images.add(_image_block(records, camera_rows, step_rows, images))
            else:
                annotations.add(_annotation_block(data, records, annotations.count))
    if not annotations.count:
        raise AnnotationError(f"file contains no annotations: {data}", fix=FIX_FILE)
    samples = _join(data, images.concatenate(), annotations.concatenate())
    problems = _find_problems(samples, bad_joints)
    for key in ("camera", "step"):
        samples[key] = np.maximum(samples[key], -1)
    names = np.frombuffer(images.text, np.uint8)
    missing_name = np.array(missing, dtype=np.str_) if missing else np.empty(0, "<U1")
    extra = {"names": names, "problems": problems, "missing_name": missing_name}
    return {**samples, **cameras.columns, **steps.columns, **extra}


def build_rootnet_columns(path: Path) -> Columns:
    """Read RootNet's output file, sorted by annotation id. A scalar depth, as for one hand, is used for both sides."""
    blocks = _Blocks()
    with _progress(path) as bar:
        for _, records in read_records(path, {"": _RootNetRecord}, bar.update):
            blocks.add(_rootnet_block(records))
    if not blocks.count:
        raise AnnotationError(f"file contains no RootNet results: {path}", fix=FIX_FILE)
    columns = blocks.concatenate()
    order = np.argsort(columns["ann_id"], kind="stable")
    columns = {key: column[order] for key, column in columns.items()}
    ids = columns["ann_id"]
    repeated = np.flatnonzero(ids[1:] == ids[:-1])
    for row in repeated:
        for key, column in columns.items():
            if not np.array_equal(column[row], column[row + 1], equal_nan=column.dtype.kind == "f"):
                what = f"{path} contains two different results for annotation {ids[row]}"
                raise AnnotationError(what, got=f"{key} {column[row]} and {column[row + 1]}", fix=FIX_FILE)
    return {key: np.delete(column, repeated, axis=0) for key, column in columns.items()}


class _Blocks:
    """Columns that are collected block by block, and the text that belongs to them."""

    def __init__(self) -> None:
        self._blocks: list[Columns] = []
        self.text = bytearray()
        self.count = 0

    def add(self, block: Columns) -> None:
        self._blocks.append(block)
        self.count += len(next(iter(block.values())))

    def concatenate(self) -> Columns:
        """Concatenate the blocks. Each column is freed at once, so that the peak memory stays near one copy."""
        keys = list(self._blocks[0]) if self._blocks else []
        return {key: np.concatenate([block.pop(key) for block in self._blocks]) for key in keys}


def _progress(path: Path) -> tqdm:
    # In a log file, show the bar only if reading takes long.
    patient = {} if sys.stderr.isatty() else {"delay": 3.0, "mininterval": 5.0}
    total = path.stat().st_size if path.exists() else None
    return tqdm(total=total, unit="B", unit_scale=True, desc=f"indexing {path.name}", leave=False, **patient)


def _int_column(values: Iterable[int], count: int, dtype: Any) -> np.ndarray:
    return np.fromiter(values, dtype, count)


def _image_block(records: list[_Image], camera_rows: RowLookup, step_rows: RowLookup, images: _Blocks) -> Columns:
    count = len(records)
    names = [r.file_name for r in records]
    text = "".join(names).encode()
    ascii_only = len(text) == sum(map(len, names))
    lengths = np.array([len(name) if ascii_only else len(name.encode()) for name in names], np.uint16)
    starts = len(images.text) + np.cumsum(lengths, dtype=np.int64) - lengths
    images.text += text
    size = np.empty((count, 2), np.uint16)
    size[:, 0] = [r.width for r in records]
    size[:, 1] = [r.height for r in records]
    return {
        "id": _int_column([r.id for r in records], count, np.int64),
        "image_size": size,
        "camera": _int_column(camera_rows.rows([(r.capture, r.camera) for r in records]), count, np.int32),
        "step": _int_column(step_rows.rows([(r.capture, r.frame_idx) for r in records]), count, np.int32),
        "name_start": starts,
        "name_length": lengths,
    }


def _annotation_block(path: Path, records: list[_Annotation], start: int) -> Columns:
    count = len(records)
    return {
        "ann_id": _int_column([r.id for r in records], count, np.int64),
        "image_id": _int_column([r.image_id for r in records], count, np.int64),
        "bbox": np.array([r.bbox for r in records], np.float32),  # None becomes NaN
        "validity": _joint_valid_bits(path, records, start),
        "hand_type": _int_column([HAND_TYPES[r.hand_type] for r in records], count, np.uint8),
        "hand_type_valid": _int_column([bool(r.hand_type_valid) for r in records], count, np.bool_),
    }


def _rootnet_block(records: list[_RootNetRecord]) -> Columns:
    depth = [r.abs_depth if isinstance(r.abs_depth, list) else (r.abs_depth, r.abs_depth) for r in records]
    valid = [r.root_valid if isinstance(r.root_valid, list) else (r.root_valid, r.root_valid) for r in records]
    return {
        "ann_id": _int_column([r.annot_id for r in records], len(records), np.int64),
        "bbox": np.array([r.bbox for r in records], np.float32),
        "abs_depth": np.array(depth, np.float32),
        "root_valid": np.array(valid, np.float32) > 0,
    }


_ZERO, _ONE = b"01"
_ONE_TO_ZERO = bytes.maketrans(b"1", b"0")
_LAYOUTS = tuple(
    b"[%b]" % sep.join([entry] * NUM_JOINTS) for entry in (b"[0]", b"0") for sep in (b", ", b",")
)  # the ways in which files write the 42 flags, here with every flag 0


def _joint_valid_bits(path: Path, records: list[_Annotation], start: int) -> np.ndarray:
    """Return the validity of every joint, (n,) uint64, bit j for joint j.

    Decoding 42 nested lists per record would take longer than all other fields together. Texts of the common layouts
    are therefore compared with a template as a whole, and the digits are read at their fixed positions.
    """
    text = b";".join([r.joint_valid for r in records])
    template = text.translate(_ONE_TO_ZERO)
    for layout in _LAYOUTS:
        if template == b";".join([layout] * len(records)):
            texts = np.frombuffer(text + b";", np.uint8).reshape(len(records), len(layout) + 1)
            digits = texts[:, np.flatnonzero(np.frombuffer(layout, np.uint8) == _ZERO)]
            return pack_flags(digits == _ONE)
    return pack_flags(np.array([_joint_valid_slow(path, r, start + k) for k, r in enumerate(records)]))


_FLAGS_DECODER = msgspec.json.Decoder(list[_Flag | Annotated[list[_Flag], Meta(min_length=1, max_length=1)]])


def _joint_valid_slow(path: Path, record: _Annotation, number: int) -> list[bool]:
    want = f"{NUM_JOINTS} entries of 0/1 or true/false, nested [[1], ...] or flat [1, ...]"
    name = record_name(path, "annotations", number, {"id": record.id})
    try:
        flags = _FLAGS_DECODER.decode(record.joint_valid)
    except msgspec.DecodeError as error:
        raise AnnotationError(f"{name}: joint_valid", got=error, want=want, fix=FIX_FILE) from None
    if len(flags) != NUM_JOINTS:
        raise AnnotationError(f"{name}: joint_valid", got=f"{len(flags)} entries", want=want, fix=FIX_FILE)
    return [bool(flag[0] if isinstance(flag, list) else flag) for flag in flags]


def _join(path: Path, images: Columns, annotations: Columns) -> Columns:
    """Append the columns of its image to every annotation, and sort the rows into the official order."""
    if not images:
        raise AnnotationError(f"file contains no images: {path}", fix=FIX_FILE)
    _refuse_duplicates(path, "images", images["id"])
    _refuse_duplicates(path, "annotations", annotations["ann_id"])
    by_id = np.argsort(images["id"], kind="stable")
    image_ids = images.pop("id")[by_id]
    position = np.minimum(np.searchsorted(image_ids, annotations["image_id"]), len(image_ids) - 1)
    orphans = np.flatnonzero(image_ids[position] != annotations["image_id"])
    if len(orphans):
        first = orphans[0]
        raise AnnotationError(
            f"{path}: annotations[{first}] (id {annotations['ann_id'][first]}) refers to a missing image",
            got=f"image_id {annotations['image_id'][first]}; {len(orphans)} such annotations in all",
            want="the id of one of 'images'",
            fix=FIX_FILE,
        )
    order = np.argsort(annotations["hand_type"] == HAND_TYPES["interacting"], kind="stable")
    row_of_image = by_id[position][order]
    samples = {key: annotations.pop(key)[order] for key in list(annotations)}
    return samples | {key: images.pop(key)[row_of_image] for key in list(images)}


def _refuse_duplicates(path: Path, section: str, ids: np.ndarray) -> None:
    ordered = np.sort(ids)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(repeated):
        rows = np.flatnonzero(ids == repeated[0])[:2].tolist()
        got = f"id {repeated[0]} in {section}{rows}; {len(repeated)} repetitions in all"
        raise AnnotationError(f"{path}: ids of '{section}' are not unique", got=got, fix=FIX_FILE)


def _find_problems(samples: Columns, bad_joints: np.ndarray) -> np.ndarray:
    """Return the samples that cannot be used as annotated, sorted by row.

    Args:
        samples: Columns of the samples, with -1 - k for the k-th missing camera or frame.
        bad_joints: (T,) uint64; bit j is set if joint j has no 3D coordinate at this time step.
    """
    found = []
    for key, kind in (("camera", ProblemKind.CAMERA_MISSING), ("step", ProblemKind.FRAME_MISSING)):
        rows = np.flatnonzero(samples[key] < 0)
        found.append(_problem_rows(rows, kind, -1 - samples[key][rows]))
    faults = [has for has, _ in box_faults(corners_of(samples["bbox"]), samples["image_size"])]
    found.append(_problem_rows(np.flatnonzero(np.any(faults, axis=0)), ProblemKind.BAD_BBOX, -1))

    # A missing time step (-1) selects the appended last entry, which has no bad joints.
    bad_here = np.append(bad_joints, np.uint64(0))[np.maximum(samples["step"], -1)]
    bad_here &= usable_joints(samples["validity"])
    rows = np.flatnonzero(bad_here)
    for joint in range(NUM_JOINTS if len(rows) else 0):
        has = bad_here[rows] >> np.uint64(joint) & np.uint64(1)
        found.append(_problem_rows(rows[has.astype(bool)], ProblemKind.JOINT_NOT_3D, joint))
    problems = np.concatenate(found)
    return problems[np.argsort(problems["row"], kind="stable")]


def _problem_rows(rows: np.ndarray, kind: ProblemKind, detail: np.ndarray | int) -> np.ndarray:
    problems = np.empty(len(rows), PROBLEM_DTYPE)
    problems["row"], problems["kind"], problems["detail"] = rows, kind, detail
    return problems


def usable_joints(validity: np.ndarray) -> np.ndarray:
    """Clear the bits of the joints whose own wrist is invalid.

    Args:
        validity: (...) uint64, bit j for joint j.

    Returns:
        (...) uint64.

    >>> int(usable_joints(np.uint64(0b1))), bin(usable_joints(np.uint64(1 << RIGHT_WRIST | 1)))
    (0, '0b100000000000000000001')
    """
    hand = np.uint64((1 << NUM_HAND_JOINTS) - 1)
    right = (validity >> np.uint64(RIGHT_WRIST) & np.uint64(1)) * hand
    left = (validity >> np.uint64(LEFT_WRIST) & np.uint64(1)) * (hand << np.uint64(NUM_HAND_JOINTS))
    return validity & (right | left)
