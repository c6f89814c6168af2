"""The demo in a browser: what it answers, what it refuses, and that it loads nothing from elsewhere."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest

from interhand_mm.errors import InputError
from interhand_mm.inference.inferencer import InterHandInferencer
from interhand_mm.inference.io.writers import Mp4File
from interhand_mm.structures.results import FrameResult, HandsResult, Intrinsics
from tests.conftest import ROOT
from tests.inference.conftest import FakeDetector, FakeNetwork, scene

TIMEOUT_S = 180


@pytest.fixture(scope="module")
def web():
    spec = importlib.util.spec_from_file_location("web_demo_of_tests", ROOT / "demo/web_demo.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def hands(presence, **changes):
    fields = dict(
        bbox=np.zeros(4),
        detections=np.zeros((0, 4)),
        bbox_score=1.0,
        hand_prob=np.array([0.98, 0.4]),
        presence=presence,
        keypoints=np.zeros((42, 3)),
        keypoint_scores=np.ones(42),
        rel_root_depth_mm=0.0,
        keypoints_mm=np.arange(126.0).reshape(42, 3),
        depth_source="hand_size",
    )
    return HandsResult(**{**fields, **changes})


def frame(*hands, index=0, time_s=None, source="assumed"):
    intrinsics = Intrinsics(np.ones(2), np.ones(2), source)
    return FrameResult("a.jpg", index, time_s, np.zeros((4, 4, 3), np.uint8), intrinsics, hands)


def test_the_table_of_an_image_has_a_row_per_hand_that_is_shown(web):
    table = web.table_of([frame(hands(("yes", "unsure")), hands(("yes", "no")))])
    assert table["headers"][:3] == ["hand", "present", "probability"]
    assert table["data"] == [
        ["right", "yes", 0.98, 60, 61, 62],  # joint 20 is the right wrist
        ["left", "unsure", 0.4, 123, 124, 125],
        ["right", "yes", 0.98, 60, 61, 62],
    ]


def test_the_table_of_a_clip_has_times_and_tracks_and_is_short(web):
    one = hands(("yes", "no"), track_ids=(7, None))
    table = web.table_of([frame(one, index=t, time_s=t / 30) for t in range(1000)])
    assert table["headers"][:2] == ["time, s", "track"]
    assert len(table["data"]) == 200
    assert table["data"][1][:3] == [pytest.approx(5 / 30, abs=0.01), 7, "right"]


def test_numbers_that_are_unknown_stay_empty(web):
    table = web.table_of([frame(hands(("yes", "no"), keypoints_mm=np.full((42, 3), np.nan)))])
    assert table["data"][0][-3:] == [None, None, None]


def test_the_summary_says_what_is_measured_and_what_is_not(web):
    assert web.summary_of([frame()]).startswith("**No hands were found.**")
    guess = web.summary_of([frame(hands(("yes", "no")))])
    assert guess.startswith("**1 hand found.**")
    assert "assumed" in guess
    assert "guess" in guess
    given = web.summary_of([frame(hands(("yes", "yes"), depth_source="given"), source="exif")])
    assert given.startswith("**2 hands found.** The focal length was read from the file.")
    assert "guess" not in given
    clip = web.summary_of([frame(), frame(hands(("yes", "yes"))), frame(hands(("no", "yes")))])
    assert "2 of 3 frames" in clip


def test_an_error_names_the_file_and_not_its_folder(web):
    error = InputError("neither an image nor a video: /tmp/x/y.txt", got="5 bytes", fix="another file")
    text = web.words_of(error, "/tmp/x/y.txt")
    assert "neither an image nor a video: y.txt" in text
    assert "Found: 5 bytes" in text
    assert "What helps: another file" in text
    assert "/tmp" not in text


def test_a_port_in_use_is_an_error_in_words():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        command = [sys.executable, "demo/web_demo.py", "--port", str(other.getsockname()[1])]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "ConfigError: the page cannot use port" in done.stderr


@pytest.fixture(scope="module")
def served(web, tiny_pose, tmp_path_factory):
    """Serve the page with stand-ins for the networks; return its address and the folder of results."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "0"
    pytest.importorskip("gradio", reason="gradio is not installed: pip install -r requirements/web.txt")
    uvicorn = pytest.importorskip("uvicorn")
    inferencer = InterHandInferencer(*tiny_pose, FakeDetector())
    inferencer.pose.network = FakeNetwork()
    folder = tmp_path_factory.mktemp("results")
    with socket.socket() as free:
        free.bind((web.HOST, 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(web.build_app(web.WebDemo(inferencer, folder)), web.HOST, port, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    yield f"http://{web.HOST}:{port}", folder
    server.should_exit = True
    thread.join()


def ask(url, path, mirror=False):
    from gradio_client import Client, handle_file

    client = Client(url, verbose=False, httpx_kwargs={"timeout": TIMEOUT_S})
    return client.predict(handle_file(str(path)), mirror, False, api_name="/estimate")


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "one.png"
    cv2.imwrite(str(path), scene((100, 80, 180, 160)))
    return path


def test_an_image_gives_summary_view_table_and_files(served, image):
    url, folder = served
    import httpx

    summary, view, table, files = ask(url, image)
    assert summary.startswith("**1 hand found.**")
    assert [row[0] for row in table["value"]["data"]] == ["right"]
    assert sorted(os.path.basename(each) for each in files["value"]) == ["one.html", "one.jpg", "one.json"]
    address = view.split('src="')[1].split('"')[0]
    page = httpx.get(url + address, timeout=TIMEOUT_S)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "one.png" in page.text
    assert (folder / address.split("/")[-2] / "one.html").is_file()


def test_a_mirrored_image_shows_the_same_hand_and_the_option_does_not_stay(served, image):
    url, _ = served
    rows = [ask(url, image, mirror)[2]["value"]["data"][0] for mirror in (False, True, False)]
    assert rows[0] == rows[2]
    assert rows[0] != rows[1]


def test_a_clip_gives_a_video_and_a_table_with_times(served, tmp_path):
    url, _ = served
    clip = Mp4File(tmp_path / "clip.mp4", 10.0)
    for t in range(5):
        clip.add(scene((100 + 4 * t, 80, 180 + 4 * t, 160)), t / 10)
    clip.close()
    summary, _, table, files = ask(url, tmp_path / "clip.mp4")
    assert "of 5 frames" in summary
    assert table["value"]["headers"][:2] == ["time, s", "track"]
    assert any(each.endswith(".mp4") for each in files["value"])


def test_a_file_that_is_no_image_is_answered_in_words(served, tmp_path):
    url, _ = served
    (tmp_path / "notes.txt").write_text("hello")
    summary, view, *_ = ask(url, tmp_path / "notes.txt")
    assert "neither an image nor a video: notes.txt" in summary
    assert view == ""


def test_only_this_computer_is_served_and_nothing_else_is_shown(served):
    url, folder = served
    import httpx

    assert "127.0.0.1" in url
    home = httpx.get(url, timeout=TIMEOUT_S)
    assert "default-src 'self'" in home.headers["content-security-policy"]
    assert httpx.get(url, headers={"Host": "example.org"}, timeout=TIMEOUT_S).status_code == 400
    (folder.parent / "secret.html").write_text("secret")
    for name in ("none", "..", "..%2f", "%2e%2e"):
        answer = httpx.get(f"{url}/view/{name}/secret.html", timeout=TIMEOUT_S)
        assert "secret" not in answer.text
    assert httpx.get(f"{url}/view/none/one.html", timeout=TIMEOUT_S).status_code == 404


def test_old_results_are_deleted(web, tiny_pose, tmp_path, image, monkeypatch):
    monkeypatch.setattr(web, "KEPT_RESULTS", 2)
    inferencer = InterHandInferencer(*tiny_pose, FakeDetector())
    inferencer.pose.network = FakeNetwork()
    demo = web.WebDemo(inferencer, tmp_path / "results")
    made = [demo.estimate(image, False, False) for _ in range(3)]
    assert [out.is_dir() for out in made] == [False, True, True]


def test_the_page_in_a_browser(served, image):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    url, _ = served
    asked, errors = [], []
    flags = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags, chromium_sandbox=False)
        page = browser.new_page(viewport={"width": 1000, "height": 700})
        page.set_default_timeout(180_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        page.locator("input[type=file]").first.set_input_files(str(image))
        page.get_by_text("1 hand found.").wait_for()
        view = page.frame_locator("iframe[title=Result]")
        view.get_by_text("probability").first.wait_for()
        assert page.get_by_text("wrist z, mm").first.is_visible()
        browser.close()
    assert not errors
    assert [each for each in asked if not each.startswith((url, "blob:", "data:"))] == []
