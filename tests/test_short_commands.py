"""The short commands find what they need where the documents put it."""

from __future__ import annotations

from interhand_mm.utils.config import load_config
from tests.conftest import ROOT


def test_the_background_recipe_starts_where_the_first_training_ends_and_keeps_the_reported_epoch():
    first, second = (load_config(ROOT / f"configs/{name}.py") for name in ("internet", "internet_bgaug"))
    assert second.load_from == f"{first.work_dir}/epoch_{first.train_cfg.max_epochs}.pth"
    checkpoint = second.default_hooks.checkpoint
    assert checkpoint.max_keep_ckpts == -1  # epoch 9 of 20 is reported
    assert checkpoint.interval == 1
    assert second.data_root == "data/InterHand2.6M"
    backgrounds = [step.backgrounds for step in second.train_dataloader.dataset.pipeline if "backgrounds" in step]
    assert backgrounds == ["data/coco/train2017"]
    assert second.test_variants.augmented[0].backgrounds == "data/coco/val2017"


def test_a_file_of_the_test_lies_in_the_work_directory():
    from interhand_mm.utils.config import place_outputs

    cfg = load_config(ROOT / "configs/internet_freihand.py")
    cfg.work_dir = "elsewhere"
    place_outputs(cfg)
    assert cfg.test_evaluator[-1].out_file == "elsewhere/pred.json"
