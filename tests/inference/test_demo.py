from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import types
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from interhand_mm.cli import arguments as cli
from interhand_mm.errors import ConfigError, InputError, OutputError
from interhand_mm.inference import run as demo
from interhand_mm.inference.inferencer import InterHandInferencer
from interhand_mm.inference.io import json_frames, window, writers
from interhand_mm.inference.io.frames import Frame
from interhand_mm.inference.io.naming import unique_stems
from interhand_mm.inference.options import InferenceOptions, OutputOptions
from interhand_mm.inference.run import run_demo
from tests.conftest import ROOT
from tests.inference.conftest import FakeDetector, FakeNetwork, scene

TIMES = [0.0, 0.04, 0.05, 0.2, 0.21, 0.5, 0.54, 0.6]


class FakePage:
    """Stands for the HTML viewer."""

    first_s = None

    def __init__(self, path, title, fps=None, video=False, style=None):
        self.path, self.num = path, 0

    @property
    def num_frames(self):
        return self.num

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def add(self, frame):
        self.num += 1

    def close(self, complete=True):
        self.path.write_text(str(self.num))


@pytest.fixture(autouse=True)
def _plain_drawing(monkeypatch):
    """Frames as they are, so that what is written can be compared; pages that only count."""
    monkeypatch.setattr(demo, "draw_frame", lambda result, style: result.image.copy())
    page = types.ModuleType("interhand_mm.visualization.html")
    page.HtmlViewer = FakePage
    monkeypatch.setitem(sys.modules, "interhand_mm.visualization.html", page)


@pytest.fixture
def made(tiny_pose):
    made = InterHandInferencer(*tiny_pose, FakeDetector(), InferenceOptions(batch_size=3))
    made.pose.network = FakeNetwork((0.9, 0.1))
    return made


class Clip:
    """A decoded video of odd size, of variable rate; may be stopped by an error."""

    name, kind, fps, skipped, problem, length = "some/clip.mov", "video", 12.0, 0, None, len(TIMES)
    paths = (Path(name),)

    def __init__(self, error=None, at=5):
        self.error, self.at = error, at

    def __iter__(self):
        for i, time in enumerate(TIMES):
            if self.error is not None and i == self.at:
                raise self.error
            image = scene((20, 30, 90, 90), size=(161, 121))
            image[:, 10 * i : 10 * i + 8, 1] = 255
            yield Frame(self.name, i, time, image)


def read_video(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [(frame.time, frame.to_ndarray(format="bgr24")) for frame in container.decode(stream)]
        return stream.codec_context.name, stream.codec_context.pix_fmt, frames


def finite(value):
    raise AssertionError(f"{value} in JSON")


def read_json(path):
    return json.loads(path.read_text(), parse_constant=finite)


def test_a_folder_writes_a_set_for_every_image(tmp_path, made):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.jpg", "a.png", "b.PNG", "A.bmp"):
        cv2.imwrite(str(folder / name), scene((60, 40, 140, 150)))
    table = run_demo(made, folder, tmp_path / "out")
    stems = ["a_jpg", "a_png", "b", "A_bmp"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        f"{stem}.{ending}" for stem in stems for ending in ("jpg", "json", "html")
    )
    content = read_json(tmp_path / "out/a_png.json")
    assert (content["format"], content["version"], content["complete"]) == ("interhand_mm.frames", 2, True)
    assert content["kind"] == "images"
    assert content["source"].endswith("a.png")
    assert (content["num_frames"], content["frames"][0]["time_s"]) == (1, None)
    assert not re.search(r"(?<![\d.])4 frames", table)
    assert "frames per second" in table
    assert made.watch.frames == 4


def test_names_that_are_not_utf8(tmp_path, made):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (b"a.png", b"\xca\xd6.png"):
        (folder / os.fsdecode(name)).write_bytes(cv2.imencode(".png", scene((20, 30, 90, 90)))[1].tobytes())
    run_demo(made, folder, tmp_path / "out", config=os.fsdecode(b"\xca\xd6.py"))
    content = read_json(tmp_path / "out" / os.fsdecode(b"\xca\xd6.json"))
    assert content["source"].endswith("/in/\\xca\\xd6.png")
    assert content["provenance"]["config"] == "\\xca\\xd6.py"
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_json_holds_what_the_results_hold(tmp_path, made):
    cv2.imwrite(str(tmp_path / "a.png"), scene((60, 40, 140, 150)))
    (result,) = made.infer(tmp_path / "a.png")
    run_demo(made, tmp_path / "a.png", tmp_path / "out", OutputOptions(html=False))
    content = read_json(tmp_path / "out/a.json")
    assert len(content["joints"]) == 42
    assert content["mirror"] is False
    assert set(content["units"]) == {"boxes", "keypoints", "rel_root_depth_mm", "keypoints_mm", "time_s"}
    (frame,) = content["frames"]
    assert (frame["width"], frame["height"]) == (320, 240)
    assert frame["intrinsics"]["source"] == "assumed"
    (hands,), (want,) = frame["hands"], result.hands
    assert hands["presence"] == {"right": "yes", "left": "no"}
    assert hands["hand_prob"] == {"right": 0.9, "left": 0.1}
    assert hands["depth_source"] == "hand_size"
    assert hands["rel_root_depth_mm"] is None
    assert hands["keypoints"][30] == hands["keypoints_mm"][30] == [None, None, None]
    assert hands["keypoints_mm"][5] == pytest.approx(want.keypoints_mm[5], abs=0.006)
    assert hands["detections"] == [[60, 40, 140, 150]]
    assert not list(tmp_path.glob("out/*.html"))


def test_every_json_key_is_documented():
    text = (ROOT / "docs/guide/inference.md").read_text()
    content = json_frames.UNITS.keys() | {
        "format",
        "version",
        "source",
        "kind",
        "fps",
        "mirror",
        "provenance",
        "units",
        "joints",
    }
    content |= {"frames", "num_frames", "skipped_frames", "complete", "index", "width", "height", "intrinsics", "hands"}
    content |= {
        "track_ids",
        "bbox",
        "detections",
        "bbox_score",
        "hand_prob",
        "presence",
        "restored",
        "keypoint_scores",
        "depth_source",
    }
    assert not [key for key in content if f"`{key}`" not in text]


def test_a_video_plays_in_browsers_and_keeps_its_times(tmp_path, made):
    run_demo(made, Clip(), tmp_path)
    codec, pixels, frames = read_video(tmp_path / "clip.mp4")
    assert (codec, pixels) == ("h264", "yuv420p")
    assert [time for time, _ in frames] == pytest.approx(TIMES, abs=1e-3)
    assert frames[0][1].shape == (122, 162, 3)  # even, by one more pixel
    assert [int(image[:, :160, 1].mean(0).reshape(-1, 10).mean(1).argmax()) for _, image in frames] == list(range(8))
    content = read_json(tmp_path / "clip.json")
    assert [frame["time_s"] for frame in content["frames"]] == TIMES
    assert {each for frame in content["frames"] for each in frame["hands"][0]["track_ids"]} - {None} == {1}
    assert (tmp_path / "clip.html").read_text() == "8"


def test_gif(tmp_path, made):
    run_demo(made, Clip(), tmp_path, OutputOptions(gif=True))
    assert not (tmp_path / "clip.mp4").exists()
    image = Image.open(tmp_path / "clip.gif")
    # 0.05 and 0.54 s are nearer than a twentieth of a second to the frame before; 0.21 too.
    durations, tones = [], []
    for i in range(image.n_frames):
        image.seek(i)
        durations.append(image.info["duration"])
        tones.append(int(np.asarray(image.convert("RGB"))[60, 55, 0]))
    assert np.cumsum([0, *durations[:-1]]) == pytest.approx([0, 50, 200, 500, 600], abs=11)
    assert tones == pytest.approx([80] * 5, abs=6)


@pytest.mark.parametrize(("error", "num"), [(KeyboardInterrupt(), 3), (InputError("camera 0 gives no more frames"), 3)])
def test_what_was_done_before_a_stop_is_kept(tmp_path, made, error, num):
    """Two chunks of three would be six frames; the stop comes at the fifth, while the second is being read."""
    with pytest.raises(type(error)):
        run_demo(made, Clip(error, at=5), tmp_path)
    content = read_json(tmp_path / "clip.json")
    assert (content["num_frames"], content["complete"], len(content["frames"])) == (num, False, num)
    assert len(read_video(tmp_path / "clip.mp4")[2]) == num
    assert (tmp_path / "clip.html").read_text() == str(num)
    assert not list(tmp_path.glob(".part*"))


def test_folders_that_cannot_be_written_are_refused_before_any_work(tmp_path, made, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        run_demo(made, Clip(), tmp_path / "file" / "out")
    monkeypatch.setattr(
        writers.Path, "touch", lambda _: (_ for _ in ()).throw(PermissionError(13, "Permission denied"))
    )
    with pytest.raises(OutputError, match="Permission denied"):
        run_demo(made, Clip(), tmp_path / "out")
    assert made.detector.calls == []


def test_inputs_are_never_overwritten(tmp_path, made):
    cv2.imwrite(str(tmp_path / "a.jpg"), scene())
    before = (tmp_path / "a.jpg").read_bytes()
    with pytest.raises(OutputError, match="overwritten"):
        run_demo(made, tmp_path, tmp_path)
    assert (tmp_path / "a.jpg").read_bytes() == before


def test_broken_images_are_named_after_the_others_are_done(tmp_path, made):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"\x89PNG broken")
    cv2.imwrite(str(folder / "b.png"), scene())
    with pytest.raises(InputError, match=r"1 of 2 images .*\n.*a\.png"):
        run_demo(made, folder, tmp_path / "out")
    assert (tmp_path / "out/b.json").exists()


def test_stems():
    def stems(*names):
        return unique_stems([Path(name) for name in names])

    assert stems("a.jpg", "b.c.png") == ["a", "b.c"]
    assert stems("a.jpg", "a.png", "a_jpg.png") == ["a_jpg_2", "a_png", "a_jpg"]
    assert stems("x/a.jpg", "y/a.jpg", "X/A.png") == ["x/a_jpg", "y/a", "X/A_png"]


def test_long_names_in_other_scripts_are_written(tmp_path, made):
    """A file system allows 255 bytes; a Chinese character takes three, and its names get longer here."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("手" * 83 + ".png", "手" * 82 + "足.png"):
        cv2.imwrite(str(folder / name), scene((60, 40, 140, 150)))
    run_demo(made, folder, tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(names) == 6
    assert all(name.startswith("手" * 70) for name in names)
    assert {read_json(tmp_path / "out" / name)["source"] for name in names if name.endswith(".json")} == {
        str(path) for path in folder.iterdir()
    }


def test_windows_need_a_screen(made, monkeypatch):
    monkeypatch.setattr(window.cv2, "getBuildInformation", lambda: "  GUI:    NONE\n")
    with pytest.raises(OutputError, match="cannot open windows"):
        run_demo(made, Clip(), None, show=True)
    monkeypatch.setattr(window.cv2, "getBuildInformation", lambda: "  GUI:    QT5\n")
    monkeypatch.setattr(window.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OutputError, match="no display"):
        run_demo(made, Clip(), None, show=True)


def test_closing_the_window_ends_the_run(tmp_path, made, monkeypatch):
    class TwoFrames:
        def __init__(self, _):
            self.left = 2

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def show(self, _):
            self.left -= 1
            return self.left > 0

    monkeypatch.setattr(demo, "Window", TwoFrames)
    run_demo(made, Clip(), tmp_path, show=True)
    content = read_json(tmp_path / "clip.json")
    assert (content["num_frames"], content["complete"]) == (2, False)


def test_exit_codes(capsys):
    for error, code in ((InputError("no such file"), 2), (KeyboardInterrupt(), 130)):
        with pytest.raises(SystemExit) as stop:
            cli.run(lambda error=error: (_ for _ in ()).throw(error))
        assert stop.value.code == code
    cli.run(lambda: None)
    assert "InputError: no such file" in capsys.readouterr().err


def test_a_terminated_demo_keeps_what_was_done(tmp_path, made):
    """SIGTERM is what a scheduler sends: the files are finished as after Ctrl-C, and the exit code says why."""
    before = signal.getsignal(signal.SIGTERM)

    class Sends(Clip):
        def __iter__(self):
            for i, frame in enumerate(super().__iter__()):
                if i == 5:
                    signal.raise_signal(signal.SIGTERM)
                yield frame

    with pytest.raises(SystemExit) as stop:
        cli.run(lambda: run_demo(made, Sends(), tmp_path))
    assert stop.value.code == 143
    content = read_json(tmp_path / "clip.json")
    assert (content["num_frames"], content["complete"]) == (3, False)
    assert not list(tmp_path.glob(".part*"))
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("script", ["topdown_demo", "webcam_demo"])
def test_demos_answer_help_and_bad_input(tmp_path, script, tiny_pose):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, f"demo/{script}.py", *arguments], cwd=ROOT, capture_output=True, text=True
        )

    done = run("--help")
    assert done.returncode == 0
    assert "--smooth" in done.stdout
    what = ["--input", str(tmp_path / "no.mp4")] if script == "topdown_demo" else ["--camera", "87", "--no-window"]
    done = run("none", "none", *tiny_pose, *what, "--out-dir", str(tmp_path / "out"))
    assert done.returncode == 2, done.stderr
    assert "InputError: " + ("input does not exist" if script == "topdown_demo" else "camera 87 cannot") in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_run_without_hands_says_so(tmp_path, made, monkeypatch):
    logged = []
    monkeypatch.setattr(demo, "print_log", lambda message, *_: logged.append(message))
    cv2.imwrite(str(tmp_path / "empty.png"), np.zeros((240, 320, 3), np.uint8))
    run_demo(made, tmp_path / "empty.png", tmp_path / "out")
    assert len(logged) == 1
    assert "no hands were found" in logged[0]
    cv2.imwrite(str(tmp_path / "hand.png"), scene((20, 30, 80, 90)))
    run_demo(made, tmp_path / "hand.png", tmp_path / "out")
    assert len(logged) == 1


@pytest.mark.parametrize(
    ("detector", "bbox", "message"),
    [
        (("det.py", "det.pth"), [1, 2, 30, 40], "replaces the detector"),
        (("none", "det.pth"), None, "needs a config and a checkpoint"),
        (("det.py", "none"), None, "needs a config and a checkpoint"),
    ],
)
def test_a_detector_that_would_not_be_used_is_refused(detector, bbox, message):
    parser = argparse.ArgumentParser()
    cli.add_inference_options(parser)
    parser.add_argument("--bbox", nargs=4, type=float)
    parser.add_argument("--mirror", action="store_true")
    args = parser.parse_args([*detector, "pose.py", "pose.pth", *(["--bbox", *map(str, bbox)] if bbox else [])])
    with pytest.raises(ConfigError, match=message):
        cli.check_inference_arguments(args)


def test_a_box_may_be_given_as_corner_and_size():
    parser = argparse.ArgumentParser()
    cli.add_bbox_options(parser, "box")
    assert parser.parse_args(["--bbox-xywh", "69", "137", "165", "153"]).bbox == [69, 137, 234, 290]
    assert parser.parse_args(["--bbox", "69", "137", "165", "153"]).bbox == [69, 137, 165, 153]
    assert parser.parse_args([]).bbox is None
    with pytest.raises(SystemExit):
        parser.parse_args(["--bbox-xywh", "69", "137", "165", "153", "--bbox", "69", "137", "165", "153"])


def test_a_detectors_config_in_the_pose_networks_place_is_refused(tmp_path, tiny_pose):
    config = ROOT / "configs/detector/rtmdet_tiny_hands.py"
    with pytest.raises(ConfigError, match="not the config of a pose network"):
        InterHandInferencer(config, tiny_pose[1])
