"""The class and the config of docs/how-to/dataset.md train, test and can be overridden, as the page says."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest

from interhand_mm.apis.test import run_test
from interhand_mm.apis.train import train
from interhand_mm.registry import DATASETS
from interhand_mm.structures.joints import FINGERS, HAND_JOINT_NAMES
from interhand_mm.utils.config import load_config
from tests.conftest import ROOT
from tests.fixtures.tiny_sets import in_order, write

SMALL = [
    "model.backbone.depth=18", "model.backbone.init_cfg=None", "model.head.in_channels=512",
    "model.head.deconv_channels=8",
    "codec.input_size=(64,64)", "codec.heatmap_size=(16,16,16)", "codec.sigma=1.0",
    "train_dataloader.batch_size=4", "train_dataloader.num_workers=0", "train_dataloader.persistent_workers=False",
    "test_dataloader.num_workers=0", "test_dataloader.dataset.split=train", "train_cfg.max_epochs=1",
]  # fmt: skip
NAMES = ["wrist", *(f"{finger}{digit}" for finger in FINGERS for digit in (1, 2, 3, 4))]


def write_coco(root, hands, with_depth):
    """Write rendered hands as the page describes its files."""
    images, records = [], []
    for i, hand in enumerate(hands):
        height, width = hand.image.shape[:2]
        write(root / "images" / f"{i}.png", hand.image)
        images.append(
            dict(id=i, file_name=f"{i}.png", width=width, height=height,
                 focal=hand.focal.tolist(), principal_pt=hand.principal_pt.tolist())
        )  # fmt: skip
        pixels = np.concatenate([in_order(hand.pixels, NAMES), np.full((21, 1), 2)], axis=1)
        record = dict(id=100 + i, image_id=i, category_id=1 + hand.side, keypoints=pixels.ravel().tolist())
        if with_depth:
            record["joints_cam"] = in_order(hand.joints, NAMES).tolist()
        records.append(record)
    categories = [dict(id=1, name="right"), dict(id=2, name="left")]
    path = root / "annotations" / "train.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(dict(images=images, annotations=records, categories=categories)))
    return root


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Save the page's two Python blocks as the page says; return the config's path."""
    folder = tmp_path_factory.mktemp("page")
    code, config = re.findall(r"```python\n(.*?)```", (ROOT / "docs/how-to/dataset.md").read_text(), re.DOTALL)
    (folder / "my_hands.py").write_text(code)
    path = folder / "internet_my_hands.py"
    path.write_text(config.replace('"internet.py"', repr(str(ROOT / "configs/internet.py"))))
    sys.path.insert(0, str(folder))
    yield path
    sys.path.remove(str(folder))
    DATASETS.module_dict.pop("MyHandDataset", None)
    sys.modules.pop("my_hands", None)


def test_the_page_trains_and_tests(page, tmp_path, rendered_hands):
    root = write_coco(tmp_path / "data", rendered_hands, with_depth=True)
    options = [*SMALL, f"data_root={root}", f"work_dir={tmp_path / 'work'}"]
    train(load_config(page, options))
    report = run_test(load_config(page, options), str(tmp_path / "work/epoch_1.pth"))
    assert {"EPE", "HandednessAccuracy"} <= set(report["metrics"])
    assert report["counts"]["hand_types"] == len(rendered_hands)


@pytest.mark.parametrize("with_depth", [True, False])
def test_the_page_reads_the_joints(page, tmp_path, rendered_hands, with_depth):
    root = write_coco(tmp_path / "data", rendered_hands, with_depth)
    cfg = load_config(page, [f"data_root={root}", f"train_dataloader.dataset.depth={with_depth}"])
    dataset = DATASETS.build({**cfg.train_dataloader.dataset, "pipeline": []})
    assert len(dataset) == len(rendered_hands)
    for i, hand in enumerate(rendered_hands):
        sample = dataset.get_data_info(i)
        own = slice(0, 21) if hand.side == 0 else slice(21, 42)
        np.testing.assert_allclose(sample["keypoints"][0, own, :2], hand.pixels, atol=1e-2)
        assert sample["depth_valid"] == with_depth
        assert sample["hand_type"][0, hand.side] == 1
        if with_depth:
            np.testing.assert_allclose(sample["keypoints_cam"][0, own], hand.joints, rtol=1e-5)
    assert HAND_JOINT_NAMES[-1] == "wrist"
