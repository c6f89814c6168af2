"""`train.py --crop-cache`."""

from __future__ import annotations

import pytest

from interhand_mm.apis.train import use_crop_cache
from interhand_mm.errors import ConfigError
from interhand_mm.registry import DATASETS
from interhand_mm.utils.config import DataOptions, load_config
from tests.conftest import ROOT
from tests.fixtures.tiny import write_set


def test_the_cache_is_made_once_and_read(tmp_path):
    root = write_set(tmp_path / "tiny", num=3)
    folder = tmp_path / "a" / "crops"
    for _ in range(2):  # the second time the cache exists and the images do not
        cfg = load_config(ROOT / "configs/internet.py", [], DataOptions(data_root=str(root)))
        use_crop_cache(cfg, folder)
        for path in (root / "images").rglob("*.jpg"):
            path.unlink()
    assert cfg.val_dataloader.dataset.get("crop_cache") is None
    sample = DATASETS.build(cfg.train_dataloader.dataset)[1]
    assert sample["inputs"].float().std() > 5


def test_a_set_without_a_cache_is_named():
    cfg = load_config(ROOT / "configs/internet_rhd.py")
    with pytest.raises(ConfigError, match="does not support it") as caught:
        use_crop_cache(cfg, "somewhere")
    assert caught.value.got == "RHDDataset"
