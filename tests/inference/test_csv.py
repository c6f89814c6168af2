"""The CSV file of the demos."""

from __future__ import annotations

import csv
import re
import tracemalloc

import numpy as np
import pytest

from interhand_mm.inference.io.csv_frames import CSV_COLUMNS, CsvWriter
from tests.conftest import ROOT
from tests.fixtures.frames import make_frame, make_hands
from tests.inference.test_inferencer import Clip


def write(path, frames) -> list[dict[str, str]]:
    writer = CsvWriter()
    writer.open(path, "some/clip, two.mp4", Clip([]))
    for frame in frames:
        writer.add(frame, frame.image)
    assert not path.exists()  # it appears when it is complete
    writer.close(complete=True)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_is_a_hand_in_a_frame(tmp_path):
    both, one = (
        make_hands(depth_source="hand_size", track_ids=(3, 5)),
        make_hands(presence=("no", "unsure"), hand_prob=(0.1, 0.55)),
    )
    frames = [make_frame(both, one, time_s=0.5), make_frame(index=1), make_frame(one, index=2)]
    rows = write(tmp_path / "clip.csv", frames)
    assert [(row["frame"], row["crop"], row["hand"], row["presence"]) for row in rows] == [
        ("0", "0", "right", "yes"),
        ("0", "0", "left", "yes"),
        ("0", "1", "left", "unsure"),
        ("2", "0", "left", "unsure"),
    ]
    assert [row["track_id"] for row in rows] == ["3", "5", "", ""]
    left = rows[1]
    assert left["source"] == "some/clip, two.mp4"
    assert (left["time_s"], rows[3]["time_s"]) == ("0.5", "")
    assert (left["width_px"], left["height_px"]) == ("640", "480")
    assert (left["hand_prob"], left["restored"], left["depth_source"]) == ("0.95", "False", "hand_size")
    assert (left["rel_root_depth_mm"], rows[2]["rel_root_depth_mm"]) == ("40.0", "")
    numbers = [float(left[f"index4_{column}"]) for column in ("u_px", "v_px", "d_mm", "x_mm", "y_mm", "z_mm")]
    assert numbers == pytest.approx([*both.keypoints[25], *both.keypoints_mm[25]], abs=0.005)
    assert float(left["wrist_z_mm"]) == pytest.approx(both.keypoints_mm[41, 2], abs=0.005)
    assert float(left["wrist_score"]) == 0.8
    assert [float(left[f"crop_{edge}_px"]) for edge in ("x1", "y1", "x2", "y2")] == pytest.approx(both.bbox, abs=0.005)


def test_missing_joints_are_empty_cells(tmp_path):
    hands = make_hands()
    hands.keypoints[4], hands.keypoints_mm[4] = np.nan, np.nan
    row = write(tmp_path / "clip.csv", [make_frame(hands)])[0]
    assert [row[f"index4_{column}"] for column in ("u_px", "d_mm", "x_mm")] == [""] * 3
    assert row["index3_u_px"] != ""


def test_every_column_names_its_unit_and_is_unique():
    assert len(set(CSV_COLUMNS)) == len(CSV_COLUMNS) == 23 + 21 * 7
    joints = [column for column in CSV_COLUMNS if column.startswith("pinky1_")]
    assert joints == [f"pinky1_{part}" for part in ("u_px", "v_px", "d_mm", "score", "x_mm", "y_mm", "z_mm")]


def test_every_column_is_documented():
    text = (ROOT / "docs/guide/inference.md").read_text()
    joints = {
        column for column in CSV_COLUMNS if column[-1] not in "0123456789" and re.match(r"[a-z]+\d_|wrist_", column)
    }
    thumb = {column for column in joints if column.startswith("thumb4_")}
    assert len(joints) == 21 * 7
    assert not [column for column in {*CSV_COLUMNS} - joints | thumb if f"`{column}`" not in text]


def test_the_memory_of_the_writer_does_not_grow(tmp_path):
    writer, frame = CsvWriter(), make_frame(make_hands())
    writer.open(tmp_path / "clip.csv", "clip", Clip([]))
    writer.add(frame, frame.image)
    tracemalloc.start()
    for _ in range(200):
        writer.add(frame, frame.image)
    assert tracemalloc.get_traced_memory()[0] < 50_000
    tracemalloc.stop()
    writer.close(complete=True)
    assert (tmp_path / "clip.csv").stat().st_size > 300_000
