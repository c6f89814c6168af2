"""Annotation index: InterHand2.6M's JSON files as columns, parsed once and memory-mapped from then on.

>>> index = open_index(find_annotations("data/InterHand2.6M", "train"))  # doctest: +SKIP
>>> index.bbox[0], index.file_name(0), index.joints_world[index.step[0]]  # doctest: +SKIP
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from ...errors import AnnotationError
from ...structures.annotation_files import AnnotationFiles, find_annotations
from ...structures.boxes import box_faults, corners_of
from ...structures.joints import JOINT_NAMES, NUM_JOINTS
from .column_cache import DamagedIndex, load_columns, open_columns
from .index_build import HAND_TYPES, ProblemKind, build_hand_columns, build_rootnet_columns, usable_joints

__all__ = [
    "HAND_TYPES",
    "AnnotationFiles",
    "DamagedIndex",
    "HandIndex",
    "ProblemKind",
    "RootNetIndex",
    "find_annotations",
    "open_index",
    "open_rootnet",
    "usable_joints",
    "validity_flags",
]

SPLITS = ("train", "val", "test")
SUBSETS = ("all", "human_annot", "machine_annot")


def open_index(files: AnnotationFiles, cache_dir: str | Path | None = None) -> HandIndex:
    """Open the index of a split, and build it first if necessary. Many processes may call this at once.

    Args:
        files: Files of the split; see `find_annotations`.
        cache_dir: Folder for the index. Default: ``.interhand_mm`` beside `files.data` or, if that folder cannot be
            written, the user's cache folder.
    """
    files = AnnotationFiles(*map(Path, files))
    folder = open_columns("hand", files, partial(build_hand_columns, *files), HandIndex.COLUMNS, cache_dir)
    return HandIndex(folder)


def open_rootnet(path: str | Path, cache_dir: str | Path | None = None) -> RootNetIndex:
    """Open the index of a RootNet output file; see `open_index`."""
    path = Path(path)
    folder = open_columns("rootnet", [path], partial(build_rootnet_columns, path), RootNetIndex.COLUMNS, cache_dir)
    return RootNetIndex(folder)


def validity_flags(validity: np.ndarray) -> np.ndarray:
    """Unpack validity bits into flags.

    Args:
        validity: (...) uint64, bit j for joint j.

    Returns:
        (..., 42) bool.

    >>> validity_flags(np.uint64(0b101))[:4].tolist()
    [True, False, True, False]
    """
    bits = np.asarray(validity, np.uint64)[..., None] >> np.arange(NUM_JOINTS, dtype=np.uint64)
    return (bits & np.uint64(1)).astype(bool)


class _MappedColumns:
    """Read-only arrays mapped from a folder. They are pickled as the folder's path, so workers map the same pages."""

    COLUMNS: tuple[str, ...]
    ann_id: np.ndarray

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        for name, column in load_columns(self.folder, self.COLUMNS).items():
            setattr(self, name, column)

    def __len__(self) -> int:
        return len(self.ann_id)

    def __reduce__(self) -> tuple:
        return type(self), (self.folder,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} rows, {str(self.folder)!r})"


class HandIndex(_MappedColumns):
    """Columns of one split with one row per annotation: single hands first, then interacting hands, in file order.

    Samples (N rows):

    - `ann_id`, `image_id`: int64.
    - `bbox`: (N, 4) float32 px, x, y, w, h as annotated; NaN where the file has no number.
    - `image_size`: (N, 2) uint16, width and height.
    - `validity`: uint64; bit j is set where data.json marks joint j as valid. Use `usable_joints` to clear the joints
      whose own wrist is invalid.
    - `hand_type`: uint8, a value of `HAND_TYPES`; `hand_type_valid`: bool.
    - `camera`, `step`: int32, rows of the tables below, -1 where the entry is missing.
    - The method `file_name` returns the name of the image.

    Cameras (C rows): `rotation` (C, 3, 3), `position` (C, 3) mm, `focal` and `principal_pt` (C, 2) px, all float32;
    `camera_capture` int32; `camera_name` text.

    Time steps (T rows): `joints_world` (T, 42, 3) float32 mm, NaN for a joint without coordinates (NaN, null or the
    placeholder (1, 1, 1) in the file); `step_capture` int32; `step_frame` int64.

    `problems`: structured array (row, kind, detail), sorted by row: samples that cannot be used as annotated. `kind` is
    a `ProblemKind`; the method `describe_problem` describes an entry in words.
    """

    COLUMNS = (
        *("ann_id", "image_id", "bbox", "image_size", "validity", "hand_type", "hand_type_valid", "camera", "step"),
        *("name_start", "name_length", "names"),
        *("rotation", "position", "focal", "principal_pt", "camera_capture", "camera_name"),
        *("joints_world", "step_capture", "step_frame"),
        *("problems", "missing_name"),
    )
    image_id: np.ndarray
    bbox: np.ndarray
    image_size: np.ndarray
    validity: np.ndarray
    hand_type: np.ndarray
    hand_type_valid: np.ndarray
    camera: np.ndarray
    step: np.ndarray
    name_start: np.ndarray
    name_length: np.ndarray
    names: np.ndarray
    rotation: np.ndarray
    position: np.ndarray
    focal: np.ndarray
    principal_pt: np.ndarray
    camera_capture: np.ndarray
    camera_name: np.ndarray
    joints_world: np.ndarray
    step_capture: np.ndarray
    step_frame: np.ndarray
    problems: np.ndarray
    missing_name: np.ndarray

    def file_name(self, row: int) -> str:
        """Return the file name of a sample, relative to ``images/<split>/``."""
        start = int(self.name_start[row])
        return self.names[start : start + int(self.name_length[row])].tobytes().decode()

    def describe_problem(self, number: int) -> str:
        """Return a description of entry `number` of `problems`."""
        row, kind, detail = (int(value) for value in self.problems[number].item())
        sample = f"annotation {self.ann_id[row]} ({self.file_name(row)})"
        if kind == ProblemKind.CAMERA_MISSING:
            return f"{sample}: the camera file does not contain {self.missing_name[detail]}"
        if kind == ProblemKind.FRAME_MISSING:
            return f"{sample}: the joint_3d file does not contain {self.missing_name[detail]}"
        if kind == ProblemKind.BAD_BBOX:
            x, y, width, height = self.bbox[row].tolist()
            faults = box_faults(corners_of(self.bbox[row : row + 1]), self.image_size[row : row + 1])
            fault = next(text for has, text in faults if has[0])
            return f"{sample}: the box x {x:g}, y {y:g}, w {width:g}, h {height:g} {fault}"
        joint = JOINT_NAMES[detail]
        return f"{sample}: {joint} is marked valid, but has no 3D coordinate in {self._where(row)}"

    def _where(self, row: int) -> str:
        step, camera = self.step[row], self.camera[row]
        where = f"capture {self.step_capture[step]}, frame {self.step_frame[step]}"
        return where + (f" (camera {self.camera_name[camera]})" if camera >= 0 else "")


class RootNetIndex(_MappedColumns):
    """Boxes and absolute wrist depths predicted by RootNet, sorted by annotation id.

    - `ann_id`: (M,) int64.
    - `bbox`: (M, 4) float32 px, x, y, w, h, already square and enlarged.
    - `abs_depth`: (M, 2) float32 mm, right and left. In files of one hand, both entries hold the one depth.
    - `root_valid`: (M, 2) bool.
    """

    COLUMNS = ("ann_id", "bbox", "abs_depth", "root_valid")
    bbox: np.ndarray
    abs_depth: np.ndarray
    root_valid: np.ndarray

    def has(self, ann_ids: np.ndarray) -> np.ndarray:
        """Return whether there is a result for each annotation, (N,) bool."""
        return np.isin(ann_ids, self.ann_id)

    def lookup(self, ann_ids: np.ndarray) -> np.ndarray:
        """Return the row of each annotation.

        Args:
            ann_ids: (N,) ids of annotations.

        Returns:
            (N,) int64 rows.

        Raises:
            AnnotationError: Some annotations have no result.
        """
        ann_ids = np.asarray(ann_ids, np.int64)
        rows = np.minimum(np.searchsorted(self.ann_id, ann_ids), len(self) - 1)
        missing = ann_ids[self.ann_id[rows] != ann_ids]
        if len(missing):
            raise AnnotationError(
                f"RootNet's results ({self.folder.name}) do not cover all annotations",
                got=f"{len(missing)} of {len(ann_ids)} ids not found, first {missing[:5].tolist()}",
                want="a result for every annotation of the split",
                fix="use the RootNet file of the same release, split and frame rate (..._30fps.json is of 30 fps), "
                "or set strict='skip' to leave such samples out",
            )
        return rows
