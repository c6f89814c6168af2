from __future__ import annotations

import base64
import io
import json
import re
import shutil
import time
import tracemalloc
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest

from interhand_mm.errors import OutputError
from interhand_mm.structures.camera import camera_to_pixel
from interhand_mm.structures.joints import COLORS
from interhand_mm.visualization.html import HtmlViewer, reduce_frame
from tests.fixtures.frames import make_frame, make_hands


def scripts(page: str, attribute: str) -> list[str]:
    return re.findall(rf"<script type=\"application/json\" {attribute}>(.*?)</script>", page, re.DOTALL)


def frames_of(path) -> list[dict]:
    return [json.loads(text) for text in scripts(path.read_text(), 'class="frame"')]


def common_of(path) -> dict:
    return json.loads(scripts(path.read_text(), 'id="viewer"')[0])


def clip(path, count: int, **options) -> HtmlViewer:
    """Hands that move 2 mm to the right a frame."""
    viewer = HtmlViewer(path, "Clip", fps=10, **options)
    for i in range(count):
        viewer.add(make_frame(make_hands(shift_mm=(2.0 * i, 0, 0), track_ids=(1, 2)), index=i))
    return viewer


def test_a_frame_keeps_its_numbers(tmp_path):
    hands = make_hands(presence=("yes", "no"), depth_source="hand_size")
    path = tmp_path / "deep" / "page.html"
    with HtmlViewer(path, "One") as viewer:
        viewer.add(make_frame(hands))
    frame = frames_of(path)[0]
    assert frame["source"] == "clip.mp4"  # not the folders of whoever made it
    assert frame["intrinsics"] == "assumed"
    record = frame["hands"][0]
    assert record["presence"] == ["yes", "no"]
    assert record["depth"] == "hand_size"
    assert record["root"] is None
    assert record["xyz"][21:] == [None] * 21
    assert np.allclose(record["xyz"][:21], hands.keypoints_mm[:21], atol=0.051)
    image = cv2.imdecode(np.frombuffer(base64.b64decode(frame["jpeg"]), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (480, 640, 3)
    names = common_of(path)["names"]
    assert (names[6], names[41]) == ("right index 2", "left wrist")


def test_the_page_tells_a_hand_that_was_not_shown_from_an_absent_one(tmp_path):
    """The detector found one hand, so the less probable one is "no" although its probability is high."""
    with HtmlViewer(tmp_path / "a.html", "a") as viewer:
        viewer.add(make_frame(make_hands(presence=("no", "unsure"), hand_prob=(0.63, 0.64))))
        viewer.add(make_frame(make_hands(presence=("no", "yes"), hand_prob=(0.05, 0.95))))
    assert [frame["hands"][0]["dropped"] for frame in frames_of(tmp_path / "a.html")] == [[True, False], [False, False]]


def test_the_cube_holds_every_frame(tmp_path):
    clip(path := tmp_path / "c.html", 30).close()
    common = common_of(path)
    for frame in frames_of(path):
        points = np.array(frame["hands"][0]["xyz"])
        assert (np.abs(points - common["center"]) <= common["half"]).all()
        assert (np.abs(points - frame["center"]) <= common["followHalf"]).all()
    assert common["times"] == pytest.approx(np.arange(30) / 10)


def test_a_video_is_one_stream_of_small_images(tmp_path):
    """The page contains every frame at its own time, in order and downscaled."""
    path, times = tmp_path / "c.html", [0.5, 0.54, 0.7, 1.3]
    with HtmlViewer(path, "Clip", fps=25, video=True, max_side_px=320) as viewer:
        for i, time_s in enumerate(times):
            frame = make_frame(index=i, time_s=time_s)
            frame.image[:] = 40 * i + 40
            viewer.add(frame)
    assert all("jpeg" not in frame for frame in frames_of(path))
    common = common_of(path)
    assert common["video"]
    assert common["times"] == pytest.approx([0, 0.04, 0.2, 0.8])
    packed = re.search(r'<script type="video/mp4" id="packed-video">(.*?)</script>', path.read_text(), re.DOTALL)
    with av.open(io.BytesIO(base64.b64decode(packed[1]))) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        shown = [(frame.time, frame.to_ndarray(format="bgr24")) for frame in container.decode(stream)]
    assert [time for time, _ in shown] == pytest.approx(common["times"], abs=1e-4)
    assert [image.shape for _, image in shown] == [(240, 320, 3)] * 4
    assert [image.mean() for _, image in shown] == pytest.approx([40, 80, 120, 160], abs=3)


def test_a_page_contains_all_that_it_needs(tmp_path):
    """No script, style or image comes from elsewhere, and a page of one small image is small."""
    with HtmlViewer(tmp_path / "c.html", "One") as viewer:
        viewer.add(make_frame(make_hands()))
    text = (tmp_path / "c.html").read_text()
    assert "src=" not in text
    assert "unsafe-eval" not in text
    assert len(text) < 80_000


def test_a_page_is_whole_or_absent(tmp_path):
    path = tmp_path / "c.html"
    path.write_text("the old one")
    viewer = clip(path, 3)
    assert path.read_text() == "the old one"
    viewer.close()
    viewer.close()
    assert path.read_text().rstrip().endswith("</html>")
    assert [file.name for file in tmp_path.iterdir()] == ["c.html"]
    with pytest.raises(OutputError, match="closed"):
        viewer.add(make_frame())


def test_a_run_that_stops_leaves_its_frames(tmp_path):
    def stopped():
        with HtmlViewer(path, "Stopped") as viewer:
            viewer.add(make_frame(make_hands()))
            raise KeyboardInterrupt

    path = tmp_path / "c.html"
    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert len(frames_of(path)) == 1
    assert "stopped early" in common_of(path)["summary"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/page\.html"):
        HtmlViewer(tmp_path / "file" / "page.html", "No")


def test_titles_and_names_cannot_end_the_script(tmp_path):
    path = tmp_path / "c.html"
    with HtmlViewer(path, "</title><script>alert(1)</script>") as viewer:
        viewer.add(make_frame(source="</script><script>alert(2)<!--"))
    text = path.read_text()
    assert "<script>alert" not in text
    assert frames_of(path)[0]["source"] == "script><script>alert(2)<!--"  # a path's last part


@pytest.mark.parametrize("video", [False, True])
def test_memory_stays_flat(tmp_path, video):
    viewer = clip(tmp_path / "c.html", 3, video=video)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for i in range(40):
        viewer.add(make_frame(make_hands(), index=i))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    viewer.close()
    assert after - before < 20_000  # one frame alone takes 30,000 on the page


def test_reducing_keeps_pixels_and_camera_together():
    frame = make_frame(make_hands((1500, 1001)), size=(1500, 1001))
    small = reduce_frame(frame, 400)
    assert small.image.shape == (267, 400, 3)
    camera, hands = small.intrinsics, small.hands[0]
    uv = camera_to_pixel(hands.keypoints_mm, camera.focal, camera.principal_pt)
    assert np.allclose(uv, hands.keypoints[:, :2], atol=1e-9)
    assert reduce_frame(frame, 2000) is frame


# --- in a browser ---


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    flags = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags, chromium_sandbox=False)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Open a page file; at the end nothing else may have been fetched and no error written."""
    asked, errors, contexts = [], [], []

    def go(path):
        # Small, because a processor draws it.
        context = browser.new_context(viewport={"width": 800, "height": 480}, color_scheme="light")
        context.set_default_timeout(120_000)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(path.as_uri(), timeout=120_000)
        return page

    yield go
    for context in contexts:
        context.close()
    assert not errors
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
    assert len([url for url in asked if url.startswith("file:")]) == len(contexts)


def until(page, condition: str, seconds: float = 120) -> None:
    """Wait for a condition in the page, which forbids the evaluation that Playwright's own waiting needs."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(50)


def view_of(page) -> dict:
    return page.evaluate("plot.view")


def drag(page) -> dict:
    """Turn the plot by dragging; the view afterwards."""
    box = page.locator("#plot").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 7):
        page.mouse.move(x + 15 * step, y + step)
    page.mouse.up()
    return view_of(page)


def cube_of(page) -> tuple[list, float]:
    """Center and half of the side of the plotted cube, mm."""
    return page.evaluate("[plot.center, plot.half]")


def points_of(page, side: int) -> np.ndarray:
    """Plotted joints (21, 3) of the right or the left hand, mm."""
    return np.array(page.evaluate(f"plot.joints.slice({21 * side}, {21 * side + 21}).map((joint) => joint.p)"))


@pytest.mark.parametrize("video", [False, True])
def test_the_page_turns_slides_follows_and_plays(tmp_path, open_page, video):
    clip(path := tmp_path / "c.html", 12, video=video).close()
    page = open_page(path)
    assert page.inner_text("#place") == "frame 0"
    start, cube, first = view_of(page), cube_of(page), points_of(page, 0)
    turned = drag(page)
    assert turned["azimuth"] < start["azimuth"] - 20  # the near side of the hands follows the mouse
    assert turned["elevation"] > start["elevation"]
    page.mouse.wheel(0, -300)
    until(page, "plot.view.zoom > 1.2")
    turned = view_of(page)

    page.fill("#slider", "11")
    until(page, "document.getElementById('place').textContent === 'frame 11'")
    assert view_of(page) == turned  # a frame changes points and nothing else
    assert cube_of(page) == cube
    assert np.allclose(points_of(page, 0) - first, (22.0, 0, 0), atol=0.11)

    page.check("#follow")
    assert cube_of(page)[0] == pytest.approx(frames_of(path)[11]["center"])
    page.dblclick("#plot")
    assert view_of(page) == start

    page.fill("#slider", "8")
    page.click("#play")
    until(page, "document.getElementById('slider').value === '11'")
    until(page, "document.getElementById('play').getAttribute('aria-label') === 'Play'")
    assert page.inner_text("#place") == "frame 11"


def test_a_video_shows_the_image_of_its_frame(tmp_path, open_page):
    """The frames differ in brightness, so the image tells which of them is shown."""
    with HtmlViewer(path := tmp_path / "c.html", "Clip", fps=30, video=True) as viewer:
        for i in range(70):
            frame = make_frame(index=i, time_s=i / 30)
            frame.image[:] = 3 * i + 20
            viewer.add(frame)
    page = open_page(path)
    for index in (0, 40, 69, 13):
        page.fill("#slider", str(index))
        until(page, "!clip.seeking && clip.readyState >= 2")
        level = page.evaluate(
            """() => {
              const canvas = document.createElement("canvas");
              const context = canvas.getContext("2d");
              context.drawImage(clip, 0, 0);
              return context.getImageData(5, 5, 1, 1).data[1];
            }"""
        )
        assert (level - 20) / 3 == pytest.approx(index, abs=0.9)


def color_pixels(page) -> list[np.ndarray]:
    """Pixels of each finger's color in the plot, thumb to pinky, right then left: ten times (N, 2)."""
    shot = page.locator("#plot").screenshot()
    image = cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    tips = (0, 4, 8, 12, 16, 21, 25, 29, 33, 37)
    return [np.argwhere((np.abs(image - COLORS[joint]) < 8).all(axis=-1))[:, ::-1] for joint in tips]


def test_the_plot_is_no_mirror_and_no_headstand_and_names_its_joints(tmp_path, open_page):
    hands = make_hands()
    with HtmlViewer(path := tmp_path / "c.html", "Axes") as viewer:
        viewer.add(make_frame(hands))
    page = open_page(path)
    fingers = hands.keypoints[:, :2].reshape(2, 21, 2)[:, :20].reshape(10, 4, 2).mean(axis=1)
    for view in (None, "camera"):
        if view:
            page.click(f"[data-view={view}]")
        centers = np.array([np.median(pixels, axis=0) for pixels in color_pixels(page)])
        assert np.corrcoef(centers[:, 0], fingers[:, 0])[0, 1] > 0.95  # right is right
        assert np.corrcoef(centers[:5, 1], fingers[:5, 1])[0, 1] > 0.5  # down is down
    assert np.allclose(points_of(page, 0), hands.keypoints_mm[:21], atol=0.051)
    assert np.allclose(points_of(page, 1), hands.keypoints_mm[21:], atol=0.051)

    box = page.locator("#plot").bounding_box()
    tip = page.evaluate("plot.joints[16].at")  # of the right pinky
    page.mouse.move(box["x"] + tip["x"] + 2, box["y"] + tip["y"] - 1)
    x, y, z = np.round(hands.keypoints_mm[16]).astype(int)
    assert page.inner_text("#tip").startswith(f"right pinky 4\nx {x}, y {y}, z {z} mm")
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] - 2)
    assert page.locator("#tip").is_hidden()


def test_what_is_farther_away_is_smaller_and_behind(tmp_path, open_page):
    """Seen from the side, the left hand, 40 mm farther away, is on the right; from above it is higher."""
    with HtmlViewer(path := tmp_path / "c.html", "Depth") as viewer:
        viewer.add(make_frame(make_hands()))
    page = open_page(path)
    wrists = "[plot.joints[20].at, plot.joints[41].at]"
    page.click("[data-view=camera]")
    right, left = page.evaluate(wrists)
    assert left["away"] > right["away"]
    assert left["larger"] < right["larger"]
    page.click("[data-view=side]")
    right, left = page.evaluate(wrists)
    assert left["x"] > right["x"] + 5
    page.click("[data-view=top]")
    right, left = page.evaluate(wrists)
    assert left["y"] < right["y"] - 5


def test_the_page_tells_what_is_measured_and_what_is_not(tmp_path, open_page):
    guessed = make_hands(presence=("yes", "unsure"), hand_prob=(0.98, 0.55), depth_source="hand_size", track_ids=(4, 7))
    given = replace(make_hands(), rel_root_depth_mm=-12.4)
    path = tmp_path / "c.html"
    with HtmlViewer(path, "Told") as viewer:
        viewer.add(make_frame(guessed, given, source="a.jpg"))
        viewer.add(make_frame(given, source="b.jpg", intrinsics="user"))
        viewer.add(make_frame(source="c.jpg"))
    page = open_page(path)
    assert page.inner_text("#place") == "1 of 3 · a.jpg"
    cards = page.locator(".crop").all_inner_texts()
    assert len(cards) == 2
    assert "unsure, shown faint · track #7 · probability 0.55" in cards[0]
    assert "the left one 40 mm behind the right one" in cards[0]
    assert "from an average hand, not measured" in cards[0]
    assert page.inner_text("#scale") == "scale from an average hand, not measured"
    assert "the left one 12 mm in front of the right one" in cards[1]
    assert "camera space, mm; the depth was given" in cards[1]
    assert "assumed, not measured" in page.inner_text("#notes")
    page.fill("#slider", "1")
    until(page, "document.getElementById('place').textContent.endsWith('b.jpg')")
    assert "528 × 528 px, given" in page.inner_text("#notes")
    page.fill("#slider", "2")
    until(page, "!document.getElementById('empty').hidden")
    assert page.locator(".crop").count() == 0
    fits_a_phone_by_day_and_night(page)


def fits_a_phone_by_day_and_night(page):
    page.set_viewport_size({"width": 390, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    image, plot = (page.locator(name).bounding_box() for name in ("#image-box", "#plot-box"))
    assert plot["y"] >= image["y"] + image["height"]  # below one another
    grid = "plot.colors.grid"
    day, back = page.evaluate(grid), page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != back
    until(page, f"{grid} !== '{day}'")  # the plot follows


def test_a_page_without_frames_says_so(tmp_path, open_page):
    HtmlViewer(tmp_path / "c.html", "Nothing").close()
    page = open_page(tmp_path / "c.html")
    assert "Nothing was added" in page.inner_text("#message")
