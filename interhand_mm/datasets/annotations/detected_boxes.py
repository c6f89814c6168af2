"""Boxes of detected hands, as `tools/detect.py` writes them: one per annotation found, and the ids of those missed."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import AnnotationError

_WANT = '{"boxes": [{"annot_id": 1, "bbox": [x, y, w, h]}, ...], "missed": [2, ...]}'
_FIX = "python tools/detect.py DET_CONFIG DET_CHECKPOINT --data-root DIR --split test --out boxes.json"


class DetectedBoxes(NamedTuple):
    """Detected boxes by annotation.

    Attributes:
        ann_id: (M,) int64, sorted ids of the annotations that were found.
        bbox: (M, 4) float64 xyxy px, already square and enlarged.
        missed: (K,) int64, ids of the annotations that no detection matched.
    """

    ann_id: np.ndarray
    bbox: np.ndarray
    missed: np.ndarray

    def digest(self) -> str:
        """Return a hash of the boxes."""
        return blake2b(self.ann_id.tobytes() + self.bbox.tobytes(), digest_size=8).hexdigest()

    def lookup(self, ann_ids: np.ndarray, where: str) -> np.ndarray:
        """Return the row of each annotation.

        Args:
            ann_ids: (N,) ids of annotations.
            where: Name of the file, for the error message.

        Returns:
            (N,) int64 rows, -1 for an annotation that no detection matched.

        Raises:
            AnnotationError: The file lists an id neither as found nor as missed.
        """
        ann_ids = np.asarray(ann_ids, np.int64)
        unknown = ann_ids[~np.isin(ann_ids, np.concatenate([self.ann_id, self.missed]))]
        if len(unknown):
            raise AnnotationError(
                f"the boxes in {where} do not cover all annotations",
                got=f"{len(unknown)} of {len(ann_ids)} neither found nor missed, first {unknown[:5].tolist()}",
                want="boxes detected for the same annotations",
                fix=_FIX,
            )
        rows = np.searchsorted(self.ann_id, ann_ids)
        found = np.isin(ann_ids, self.ann_id)
        return np.where(found, rows, -1)


def read_boxes(path: str | Path) -> DetectedBoxes:
    """Read a file of boxes that `tools/detect.py` wrote.

    Raises:
        AnnotationError: The file is missing or has another format, lists an annotation twice, or has a box without
            area.
    """
    try:
        content = json.loads(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise AnnotationError(f"file of detected boxes cannot be read: {path}", got=error, fix=_FIX) from error
    try:
        records: list[dict[str, Any]] = content["boxes"]
        ids = np.array([record["annot_id"] for record in records], np.int64)
        xywh = np.array([record["bbox"] for record in records], np.float64).reshape(len(ids), 4)
        missed = np.array(content["missed"], np.int64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise AnnotationError(
            f"not a file of detected boxes: {path}", got=f"{type(error).__name__}: {error}", want=_WANT, fix=_FIX
        ) from error
    known = np.concatenate([ids, missed])
    if len(np.unique(known)) < len(known):
        raise AnnotationError(f"{path} lists an annotation twice", want=_WANT, fix=_FIX)
    bad = ~np.isfinite(xywh).all(axis=1) | (xywh[:, 2:] <= 0).any(axis=1)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise AnnotationError(
            f"{path}: the box of annotation {ids[first]} has no area",
            got=xywh[first].tolist(),
            want="x, y, width, height",
        )
    order = np.argsort(ids)
    return DetectedBoxes(ids[order], np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)[order], missed)
