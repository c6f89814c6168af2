"""`strict='skip'`: what is left out is counted, said and limited."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from interhand_mm.datasets.skipping import SkipLimit, missing_folder
from interhand_mm.engine.hooks import SkipReportHook
from interhand_mm.errors import ImageError


def test_the_missing_folder_is_the_topmost(tmp_path):
    assert missing_folder(tmp_path / "images" / "train" / "a.jpg") == str(tmp_path / "images")
    assert missing_folder(tmp_path / "a.jpg") is None


def test_five_percent_of_the_first_thousand_may_be_left_out(tmp_path):
    limit = SkipLimit()
    for i in range(1000):
        limit.count("broken" if i % 20 == 0 else "", str(tmp_path / "a.jpg"))
    for _ in range(500):  # later ones are counted, but do not stop the run
        limit.count("broken", str(tmp_path / "a.jpg"))
    assert (limit.seen, limit.skipped) == (1500, 550)


def count_all(reason, paths):
    limit = SkipLimit()
    limit.count("", "a.jpg")
    for path in paths:
        limit.count(reason, str(path))


def test_a_missing_folder_stops_the_run_at_once(tmp_path):
    with pytest.raises(ImageError, match="51 of the first 52") as caught:
        count_all("image cannot be read", [tmp_path / "images" / "train" / f"{i}.jpg" for i in range(99)])
    assert caught.value.got == f"the folder {tmp_path / 'images'} does not exist"
    with pytest.raises(ImageError) as caught:
        count_all("image is cut short: a.jpg\nmore", [tmp_path / "a.jpg"] * 60)
    assert caught.value.got == "for example: image is cut short: a.jpg"


def test_the_first_sample_is_said_at_once(caplog):
    runner = SimpleNamespace(logger=logging.getLogger("skips"), epoch=0, iter=0)
    hook = SkipReportHook()
    batch = {"data_samples": [{"skipped": ""}, {"skipped": "image is cut short: a.jpg", "img_path": "a.jpg"}]}
    with caplog.at_level(logging.WARNING):
        hook.after_train_iter(runner, 0, batch)
        assert caplog.messages == ["training: a sample is left out: image is cut short: a.jpg"]
        hook.after_train_iter(runner, 1, batch)
        assert len(caplog.messages) == 1
        hook.after_train_epoch(runner)
    assert caplog.messages[1].startswith("training epoch 1: 2 samples were left out")
