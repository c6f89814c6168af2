"""The JSON file and the JSON lines of the demos, read back."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc
from dataclasses import fields

import numpy as np
import pytest

from interhand_mm import iter_results, read_results
from interhand_mm.errors import InputError
from interhand_mm.inference.io.json_frames import JsonLinesWriter, JsonWriter
from interhand_mm.structures.results import HandsResult
from tests.fixtures.frames import make_frame, make_hands
from tests.inference.test_inferencer import Clip


def write(path, frames, form=JsonWriter):
    writer = form(mirror=False, provenance={})
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


@pytest.mark.parametrize("form", [JsonWriter, JsonLinesWriter])
def test_results_come_back_rounded(tmp_path, frames, form):
    found = read_results(write(tmp_path / "clip.json", frames, form))
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


# --- JSON lines ---


def lines_of(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def begun(path, frames):
    """Open a writer and add frames, as in the middle of a run."""
    writer = JsonLinesWriter(mirror=True, provenance={"commit": "abc"})
    writer.open(path, "some/clip.mp4", Clip([]))
    for frame in frames:
        writer.add(frame, frame.image)
    return writer


def test_lines_hold_what_json_holds(tmp_path, frames):
    whole = json.loads(write(tmp_path / "clip.json", frames).read_text())
    head, *lines, end = lines_of(write(tmp_path / "clip.jsonl", frames, JsonLinesWriter))
    assert lines == whole.pop("frames")
    assert end == {"num_frames": 2, "skipped_frames": 0, "complete": True}
    assert {**head, **end, "format": whole["format"]} == whole
    assert head["format"] == "interhand_mm.frame_lines"


def test_lines_are_readable_while_they_are_written(tmp_path, frames):
    path = tmp_path / "clip.jsonl"
    path.write_text("older results")
    writer = begun(path, frames[:1])
    assert [frame.index for frame in read_results(path, partial=True)] == [0]
    found = iter_results(path)
    assert next(found).index == 0
    with pytest.raises(InputError, match=r"incomplete(.|\n)*1 frames without the last line(.|\n)*partial=True"):
        next(found)
    writer.add(frames[1], frames[1].image)
    writer.close(complete=False)
    assert [frame.index for frame in read_results(path)] == [0, 1]
    assert lines_of(path)[-1]["complete"] is False


def test_a_reader_follows_a_file_that_grows(tmp_path, frames):
    path = tmp_path / "clip.jsonl"
    writer = begun(path, frames[:1])

    def finish():
        time.sleep(0.3)
        writer.add(frames[1], frames[1].image)
        writer.close(complete=True)

    thread = threading.Thread(target=finish)
    thread.start()
    assert [frame.index for frame in iter_results(path, wait_s=60)] == [0, 1]
    thread.join()


def test_a_line_that_is_cut_makes_the_file_incomplete(tmp_path, frames):
    path = write(tmp_path / "clip.jsonl", frames, JsonLinesWriter)
    path.write_bytes(path.read_bytes()[:-60])  # within the second frame
    assert len(read_results(path, partial=True)) == 1
    with pytest.raises(InputError, match="incomplete"):
        read_results(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [lines[0], lines[1], '{"index": 1}', lines[3]], r"damaged(.|\n)*`\$ of line 3`"),
        (lambda lines: [lines[0], "no JSON", *lines[2:]], r"damaged(.|\n)*of line 2"),
        (lambda lines: [lines[0], *lines[2:]], r"damaged(.|\n)*1 frames(.|\n)*2"),
        (lambda lines: [*lines, lines[1]], r"damaged(.|\n)*line 5 after the last"),
        (lambda lines: [lines[0].replace('"version":2', '"version":7'), *lines[1:]], "another version(.|\n)*update"),
        (lambda lines: [lines[0].replace("frame_lines", "other"), *lines[1:]], "not a results file"),
        (lambda lines: lines[1:], "not a results file"),
    ],
)
def test_foreign_and_damaged_lines_are_refused(tmp_path, frames, change, message):
    path = write(tmp_path / "clip.jsonl", frames, JsonLinesWriter)
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    with pytest.raises(InputError, match=message):
        read_results(path)


def test_the_memory_of_lines_does_not_grow(tmp_path, frames):
    """Neither the writer's nor the reader's, over 600 frames of which each takes 4 kB in the file."""
    path = tmp_path / "clip.jsonl"
    frame = frames[0]
    writer = begun(path, [frame])
    tracemalloc.start()
    for _ in range(600):
        writer.add(frame, frame.image)
    assert tracemalloc.get_traced_memory()[0] < 200_000
    writer.close(complete=True)
    tracemalloc.reset_peak()
    assert sum(1 for _ in iter_results(path)) == 601
    assert tracemalloc.get_traced_memory()[1] < 400_000
    tracemalloc.stop()
    assert path.stat().st_size > 2_000_000


@pytest.mark.parametrize("content", ["", "no JSON", "[]", '{"format": "interhand_mm.frames", "version": 2'])
def test_foreign_files_are_refused(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match="not a results file"):
        read_results(tmp_path / "x.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_results(tmp_path / "none.json")
