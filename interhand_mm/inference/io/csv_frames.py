"""The results of inference as CSV: one row per hand and frame. docs/guide/inference.md documents every column."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ...structures.joints import HAND_JOINT_NAMES, NUM_HAND_JOINTS, SIDES
from ...structures.results import FrameResult, HandsResult
from ...utils.files import atomic_write
from .frames import Source

_JOINT_COLUMNS = ("u_px", "v_px", "d_mm", "score", "x_mm", "y_mm", "z_mm")
CSV_COLUMNS = (
    "source", "frame", "time_s", "width_px", "height_px",
    "focal_x_px", "focal_y_px", "principal_x_px", "principal_y_px", "intrinsics_source",
    "crop", "hand", "track_id", "presence", "hand_prob", "restored",
    "crop_x1_px", "crop_y1_px", "crop_x2_px", "crop_y2_px", "bbox_score", "rel_root_depth_mm", "depth_source",
    *(f"{joint}_{column}" for joint in HAND_JOINT_NAMES for column in _JOINT_COLUMNS),
)  # fmt: skip


class CsvWriter:
    """Write the results of a source as CSV, one row per hand that is shown in a frame; a `Writer`."""

    def suffix(self, source: Source) -> str:
        """Return ".csv"."""
        return ".csv"

    def open(self, path: Path, name: str, source: Source) -> None:
        """Write the names of the columns."""
        self._name = name
        self._output = ExitStack()  # gives the file its name in `close`
        self._rows = csv.writer(self._output.enter_context(atomic_write(path, "w")), lineterminator="\n")
        self._rows.writerow(CSV_COLUMNS)

    def add(self, result: FrameResult, canvas: np.ndarray) -> None:
        """Append the hands of one frame."""
        height, width = result.image.shape[:2]
        camera = result.intrinsics
        frame = [self._name, result.index, result.time_s, width, height]
        frame += [*_numbers(camera.focal), *_numbers(camera.principal_pt), camera.source]
        for crop, hands in enumerate(result.hands):
            self._rows.writerows([*frame, crop, *row] for row in _hand_rows(hands))

    def close(self, complete: bool) -> None:
        """Give the file its name."""
        self._output.close()


def _hand_rows(hands: HandsResult) -> Iterator[list[Any]]:
    """Yield the cells of each hand that is shown, from `hand` on."""
    depth = _numbers(np.array([hands.rel_root_depth_mm]))
    crop = [*_numbers(hands.bbox), round(float(hands.bbox_score), 4), *depth, hands.depth_source]
    for side, name in enumerate(SIDES):
        if hands.presence[side] == "no":
            continue
        own = slice(side * NUM_HAND_JOINTS, (side + 1) * NUM_HAND_JOINTS)
        scores = np.round(hands.keypoint_scores[own, None], 4)
        joints = np.hstack([np.round(hands.keypoints[own], 2), scores, np.round(hands.keypoints_mm[own], 2)])
        probability = round(float(hands.hand_prob[side]), 4)
        yield [
            name, hands.track_ids[side], hands.presence[side], probability, hands.restored[side], *crop,
            *_numbers(joints, 4),
        ]  # fmt: skip


def _numbers(values: np.ndarray, digits: int = 2) -> list[float | None]:
    """Return rounded numbers, with None, an empty cell, for NaN."""
    return [None if value != value else value for value in np.round(values, digits).ravel().tolist()]
