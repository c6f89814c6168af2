from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from interhand_mm.errors import ConfigError, InputError, OutputError
from interhand_mm.inference import run as demo
from interhand_mm.inference.inferencer import InterHandInferencer
from interhand_mm.inference.io.inputs import find_inputs, live_input
from interhand_mm.inference.io.sources import ImageClip
from interhand_mm.inference.io.video import Video
from interhand_mm.inference.options import InferenceOptions, InputOptions, OutputOptions, Section
from interhand_mm.inference.run import run_inputs
from tests.conftest import ROOT
from tests.inference.conftest import FakeNetwork, scene
from tests.inference.test_sources import number_of, write_video

PLAIN = OutputOptions(html=False)


@pytest.fixture
def made(tiny_pose, monkeypatch):
    monkeypatch.setattr(demo, "draw_frame", lambda result, style: result.image.copy())
    made = InterHandInferencer(*tiny_pose, options=InferenceOptions(batch_size=3, bbox=(20, 30, 90, 90)))
    made.pose.network = FakeNetwork((0.9, 0.1))
    return made


def write_tree(root, *names):
    """Write images and videos, by their names, that show a hand."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".mp4", ".mkv"):
            write_video(path, [0, 40, 80, 120])
        elif path.suffix == ".png":
            cv2.imwrite(str(path), scene((20, 30, 90, 90)))
        else:
            path.write_text("x")
    return root


def stems_of(groups):
    return [(group.form, sorted(group.stems)) for group in groups]


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_folders_hold_images_videos_and_folders(tmp_path, made):
    root = write_tree(tmp_path / "in", "a.png", "x/a.png", "x/y/a.png", "x/clip.mp4", "notes.txt", "x/.hidden.png")
    groups = find_inputs([str(root)], tmp_path / "out")
    assert stems_of(groups) == [("images", ["a", "x/a", "x/y/a"]), ("video", ["x/clip"])]
    run_inputs(made, groups, tmp_path / "out", PLAIN)
    assert written(tmp_path / "out") == sorted(
        ["a.jpg", "a.json", "x/a.jpg", "x/a.json", "x/y/a.jpg", "x/y/a.json", "x/clip.mp4", "x/clip.json"]
    )
    content = json.loads((tmp_path / "out/x/clip.json").read_text())
    assert (content["num_frames"], content["complete"], content["source"]) == (4, True, str(root / "x/clip.mp4"))


def test_several_inputs_do_not_share_a_file(tmp_path):
    write_tree(tmp_path, "one/a.png", "one/b.png", "two/a.png", "two/a.mp4", "three/sub/one/a.png", "c.png")
    inputs = [str(tmp_path / name) for name in ("one", "two", "three/sub/one", "c.png", "one/b.png")]
    groups = find_inputs(inputs)
    # The folder that was named is part of the path; one/b.png was named twice and is read once.
    assert stems_of(groups) == [
        ("images", ["c", "one/a_png", "one/a_png_2", "one/b", "two/a_png"]),
        ("video", ["two/a_mp4"]),
    ]
    (single,) = find_inputs([str(tmp_path / "one")])
    assert single.stems == ("a", "b")


def test_patterns(tmp_path):
    write_tree(tmp_path, "in/t2/f10.png", "in/t2/f9.png", "in/t10/a.mp4", "in/t10/notes.txt", "in/f9.png", "in/[1].png")
    assert stems_of(find_inputs([str(tmp_path / "in/**/f*.png")])) == [("images", ["f9", "t2/f10", "t2/f9"])]
    (images,) = find_inputs([str(tmp_path / "in/t2/*")])
    assert [path.name for path in images.paths] == ["f9.png", "f10.png"]
    assert stems_of(find_inputs([str(tmp_path / "in/t*")])) == [
        ("images", ["t2/f10", "t2/f9"]),
        ("video", ["t10/a"]),
    ]
    assert find_inputs([str(tmp_path / "in/[1].png")])[0].stems == ("[1]",)  # a name that looks like a pattern
    with pytest.raises(InputError, match=r"no image or video matches .*nothing\*"):
        find_inputs([str(tmp_path / "in/nothing*")])
    with pytest.raises(InputError, match=r"no image or video matches .*\*\.txt"):
        find_inputs([str(tmp_path / "in/t10/*.txt")])


def test_folders_without_anything_and_missing_inputs(tmp_path):
    write_tree(tmp_path, "in/notes.txt", "a.png")
    with pytest.raises(InputError, match=r"no images and no videos in .*\n  got:  1 other files"):
        find_inputs([str(tmp_path / "in")])
    with pytest.raises(InputError, match="does not exist"):
        find_inputs([str(tmp_path / "a.png"), str(tmp_path / "b.png")])


def test_what_a_run_wrote_is_not_read_by_the_next(tmp_path, made):
    root = write_tree(tmp_path / "in", "a.png", "x/b.mp4")
    for _ in range(2):
        groups = find_inputs([str(root)], root / "out")
        assert stems_of(groups) == [("images", ["a"]), ("video", ["x/b"])]
        run_inputs(made, groups, root / "out", PLAIN)
    with pytest.raises(OutputError, match="overwritten"):
        run_inputs(made, find_inputs([str(root)], root), root, PLAIN)
    assert not (root / "a.jpg").exists()


def test_a_gif_is_what_it_contains_and_raw_photographs_are_named(tmp_path, monkeypatch):
    logged = []
    monkeypatch.setattr("mmengine.logging.print_log", lambda message, *_: logged.append(message))
    frames = [Image.fromarray(np.full((20, 30, 3), 40 * i, np.uint8)) for i in range(3)]
    frames[0].save(tmp_path / "moves.gif", save_all=True, append_images=frames[1:])
    frames[2].save(tmp_path / "stands.gif")
    (tmp_path / "raw.dng").touch()
    assert stems_of(find_inputs([str(tmp_path)])) == [("images", ["stands"]), ("video", ["moves"])]
    assert logged == [f"1 files in {tmp_path} are not images or videos that can be read, and are left out: raw.dng"]


def test_one_unreadable_video_does_not_end_the_run(tmp_path, made, monkeypatch):
    logged = []
    monkeypatch.setattr(demo, "print_log", lambda message, _, level=logging.INFO: logged.append(message))
    root = write_tree(tmp_path / "in", "a.mp4", "c.mp4", "d.png")
    (root / "b.mp4").write_text("text")
    (root / "e.png").write_text("text")
    groups = find_inputs([str(root)])
    with pytest.raises(InputError, match=r"2 of 4 inputs could not be read.*\n  got:  1 of 2 images(.|\n)*b\.mp4"):
        run_inputs(made, groups, tmp_path / "out", PLAIN)
    assert written(tmp_path / "out") == ["a.json", "a.mp4", "c.json", "c.mp4", "d.jpg", "d.json"]
    assert any("neither an image nor a video" in message for message in logged)
    with pytest.raises(InputError, match="neither an image nor a video"):
        run_inputs(made, find_inputs([str(root / "b.mp4")]), tmp_path / "out", PLAIN)


def test_images_of_a_folder_are_the_frames_of_a_clip(tmp_path, made):
    write_tree(tmp_path, *(f"in/take.1/f{i}.png" for i in (8, 9, 10, 11)), "in/take2/a.png", "in/take2/film.mp4")
    (tmp_path / "in/take.1/f9.png").write_text("broken")
    groups = find_inputs([str(tmp_path / "in")], options=InputOptions(clip_fps=20.0))
    assert stems_of(groups) == [("clip", ["take2"]), ("clip", ["take.1"]), ("video", ["take2/film"])]
    run_inputs(made, groups, tmp_path / "out", PLAIN)
    content = json.loads((tmp_path / "out/take.1.json").read_text())
    assert (content["kind"], content["fps"], content["skipped_frames"]) == ("video", 20.0, 1)
    assert [(frame["index"], frame["time_s"]) for frame in content["frames"]] == [(0, 0.0), (2, 0.1), (3, 0.15)]
    assert {tuple(frame["hands"][0]["track_ids"]) for frame in content["frames"]} == {(1, None)}
    # A folder that is named itself gives its own name to the clip.
    (clip,) = find_inputs([str(tmp_path / "in/take.1")], options=InputOptions(clip_fps=20.0))
    assert clip.stems == ("take.1",)
    part = ImageClip(clip.paths, clip.name, 20.0, Section(start_s=0.1, stride=1))
    assert [frame.index for frame in part] == [2, 3]
    with pytest.raises(InputError, match=r"no frame of .* lies in the section(.|\n)*at 0\.15 s"):
        list(ImageClip(clip.paths, clip.name, 20.0, Section(start_s=0.2)))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize(
    ("section", "want"),
    [
        (Section(start_s=0.5), range(15, 39)),
        (Section(end_s=0.2), range(6)),
        (Section(start_s=0.21, end_s=1.0, stride=5), range(7, 30, 5)),
        (Section(stride=19), range(0, 39, 19)),
        (Section(start_s=1.25), [38]),
    ],
)
def test_sections_keep_the_number_and_the_time_of_their_frames(tmp_path, name, section, want):
    path = write_video(tmp_path / name, [round(1000 * i / 30) for i in range(39)])
    source = Video(path, section)
    frames = list(source)
    assert [number_of(frame) for frame in frames] == [frame.index for frame in frames] == list(want)
    assert [frame.time_s for frame in frames] == pytest.approx([i / 30 for i in want], abs=2e-3)
    assert source.skipped == 0
    assert source.length in (None, len(want))
    assert source.fps is None or source.fps == pytest.approx(30 / section.stride, abs=0.5)


def test_long_beginnings_are_not_decoded(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mkv", [40 * i for i in range(39)])
    decoded = []
    decode = Video._decode
    monkeypatch.setattr(Video, "_decode", lambda self, packet: decoded.append(1) or decode(self, packet))
    whole = len(list(Video(path)))
    # The file has one key frame, so all packets are needed; with one in five, two groups before the start suffice.
    assert len(decoded) >= whole
    decoded.clear()
    import av

    with av.open(str(path)) as old, av.open(str(tmp_path / "b.mkv"), "w") as new:
        stream = new.add_stream("libx264", rate=25, options={"g": "5", "bf": "0", "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for frame in old.decode(video=0):
            new.mux(stream.encode(frame))
        new.mux(stream.encode(None))
    assert [frame.index for frame in Video(tmp_path / "b.mkv", Section(start_s=1.4))] == [35, 36, 37, 38]
    assert len(decoded) <= 15


def test_a_section_without_frames_is_an_error(tmp_path):
    path = write_video(tmp_path / "a.mp4", [0, 40, 80])
    with pytest.raises(InputError, match=r"lies in the section\n  got:  9 s to the end; .* at 0\.08 s"):
        list(Video(path, Section(start_s=9)))


def test_the_overlay_of_a_section_begins_at_once(tmp_path, made):
    import av

    path = write_video(tmp_path / "a.mp4", [40 * i for i in range(20)])
    groups = find_inputs([str(path)], options=InputOptions(Section(start_s=0.4, stride=2)))
    run_inputs(made, groups, tmp_path / "out", PLAIN)
    with av.open(str(tmp_path / "out/a.mp4")) as container:
        assert [frame.time for frame in container.decode(video=0)] == pytest.approx(
            [0, 0.08, 0.16, 0.24, 0.32], abs=1e-3
        )
    content = json.loads((tmp_path / "out/a.json").read_text())
    assert [frame["index"] for frame in content["frames"]] == [10, 12, 14, 16, 18]
    assert content["frames"][0]["time_s"] == pytest.approx(0.4)


def test_complete_outputs_are_left_out_and_others_are_made(tmp_path, made):
    root = write_tree(tmp_path / "in", "a.png", "b.png", "c.mp4", "d.mp4")
    out, options = tmp_path / "out", InputOptions(skip_existing=True)

    def again(output=PLAIN):
        made.watch.frames = 0
        before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
        run_inputs(made, find_inputs([str(root)], options=options), out, output)
        after = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
        return made.watch.frames, sorted(path.name for path in after if before.get(path) != after[path])

    assert again()[0] == 10
    assert again() == (0, [])
    (out / "b.jpg").unlink()
    half = (out / "d.json").read_text()
    (out / "d.json").write_text(half.replace('"complete":true', '"complete":false'))
    frames, names = again()
    assert (frames, names) == (5, ["b.jpg", "b.json", "d.json", "d.mp4"])
    # The same name, but the outputs of another input.
    shutil.move(root / "a.png", root / "sub.png")
    (out / "sub.jpg").write_bytes((out / "a.jpg").read_bytes())
    (out / "sub.json").write_bytes((out / "a.json").read_bytes())
    assert again() == (1, ["sub.jpg", "sub.json"])
    assert again(OutputOptions(html=False, csv=True))[0] == 10  # a file that did not exist


def test_options_without_effect_are_refused(tmp_path):
    write_tree(tmp_path, "a.png", "b.mp4")
    image, video = str(tmp_path / "a.png"), str(tmp_path / "b.mp4")
    for options in (Section(stride=2), Section(start_s=1), Section(end_s=1)):
        with pytest.raises(ConfigError, match="no effect on images"):
            find_inputs([image], options=InputOptions(options))
        find_inputs([image, video], options=InputOptions(options))
        find_inputs([image], options=InputOptions(options, clip_fps=5))
    with pytest.raises(ConfigError, match="--frames-as-clip has no effect"):
        find_inputs([video], options=InputOptions(clip_fps=5))
    with pytest.raises(ConfigError, match="no effect on a camera or a stream"):
        live_input(["0"], InputOptions(skip_existing=True))
    with pytest.raises(InputError, match="read alone"):
        live_input(["0", image])
    assert live_input([image]) is None
    assert live_input(["7"]) == 7
    assert live_input(["rtsp://host/x"]) == "rtsp://host/x"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"start_s": -1}, "start_s must be"),
        ({"end_s": float("nan")}, "end_s must be"),
        ({"start_s": 2, "end_s": 2}, "ends before it begins"),
        ({"stride": 0}, "stride must be"),
    ],
)
def test_sections_that_make_no_sense(wrong, message):
    with pytest.raises(ConfigError, match=message):
        Section(**wrong)
    with pytest.raises(ConfigError, match="frame rate"):
        InputOptions(clip_fps=0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--input", "a.png", "none", "none", "pose.py"], "--input takes all words up to the next option"),
        (["--input", "README.md", "no*.png"], "no image or video matches"),
        (["--input", "docs/images/hdr.jpg", "--stride", "2"], "no effect on images"),
        (["--input", "docs/images/hdr.jpg", "--start", "3", "--end", "2"], "ends before it begins"),
    ],
)
def test_the_command_line_refuses_before_anything_heavy(tmp_path, tiny_pose, words, message):
    command = [sys.executable, "demo/topdown_demo.py", "none", "none", *tiny_pose, *words, "--out-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert message in done.stderr
