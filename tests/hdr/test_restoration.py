"""Segmentor and inpaintor together on a miniature of AIH, with planted networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from interhand_mm.hdr.data import AIHDataset
from interhand_mm.hdr.evaluate_chain import HandRestorer, view_pairs
from interhand_mm.hdr.models import HandInpaintor, HandSegmentor
from tests.fixtures.tiny_aih import write_aih_render

MEAN = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True)


@pytest.fixture
def views(tmp_path) -> AIHDataset:
    root = write_aih_render(tmp_path, num=2)
    return AIHDataset(str(root), part="render", pipeline=[dict(type="LoadAIH"), dict(type="MirrorHands")])


@pytest.fixture
def restorer() -> HandRestorer:
    init_default_scope("interhand_mm")
    torch.manual_seed(0)
    segmentor = HandSegmentor(
        dict(type="MixVisionTransformer", size="b0"),
        dict(type="AmodalMaskHead", channels=8),
        dict(type="ImgDataPreprocessor", **MEAN),
    )
    inpaintor = HandInpaintor(
        dict(type="PartialConvUNet", base_channels=4, depth=4),
        dilation=5,
        data_preprocessor=dict(type="InpaintPreprocessor", **MEAN),
    )
    return HandRestorer(segmentor.eval(), inpaintor.eval(), 64, 64)


def test_views_are_paired(views):
    assert view_pairs(views) == [(0, 2), (1, 3)]


def test_predicted_masks_have_the_images_pixels(restorer, views):
    masks = np.zeros((4, 64, 64), np.float32)
    masks[0, 16:32, 8:40] = 1
    restorer.segmentor.probabilities = lambda inputs: torch.from_numpy(masks)[None]
    found = restorer.masks(views[0]["img"])
    assert found.shape == (4, 256, 256)
    rows, columns = np.flatnonzero(found[0].any(1)), np.flatnonzero(found[0].any(0))
    # Four pixels a pixel, whose centers are whole numbers in either: 15.5 is 62, 31.5 is 126.
    assert [rows[0], rows[-1], columns[0], columns[-1]] == pytest.approx([62, 126, 30, 158], abs=1)
    assert not found[1:].any()


def test_perfect_masks_and_a_perfect_painter_score_perfectly(restorer, views):
    by_image = {views[i]["img"].tobytes(): views[i]["masks"] for i in range(len(views))}
    restorer.masks = lambda image: by_image[image.tobytes()]

    def paint(inputs, target_valid, other_valid, target_modal, background_modal):
        return restorer.truth

    def restore(sample, masks=None):
        packed = restorer.pack.transform(restorer.crop.transform(dict(sample)))
        gt = restorer.inpaintor.data_preprocessor({k: [packed[k]] for k in packed})["gt"]
        restorer.truth = gt
        return plain(sample, masks)

    plain, restorer.restore, restorer.inpaintor.paint = restorer.restore, restore, paint
    numbers = restorer.evaluate(views)
    assert numbers["IoU/right_amodal"] == 1
    assert numbers["IoU_hidden/right"] == 1
    assert numbers["L1_composite/edited"] == pytest.approx(0, abs=1e-3)
    assert numbers["PSNR_composite/hole"] > 60
    # The same painter behind masks that find nothing leaves the other hand where it is.
    restorer.masks = lambda image: np.zeros((4, 256, 256), np.uint8)
    nothing = restorer.evaluate(views)
    assert nothing["IoU/right_amodal"] == 0
    assert nothing["L1_composite/edited"] > 10
    assert nothing["L1_restored/edited"] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("fill", [0, 1])
def test_images_are_drawn_whatever_was_predicted(restorer, views, fill):
    restorer.masks = lambda image: np.full((4, 256, 256), fill, np.uint8)
    row = restorer.draw(views[0], views[2])
    assert row.shape == (192, 9 * 192, 3)
    assert restorer.sheet(views, 2, seed=0).shape[0] == 2 * (192 + 4) + 4
