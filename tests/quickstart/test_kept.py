"""Results of earlier runs are kept only if they were made by the same code, of the same data, with the same options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from interhand_mm.errors import ConfigError
from interhand_mm.quickstart import photographs
from interhand_mm.quickstart.data import data_options, make_data
from interhand_mm.quickstart.settings import Settings, is_kept
from interhand_mm.synthesis.chunks import claim_folder
from interhand_mm.synthesis.plan import SynthesisOptions
from interhand_mm.utils.files import write_json


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a run whose data set seems complete."""
    made = Settings(out=tmp_path / "out", data=tmp_path / "data", num=16)
    claim_folder(made.data, data_options(made))
    write_json(made.data / "report.json", {})
    return made


def test_data_of_other_code_or_seed_are_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="other options"):
        make_data(replace(settings, seed=4), print)
    monkeypatch.setattr(SynthesisOptions, "VERSION", 99)
    with pytest.raises(ConfigError, match="another version of the generator"):
        make_data(settings, print)


def test_a_result_of_other_data_is_replaced_and_the_log_says_why(settings: Settings) -> None:
    lines: list[str] = []
    asked = settings.asked(settings.data, amp="float32")
    assert is_kept({"asked": asked}, asked, "train", lines.append)
    assert not is_kept(None, asked, "train", lines.append)
    assert lines == []
    (settings.data / "synthesis.json").write_text('{"version": 1}')
    assert not is_kept({"asked": asked}, settings.asked(settings.data, amp="float32"), "train", lines.append)
    assert not is_kept({"asked": asked}, {**asked, "seed": 4}, "train", lines.append)
    assert ["other made" in lines[0], "other seed" in lines[1]] == [True, True]


def test_photographs_made_in_another_way_are_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "read_image", lambda path: np.zeros((40, 40, 3), np.uint8))
    monkeypatch.setattr(photographs, "CROPS_PER_PHOTO", {"train": 2, "test": 1})
    lines: list[str] = []
    first = photographs.write_photographs(tmp_path, 0, lines.append)
    assert photographs.write_photographs(tmp_path, 0, lines.append) == first
    assert lines == []
    (tmp_path / "train" / "of_an_earlier_run.jpg").write_bytes(b"")
    monkeypatch.setattr(photographs, "VERSION", 99)
    photographs.write_photographs(tmp_path, 0, lines.append)
    assert len(lines) == 1
    assert not (tmp_path / "train" / "of_an_earlier_run.jpg").exists()
