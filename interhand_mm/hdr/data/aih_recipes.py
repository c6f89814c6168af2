"""Read and check AIH_Syn's copy-paste recipes, and store them in a format that cannot run code.

The recipes are described in docs/spec/hdr.md, section 5.1.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import AnnotationError
from ...structures.joints import SIDES
from ...utils.files import atomic_write
from ...utils.safe_pickle import read_object_npy

NO_HAND = -1000  # index of a recipe that its authors gave up
_PREPARE = "python tools/prepare_aih.py AIH_DATASET converts the published .npy once"


@dataclass(frozen=True)
class Recipes:
    """The recipes of AIH_Syn as columns of N rows."""

    target_side: np.ndarray  # (N,) uint8: 0 right, 1 left
    target_row: np.ndarray  # (N,) int32: row of the list of that side, or NO_HAND
    other_row: np.ndarray  # (N,) int32: row of the other side's list, or NO_HAND
    right: np.ndarray  # (N, 7) float32: tx, ty (fractions of the crop), scale, rotation deg, color gain (3)
    left: np.ndarray  # (N, 7) float32
    occlusion_rate: np.ndarray  # (N,) float32 as stored, NaN where it is missing; wrong in val and test

    def __len__(self) -> int:
        """Return the number of recipes."""
        return len(self.target_side)


_COLUMNS = {"target_side": ((), "u1"), "target_row": ((), "i4"), "other_row": ((), "i4"), "right": ((7,), "f4"),
           "left": ((7,), "f4"), "occlusion_rate": ((), "f4")}  # fmt: skip


def find_recipes(folder: Path, subset: str, split: str) -> Path:
    """Find the recipes of a subset and split: `.npz` (converted) or `.json` (from our renderer).

    Raises:
        AnnotationError: Neither exists. The message says whether a published `.npy` can be converted.
    """
    stem = folder / f"all_{subset}_{split}_syn_cfgs"
    for suffix in (".npz", ".json"):
        if stem.with_suffix(suffix).is_file():
            return stem.with_suffix(suffix)
    waiting = stem.with_suffix(".npy").is_file()
    raise AnnotationError(
        f"there are no recipes for {subset}/{split} of AIH_Syn",
        got=f"{stem}.npy, which is not read because loading it would execute its content" if waiting else None,
        want=f"{stem}.npz or .json",
        fix=_PREPARE if waiting else "unpack AIH_syn/syn_cfgs, or choose another split",
    )


def read_recipes(path: str | Path) -> Recipes:
    """Read recipes from `.npz`, `.json`, or a published `.npy`, which is read without executing anything.

    Raises:
        AnnotationError: The file or one of its entries is broken. The message names both.
    """
    path = Path(path)
    if path.suffix == ".npz":
        return _read_columns(path)
    if path.suffix == ".npy":
        return _from_records(path, read_object_npy(path))
    try:
        records = json.loads(path.read_bytes())
    except OSError as error:
        raise AnnotationError(f"the recipes cannot be read: {path}", got=error.strerror) from error
    except ValueError as error:
        raise AnnotationError(f"the recipes are not JSON: {path}", got=error) from error
    return _from_records(path, records)


def write_recipes(path: Path, recipes: Recipes) -> None:
    """Write recipes atomically as a compressed `.npz` without pickles."""
    with atomic_write(path) as stream:
        np.savez_compressed(stream, **{f.name: getattr(recipes, f.name) for f in dataclasses.fields(recipes)})


def _read_columns(path: Path) -> Recipes:
    try:
        with np.load(path, allow_pickle=False) as stored:
            columns = {name: stored[name] for name in _COLUMNS}
    except Exception as error:  # zip, zlib and numpy raise their own
        raise AnnotationError(
            f"the recipes are damaged: {path}", got=f"{type(error).__name__}: {error}", fix="delete it; " + _PREPARE
        ) from error
    rows = len(columns["target_side"]) if columns["target_side"].ndim else 0
    for name, (tail, kind) in _COLUMNS.items():
        if columns[name].shape != (rows, *tail) or columns[name].dtype != kind:
            raise AnnotationError(
                f"{path}: column '{name}' has the wrong type or shape",
                got=f"{columns[name].dtype} {columns[name].shape}",
                want=f"{np.dtype(kind)} {(rows, *tail)}",
                fix="delete it; " + _PREPARE,
            )
    return Recipes(**columns)


def _from_records(path: Path, records: Any) -> Recipes:
    if not isinstance(records, list):
        raise AnnotationError(f"{path} does not contain a list of recipes", got=type(records).__name__)
    made = Recipes(**{name: np.zeros((len(records), *tail), kind) for name, (tail, kind) in _COLUMNS.items()})
    for i, record in enumerate(records):
        try:
            side = SIDES.index(record["loop_side"])
            rows = _row(record["loop_side_idx"]), _row(record["another_side_idx"])
            made.target_side[i], made.target_row[i], made.other_row[i] = side, *rows
            made.occlusion_rate[i] = float(record.get("occlusion_rate", np.nan))
            if NO_HAND not in rows:
                made.right[i], made.left[i] = _augmentation(record["r_aug_list"]), _augmentation(record["l_aug_list"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise AnnotationError(
                f"{path}: recipe {i} is broken",
                got=f"{type(error).__name__}: {error}",
                want="loop_side, loop_side_idx, another_side_idx, r_aug_list, l_aug_list",
                fix="download the file again",
            ) from error
    return made


def _row(value: Any) -> int:
    if isinstance(value, bool) or value != int(value) or (value < 0 and value != NO_HAND):
        raise ValueError(f"index {value}")
    return int(value)


def _augmentation(value: Any) -> list[float]:
    """Flatten [[tx, ty], scale, rotation deg, color gain (3)] to seven numbers."""
    shift, scale, turn, gain = value
    flat = [float(v) for v in (*shift, scale, turn, *gain)]
    if len(shift) != 2 or len(gain) != 3 or not np.isfinite(flat).all() or flat[2] <= 0:
        raise ValueError(f"augmentation {value}")
    return flat


def read_list(path: Path) -> np.ndarray:
    """Read a list of single-hand crops of AIH_Syn, (N,) int64, one number per line; recipes refer to its rows.

    Raises:
        AnnotationError: The file is missing, or a line is not a whole number.
    """
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(
            f"the list of crops cannot be read: {path}",
            got=error,
            fix="unpack AIH_syn/filtered_list, or choose another split",
        ) from error
    stems = np.zeros(len(lines), np.int64)
    for i, line in enumerate(lines):
        try:
            number = float(line)  # numpy.savetxt may have written 7 as 7.000000000000000000e+00
            stems[i] = int(number)
            if stems[i] != number or number < 0:
                raise ValueError
        except (ValueError, OverflowError):
            raise AnnotationError(f"{path}: line {i + 1} is not the number of a crop", got=line) from None
    return stems


def check_rows(path: Path, recipes: Recipes, lengths: tuple[int, int]) -> np.ndarray:
    """Return the indices (M,) int64 of the recipes that can be used: those without `NO_HAND`.

    Args:
        path: File of the recipes, for messages.
        recipes: All recipes of the file.
        lengths: Numbers of rows of the right and the left list.

    Raises:
        AnnotationError: A recipe refers to a row that its list does not have.
    """
    usable = (recipes.target_row != NO_HAND) & (recipes.other_row != NO_HAND)
    size = np.array(lengths)
    for rows, side in ((recipes.target_row, recipes.target_side), (recipes.other_row, 1 - recipes.target_side)):
        beyond = np.flatnonzero(usable & (rows >= size[side]))
        if len(beyond):
            first = int(beyond[0])
            raise AnnotationError(
                f"{path}: {len(beyond)} recipes refer to rows beyond their list; the first is recipe {first}",
                got=f"row {rows[first]} of the {SIDES[side[first]]} list, which has {size[side[first]]}",
                fix="recipes and lists belong to different releases: download both again",
            )
    return np.flatnonzero(usable)
