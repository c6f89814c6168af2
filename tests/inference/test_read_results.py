"""The JSON file of the demos, read back."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest

from interhand_mm import read_results
from interhand_mm.errors import InputError
from interhand_mm.inference.io.json_frames import JsonWriter
from interhand_mm.structures.results import HandsResult
from tests.fixtures.frames import make_frame, make_hands
from tests.inference.test_inferencer import Clip


def write(path, frames):
    writer = JsonWriter(mirror=False, provenance={})
    writer.open(path, "some/clip.mp4", Clip([]))
    for frame in frames:
        writer.add(frame, frame.image)
    writer.close(complete=True)
    return path


@pytest.fixture
def frames():
    two = make_hands(presence=("yes", "unsure"), hand_prob=(0.98, 0.55), depth_source="hand_size", track_ids=(4, 7))
    one = make_hands(presence=("yes", "no"))
    source = "some/clip.mp4"
    return [make_frame(two, one, source=source, time_s=0.0), make_frame(index=1, time_s=0.1, source=source)]


def test_results_come_back_rounded(tmp_path, frames):
    found = read_results(write(tmp_path / "clip.json", frames))
    assert [(each.source, each.index, each.time_s) for each in found] == [
        (each.source, each.index, each.time_s) for each in frames
    ]
    for got, want in zip(found[0].hands, frames[0].hands, strict=True):
        for field in fields(HandsResult):
            a, b = getattr(got, field.name), getattr(want, field.name)
            if isinstance(b, (np.ndarray, float)):
                digits = 5e-5 if field.name in ("bbox_score", "hand_prob", "keypoint_scores") else 0.005
                np.testing.assert_allclose(a, b, atol=digits + 1e-9, rtol=0)
                assert np.shape(a) == np.shape(b)
            else:
                assert a == b
    assert found[0].intrinsics.source == frames[0].intrinsics.source
    np.testing.assert_allclose(found[0].intrinsics.focal, frames[0].intrinsics.focal, atol=0.005)
    assert found[1].hands == ()


def test_images_are_black_and_take_no_memory(tmp_path, frames):
    image = read_results(write(tmp_path / "clip.json", frames))[0].image
    assert image.shape == frames[0].image.shape
    assert image.dtype == np.uint8
    assert not image.any()
    assert image.strides == (0, 0, 0)


def test_files_without_the_optional_key(tmp_path, frames):
    path = write(tmp_path / "clip.json", frames)
    content = json.loads(path.read_text())
    for hands in content["frames"][0]["hands"]:
        del hands["restored"]
    path.write_text(json.dumps(content))
    assert read_results(path)[0].hands[0].restored == (False, False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(format="coco"), "not a results file(.|\n)*'coco'"),
        (dict(version=3), "another version(.|\n)*want: 2(.|\n)*update interhand_mm"),
        (dict(frames=[{"index": 0}]), r"damaged(.|\n)*\$.frames"),
        (dict(frames=None), "damaged"),
    ],
)
def test_other_files_are_refused(tmp_path, frames, change, message):
    path = write(tmp_path / "clip.json", frames)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message):
        read_results(path)


def test_a_hand_without_all_joints_is_damaged(tmp_path, frames):
    path = write(tmp_path / "clip.json", frames)
    content = json.loads(path.read_text())
    content["frames"][0]["hands"][0]["keypoints"].pop()
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"damaged(.|\n)*hands\[0\]\.keypoints"):
        read_results(path)


@pytest.mark.parametrize("content", ["", "no JSON", "[]", '{"format": "interhand_mm.frames", "version": 2'])
def test_foreign_files_are_refused(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match="not a results file"):
        read_results(tmp_path / "x.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_results(tmp_path / "none.json")
