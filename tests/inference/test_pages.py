"""The 3D pages of images and of long videos."""

from __future__ import annotations

import json
import os
import re

import pytest

from interhand_mm.errors import ConfigError
from interhand_mm.inference.io import pages
from interhand_mm.inference.io.outputs import make_writers
from interhand_mm.inference.io.pages import HtmlWriter
from interhand_mm.inference.options import OutputOptions
from tests.fixtures.frames import make_frame, make_hands
from tests.inference.test_inferencer import Clip
from tests.visualization.test_html import browser, common_of, frames_of

__all__ = ["browser"]  # a fixture


def write(path, times, output=None, complete=True):
    """Write the pages of a video whose frames have these times."""
    writer = HtmlWriter(output or OutputOptions())
    writer.open(path, "clip.mp4", Clip([]))
    for i, time_s in enumerate(times):
        frame = make_frame(make_hands((64, 48)), size=(64, 48), index=i, time_s=time_s)
        writer.add(frame, frame.image)
    writer.close(complete)
    return sorted(file.name for file in path.parent.iterdir())


def list_of(path) -> list[dict]:
    text = path.read_text()
    assert text.startswith("var viewerPages = ")
    return json.loads(text.removeprefix("var viewerPages = ").rstrip(";\n"))


def test_up_to_a_minute_is_one_page_that_needs_no_other_file(tmp_path):
    assert write(tmp_path / "clip.html", [0.0, 30.0, 59.9]) == ["clip.html"]
    assert len(frames_of(tmp_path / "clip.html")) == 3
    assert common_of(tmp_path / "clip.html")["page"] is None
    assert "src=" not in (tmp_path / "clip.html").read_text()


def test_a_long_video_gets_a_page_a_minute_with_every_frame(tmp_path):
    times = [10.0 * i for i in range(14)]  # two minutes and ten seconds
    assert write(tmp_path / "my clip.v2.html", times) == [
        "my clip.v2.html", "my clip.v2.page002.html", "my clip.v2.page003.html", "my clip.v2.pages.js",
    ]  # fmt: skip
    listed = list_of(tmp_path / "my clip.v2.pages.js")
    assert [page["start"] for page in listed] == [0, 60, 120]
    assert [page["href"] for page in listed][:2] == ["./my%20clip.v2.html", "./my%20clip.v2.page002.html"]
    found = [frames_of(tmp_path / f"my clip.v2{name}.html") for name in ("", ".page002", ".page003")]
    assert [frame["index"] for frames in found for frame in frames] == list(range(14))
    second = common_of(tmp_path / "my clip.v2.page002.html")
    assert second["page"] == 1
    assert second["times"][0] == 0
    assert "stopped" not in second["summary"]


def test_many_frames_a_second_make_shorter_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "PAGE_FRAMES", 4)
    write(tmp_path / "clip.html", [i / 240 for i in range(10)])
    assert [len(frames_of(tmp_path / f"clip{name}.html")) for name in ("", ".page002", ".page003")] == [4, 4, 2]


def test_only_the_last_page_of_a_run_that_stopped_says_so(tmp_path):
    write(tmp_path / "clip.html", [0.0, 61.0], complete=False)
    assert "stopped" not in common_of(tmp_path / "clip.html")["summary"]
    assert "stopped early" in common_of(tmp_path / "clip.page002.html")["summary"]


def test_a_range_is_shown_at_the_full_frame_rate(tmp_path):
    times = [i / 10 for i in range(1000)]
    write(tmp_path / "clip.html", times, OutputOptions(html_range=(70.0, 72.0)))
    assert [frame["index"] for frame in frames_of(tmp_path / "clip.html")] == list(range(700, 721))


def test_a_range_without_frames_is_named(tmp_path, monkeypatch):
    logged = []
    monkeypatch.setattr(pages, "print_log", lambda message, *_: logged.append(message))
    write(tmp_path / "clip.html", [0.0, 1.0], OutputOptions(html_range=(70.0, 72.0)))
    assert frames_of(tmp_path / "clip.html") == []
    assert "no frame lies between 70 and 72 s" in logged[0]


def test_a_range_of_images_is_refused():
    with pytest.raises(ConfigError, match="needs a video"):
        make_writers(OutputOptions(html_range=(0, 1)), "images", False, {})


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such names")
def test_names_that_are_not_utf8_are_linked(tmp_path):
    write(tmp_path / os.fsdecode(b"\xca.html"), [0.0, 60.0])
    assert list_of(tmp_path / os.fsdecode(b"\xca.pages.js"))[1]["href"] == "./%CA.page002.html"


def test_pages_link_to_each_other_in_a_browser(tmp_path, browser):
    write(tmp_path / "clip.html", [0.0, 1.0, 60.0, 120.0])
    page = browser.new_context(viewport={"width": 800, "height": 480}).new_page()
    page.set_default_timeout(120_000)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "clip.html").as_uri(), timeout=120_000)
    assert page.locator("#pages a").all_inner_texts() == ["next ›"]
    assert page.locator("#pages option").all_inner_texts() == ["from 0:00", "from 1:00", "from 2:00"]
    page.click("#pages a")
    page.wait_for_url(re.compile(r"page002\.html$"))
    assert page.inner_text("#place") == ""  # a single frame
    assert page.locator("#pages a").all_inner_texts() == ["‹ previous", "next ›"]
    page.select_option("#pages select", label="from 2:00")
    page.wait_for_url(re.compile(r"page003\.html$"))
    (tmp_path / "clip.pages.js").unlink()
    page.goto((tmp_path / "clip.html").as_uri(), timeout=120_000)
    assert page.inner_text("#place") == "frame 0 · 0.00 s"  # a page works alone
    assert page.locator("#pages").is_hidden()
    assert not errors
