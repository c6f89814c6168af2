"""The benchmark on photographs: from a COCO file to numbers, with a detector and a network of known answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from interhand_mm.apis.evaluate_photos import (
    AnnotatedBoxes,
    PhotoChoice,
    RecordingDetector,
    SheetOptions,
    choose_photos,
    evaluate_photos,
    photo_provenance,
)
from interhand_mm.datasets.coco_hand import in_validation
from interhand_mm.errors import ConfigError, EvaluationError, ImageError
from interhand_mm.inference.inferencer import InterHandInferencer
from interhand_mm.inference.options import InferenceOptions
from interhand_mm.structures.results import Detections
from interhand_mm.utils.images import read_image
from tests.conftest import ROOT
from tests.inference.conftest import FakeDetector, FakeNetwork, scene

HAND = (100, 60, 180, 140)


def write(folder: Path, hands: dict[str, list[Any]], pairs: dict[str, list[Any]] | None = None) -> tuple[str, str]:
    """Write images with a bright rectangle per hand, and the COCO file."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, boxes) in enumerate(hands.items()):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), scene(*boxes))
        images.append({"id": number, "file_name": name, "width": 320, "height": 240})
        both = (pairs or {}).get(name, [])
        for category, (x1, y1, x2, y2) in [*((1, box) for box in boxes if not both), *((2, box) for box in both)]:
            box = [x1, y1, x2 - x1, y2 - y1]
            annotations.append({"id": len(annotations), "image_id": number, "category_id": category, "bbox": box})
    categories = [{"id": 1, "name": "hand"}, {"id": 2, "name": "two_hands"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "hands.json").write_text(json.dumps(content))
    return str(folder / "hands.json"), str(folder / "images")


def chain(tiny_pose: Any, detector: Any, hand_prob: Any = (0.9, 0.1)) -> InterHandInferencer:
    made = InterHandInferencer(tiny_pose[0], tiny_pose[1], detector, InferenceOptions())
    made.pose.network = FakeNetwork(hand_prob)  # type: ignore[assignment]
    return made


def test_found_and_missed_hands_of_every_part(tmp_path: Path, tiny_pose: Any) -> None:
    files = write(tmp_path, {"home/1.png": [HAND], "home/2.png": [HAND], "park/3.png": [], "park/4.png": [HAND]})
    inferencer = chain(tiny_pose, RecordingDetector(FakeDetector(blind=[1]), 0.3))
    report = evaluate_photos(inferencer, choose_photos(*files), files[1], progress=False)
    rows = report["networks"]["interhand_mm"]
    assert [rows[part]["hands_found"] for part in ("home", "park", "all")] == [0.5, 1, pytest.approx(2 / 3)]
    assert [rows[part]["boxes_found"] for part in ("home", "park")] == [0.5, 1]
    assert rows["all"]["false_hands_per_image"] == rows["park"]["empty_images_with_a_hand"] == 0
    assert rows["all"]["ms"] > 0
    assert report["protocol"]["boxes"] == "detected"


def test_annotated_boxes_replace_the_detector_and_a_box_around_two_is_a_pair(tmp_path: Path, tiny_pose: Any) -> None:
    both = (60, 60, 220, 140)
    files = write(tmp_path, {"1.png": [HAND], "2.png": [both]}, {"2.png": [both]})
    inferencer = chain(tiny_pose, AnnotatedBoxes(1.0), (0.9, 0.9))
    report = evaluate_photos(inferencer, choose_photos(*files), files[1], progress=False)
    [row] = report["networks"]["interhand_mm"].values()
    # The network sees two hands in every crop. Both fill the box, so the second one of the first image is false.
    assert (row["hands_found"], row["false_hands_per_image"], row["pairs_found"]) == (1, 0.5, 1)
    assert report["protocol"]["boxes"] == "annotated"


def test_detections_below_the_threshold_count_in_the_average_precision_alone(tmp_path: Path, tiny_pose: Any) -> None:
    def unsure(images: Any) -> list[Detections]:
        return [Detections(np.array([HAND], float), np.array([0.1]), np.array([-1])) for _ in images]

    files = write(tmp_path, {"1.png": [HAND]})
    inferencer = chain(tiny_pose, RecordingDetector(unsure, 0.3))
    [row] = evaluate_photos(inferencer, choose_photos(*files), files[1], progress=False)["networks"][
        "interhand_mm"
    ].values()
    assert (row["hands_found"], row["boxes_found"], row["box_AP50"]) == (0, 0, 1)


def test_another_estimator_gets_the_same_table(tmp_path: Path, tiny_pose: Any) -> None:
    """A script in place of MediaPipe answers with one hand in the upper left corner of every image."""
    files = write(tmp_path, {"1.png": [HAND]})
    hand = {"keypoints": [[i, i] for i in range(21)], "joints_mm": [[i, i, 0] for i in range(21)], "side": "left"}
    answer = json.dumps({"hands": [hand | {"score": 0.8}], "milliseconds": 7.0})
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nwhile read -r line || [ -n \"$line\" ]; do echo '{answer}'; done\n")
    python.chmod(0o755)
    inferencer = chain(tiny_pose, RecordingDetector(FakeDetector(), 0.3))
    report = evaluate_photos(inferencer, choose_photos(*files), files[1], str(python), progress=False)
    rows = report["networks"]["MediaPipe Hands 0.10.21"]["images"]
    assert (rows["hands_found"], rows["false_hands_per_image"], rows["ms"]) == (0, 1, 7)


def test_sheets_show_the_images(tmp_path: Path, tiny_pose: Any) -> None:
    files = write(tmp_path, {f"{i}.png": [HAND] for i in range(14)})
    inferencer = chain(tiny_pose, RecordingDetector(FakeDetector(), 0.3))
    sheet = SheetOptions(str(tmp_path / "sheets"), num=13)
    evaluate_photos(inferencer, choose_photos(*files), files[1], sheet=sheet, progress=False)
    first, second = (read_image(tmp_path / f"sheets/sheet_{i}.jpg") for i in (1, 2))
    assert (first.shape, second.shape) == ((1168, 1940, 3), (392, 1940, 3))
    assert not (tmp_path / "sheets/sheet_3.jpg").exists()
    assert (second[100:300, 500:900] == 255).all()  # one image alone is on it


def test_the_choice_of_images(tmp_path: Path) -> None:
    files = write(tmp_path, {f"{'ab'[i % 2]}/{i}.png": [HAND] for i in range(30)})
    assert len(choose_photos(*files)) == 30
    assert {photo.part for photo in choose_photos(*files, PhotoChoice(parts=["b"]))} == {"b"}
    spread = choose_photos(*files, PhotoChoice(num=4))
    assert [photo.part for photo in spread] == ["a", "a", "b", "b"]
    val = choose_photos(*files, PhotoChoice(split="val", val_share=0.4))
    assert 0 < len(val) < 30
    assert all(in_validation(photo.file_name, 0.4) for photo in val)


def test_wrong_input_is_named(tmp_path: Path, tiny_pose: Any) -> None:
    ann_file, img_dir = write(tmp_path, {"a/1.png": [HAND]})
    for choice, error, message in (
        (PhotoChoice(split="test"), ConfigError, "split of the photographs is unknown"),
        (PhotoChoice(num=0), ConfigError, "must be at least 1"),
        (PhotoChoice(parts=["z"]), ConfigError, "has no such part"),
        (PhotoChoice(split="val", val_share=0.0), EvaluationError, "is left"),
    ):
        with pytest.raises(error, match=message):
            choose_photos(ann_file, img_dir, choice)
    with pytest.raises(ImageError, match="1 of 1 images"):
        choose_photos(ann_file, str(tmp_path))
    photos = choose_photos(ann_file, img_dir)
    cv2.imwrite(f"{img_dir}/a/1.png", np.full((50, 50, 3), 99, np.uint8))
    inferencer = chain(tiny_pose, RecordingDetector(FakeDetector(), 0.3))
    with pytest.raises(ImageError, match="another size than annotated"):
        evaluate_photos(inferencer, photos, img_dir, progress=False)
    with pytest.raises(EvaluationError, match="MediaPipe Hands failed"):
        evaluate_photos(inferencer, photos, img_dir, str(tmp_path / "no_python"), progress=False)


def test_the_tool_writes_metrics_with_the_hash_of_the_weights(tmp_path: Path, tiny_pose: Any) -> None:
    ann_file, img_dir = write(tmp_path, {"1.png": [HAND], "2.png": []})
    out = tmp_path / "metrics.json"
    done = subprocess.run(
        [sys.executable, "tools/evaluate_photos.py", ann_file, img_dir, "--box-source", "annotated", "--pose", *tiny_pose,
         "--out", str(out)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "hands found" in done.stdout
    report = json.loads(out.read_text())
    assert len(report["provenance"]["pose"]["sha256"]) == 64
    assert "detector" not in report["provenance"]
    assert report["networks"]["interhand_mm"]["images"]["counts"]["images_without_hands"] == 1
    wrong = subprocess.run(
        [sys.executable, "tools/evaluate_photos.py", ann_file, img_dir, "--pose", "no.py", "no.pth"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert wrong.returncode == 2
    assert "config does not exist: no.py" in wrong.stderr


def test_without_networks_the_shipped_ones_are_used_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    record = SimpleNamespace(version="1.0", sha256="ab" * 32)
    monkeypatch.setattr("interhand_mm.apis.evaluate_photos.shipped_record", lambda name: record)
    entry = photo_provenance({"pose": ()})["pose"]
    assert entry == {"config": "shipped", "version": "1.0", "sha256": "ab" * 32}
