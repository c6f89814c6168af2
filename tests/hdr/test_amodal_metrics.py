"""Amodal metrics against planted errors worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator

from interhand_mm.errors import EvaluationError
from interhand_mm.hdr.evaluation import AmodalIoU, HandEPE, RestorationScore
from interhand_mm.hdr.evaluation.functional import bone_scaled, image_scores, image_sums


def masks_of(*rows) -> np.ndarray:
    return np.array(rows, np.uint8)[:, None]


TRUTH = masks_of([1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0], [0, 0, 1, 1, 1, 0])
GUESS = masks_of([1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 0])


def mask_sample(predicted=GUESS, truth=TRUTH, valid=(1, 1, 1, 1)) -> dict:
    return {"sample_idx": 0, "masks": truth, "pred_masks": predicted, "masks_valid": np.array(valid, np.float32)}


def run(metric, samples) -> dict:
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def test_iou_of_masks_and_of_the_hidden_part():
    numbers = run(AmodalIoU(), [mask_sample()])
    assert numbers["IoU/right_amodal"] == pytest.approx(3 / 4)
    assert numbers["mIoU/right_amodal"] == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert numbers["IoU/right_visible"] == 1
    assert numbers["IoU/left_amodal"] == pytest.approx(3 / 4)
    assert numbers["IoU_hidden/right"] == pytest.approx(1 / 2)  # pixel 2 of pixels 2 and 3
    assert numbers["IoU_hidden/left"] == 0  # pixel 5 was called hidden, nothing is


def test_pixels_are_pooled_and_unknown_masks_left_out():
    perfect = mask_sample(predicted=TRUTH)
    unknown = mask_sample(predicted=1 - TRUTH, valid=(0, 1, 0, 1))
    unknown["pred_masks"] = np.where(np.array([0, 1, 0, 1])[:, None, None], TRUTH, 1 - TRUTH)
    together = run(AmodalIoU(), [mask_sample(), perfect, unknown])
    assert together["IoU/right_amodal"] == pytest.approx(7 / 8)
    assert together["IoU/right_visible"] == 1
    assert together["IoU_hidden/right"] == pytest.approx(3 / 4)
    split = AmodalIoU()
    for sample in (mask_sample(), perfect, unknown):
        split.process(None, [sample])
    assert split.evaluate(3) == pytest.approx(together, nan_ok=True)


def test_empty_masks_have_no_iou_and_full_ones_do():
    empty, full = np.zeros((4, 3, 3), np.uint8), np.ones((4, 3, 3), np.uint8)
    numbers = run(AmodalIoU(), [mask_sample(empty, empty)])
    assert all(np.isnan(v) for name, v in numbers.items() if "IoU" in name)
    assert run(AmodalIoU(), [mask_sample(full, full)])["IoU/left_visible"] == 1
    assert run(AmodalIoU(), [mask_sample(empty, full)])["IoU/left_visible"] == 0


def test_hands_that_are_not_there():
    right_alone = TRUTH.copy()
    right_alone[2:] = 0
    clean, phantom = mask_sample(right_alone, right_alone), mask_sample(GUESS, right_alone)
    unknown = mask_sample(GUESS, right_alone, valid=(1, 1, 0, 0))
    metric = AmodalIoU()
    numbers = run(metric, [clean, phantom, phantom, unknown])
    assert numbers["Phantom/left"] == pytest.approx(2 / 3)
    assert np.isnan(numbers["Phantom/right"])  # every image shows that hand
    assert metric.details["counts"]["absent_hands"] == 3
    assert run(AmodalIoU(phantom_area=0.7), [phantom])["Phantom/left"] == 0  # 4 of 6 pixels


def test_mask_baselines_by_hand():
    amodal = np.zeros((5, 5), np.uint8)
    amodal[0, :], amodal[:, 0] = 1, 1  # an L; its hull is a triangle of 15 pixels
    visible = amodal.copy()
    visible[0, 1:4] = 0  # hidden, and inside the hull of what is left
    other = np.zeros((5, 5), np.uint8)
    sample = mask_sample(None, np.stack([amodal, visible, other, other]))
    numbers = run(AmodalIoU(baseline="visible"), [sample])
    assert numbers["IoU_hidden/right"] == 0
    assert numbers["IoU/right_amodal"] == pytest.approx(6 / 9)
    assert numbers["IoU/right_visible"] == 1
    numbers = run(AmodalIoU(baseline="hull"), [sample])
    assert numbers["IoU/right_amodal"] == pytest.approx(9 / 15)
    assert numbers["IoU_hidden/right"] == pytest.approx(3 / 9)  # of the hull's 15 pixels 6 are visible
    with pytest.raises(EvaluationError, match="visible, hull"):
        AmodalIoU(baseline="mean")


def test_predictions_of_another_size_are_refused():
    with pytest.raises(EvaluationError, match="pred_masks"):
        run(AmodalIoU(), [mask_sample(np.zeros((4, 2, 2)))])
    sample = mask_sample()
    del sample["pred_masks"]
    with pytest.raises(EvaluationError, match="no 'pred_masks'"):
        run(AmodalIoU(), [sample])


SIZE = 32


def image_sample(target: int = 0, off: float = 10.0) -> dict:
    """Target on rows 8..23, hidden on columns 0..7; other hand on columns 0..7; output is `off` too bright."""
    masks = np.zeros((4, SIZE, SIZE), np.uint8)
    masks[0, 8:24], masks[2, :, :8] = 1, 1
    masks[1], masks[3] = masks[0] * (1 - masks[2]), masks[2]
    if target:
        masks = masks[[2, 3, 0, 1]]
    clean = np.zeros((2, 3, SIZE, SIZE), np.uint8)
    rng = np.random.default_rng(0)
    clean[target] = rng.integers(60, 180, (3, SIZE, SIZE))
    image = np.where((masks[3 - 2 * target] > 0), 0, clean[target]).astype(np.uint8)
    valid = np.zeros(2)
    valid[target] = 1
    return {
        "sample_idx": 0, "target": target, "masks": masks, "masks_valid": np.ones(4), "clean": clean,
        "clean_valid": valid, "image": image, "pred_clean": clean[target] + off,
    }  # fmt: skip


@pytest.mark.parametrize("target", [0, 1])
def test_a_constant_error_gives_its_l1_and_psnr(target):
    metric = RestorationScore()
    numbers = run(metric, [image_sample(target)])
    for region in ("hole", "removal", "edited", "hand"):
        assert numbers[f"L1_restored/{region}"] == pytest.approx(10)
        assert numbers[f"PSNR_restored/{region}"] == pytest.approx(20 * np.log10(25.5))
    assert numbers["L1_composite/hole"] == pytest.approx(10)
    # A quarter of the hand was hidden: composed, only that quarter is wrong.
    assert numbers["L1_composite/hand"] == pytest.approx(2.5)
    assert numbers["PSNR_composite/hand"] == pytest.approx(10 * np.log10(255**2 / 25))
    assert numbers["SSIM_composite/hand"] > numbers["SSIM_restored/hand"]
    assert metric.details["counts"] == {
        "hole_pixels": 128, "removal_pixels": 128, "edited_pixels": 256, "hand_pixels": 512, "samples": 1, "skipped": 0
    }  # fmt: skip


def test_dilation_and_the_networks_own_region():
    dilated = run(RestorationScore(dilation_px=9), [image_sample()])
    assert dilated["L1_composite/hand"] == pytest.approx(10 * (8 + 4) / 32)  # the hole grows by four columns
    sample = {**image_sample(), "pred_edited": np.zeros((SIZE, SIZE))}
    untouched = run(RestorationScore(edited="pred"), [sample])
    assert untouched["L1_composite/hole"] == pytest.approx(sample["clean"][0][:, 8:24, :8].mean())
    with pytest.raises(EvaluationError, match="truth or pred"):
        RestorationScore(edited="both")


def planar_sample() -> dict:
    """Hand of one color on a ground of one color: either baseline knows the answer in part."""
    sample = image_sample()
    hand, ground = np.array([50, 100, 200])[:, None, None], np.array([10, 20, 30])[:, None, None]
    clean = np.where(sample["masks"][0] > 0, hand, ground).astype(np.uint8)
    sample["clean"] = np.stack([clean, clean])
    sample["image"] = np.where(sample["masks"][3] > 0, 255, clean).astype(np.uint8)
    del sample["pred_clean"]  # not asked for
    return sample


def test_fill_baselines_by_hand():
    numbers = run(RestorationScore(baseline="mean", prefix="mean"), [planar_sample()])
    assert numbers["mean/L1_composite/edited"] == 0  # each part in its own color
    stripes = planar_sample()
    stripes["image"][:, 8:16, 8:] += 20  # half of what shows of the hand is brighter by 20
    numbers = run(RestorationScore(baseline="mean"), [stripes])
    assert numbers["L1_composite/hole"] == pytest.approx(10)
    assert numbers["L1_composite/removal"] == 0
    # Telea carries colors on from where they border on the hole: exact far from where the two meet.
    numbers = run(RestorationScore(baseline="telea"), [planar_sample()])
    assert 0 < numbers["L1_composite/edited"] < 20
    with pytest.raises(EvaluationError, match="mean, telea"):
        RestorationScore(baseline="hull")


@pytest.mark.parametrize("baseline", ["mean", "telea"])
def test_fills_of_images_all_hand_or_all_hole(baseline):
    everything = planar_sample()
    everything["masks"] = np.stack([np.ones((SIZE, SIZE)), np.zeros((SIZE, SIZE))] * 2).astype(np.uint8)
    numbers = run(RestorationScore(baseline=baseline), [everything])  # nothing is left to take a color from
    assert np.isfinite(numbers["L1_composite/hole"])
    untouched = planar_sample()
    untouched["masks"] = np.zeros_like(untouched["masks"])
    assert np.isnan(run(RestorationScore(baseline=baseline), [untouched])["L1_composite/edited"])


def test_exact_images_and_images_without_a_hand():
    exact = run(RestorationScore(), [image_sample(off=0.0)])
    assert exact["L1_restored/hand"] == 0
    assert exact["PSNR_restored/hand"] == np.inf
    assert exact["SSIM_restored/hand"] == pytest.approx(1)
    nothing = image_sample()
    nothing["masks"] = np.zeros_like(nothing["masks"])
    assert all(np.isnan(v) for v in run(RestorationScore(), [nothing]).values())
    unknown = {**image_sample(), "clean_valid": np.zeros(2)}
    assert all(np.isnan(v) for v in run(RestorationScore(), [unknown]).values())


def test_ssim_is_that_of_the_library():
    from skimage.metrics import structural_similarity

    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 255, (2, 24, 24, 3)).astype(np.uint8)
    b = (a // 2 + b // 2).astype(np.uint8)
    sums = image_sums(a, b, np.ones((24, 24)))
    _, full = structural_similarity(
        a, b, channel_axis=-1, data_range=255, gaussian_weights=True, use_sample_covariance=False, full=True
    )
    assert image_scores(sums)["SSIM"] == pytest.approx(full.mean())
    assert image_scores(sums)["L1"] == pytest.approx(np.abs(a.astype(float) - b).mean())


def truth_hands() -> np.ndarray:
    joints = np.random.default_rng(2).normal(size=(42, 3)) * 30
    joints[11], joints[20] = (0, -90, 800), (0, 0, 800)  # the right reference bone is 90 mm
    joints[32], joints[41] = (50, -80, 900), (50, 0, 900)
    return joints


def pose_sample(joints, visible=None, hand_type=(1, 1)) -> dict:
    return {
        "sample_idx": 0,
        "pred_instances": {"keypoints_mm": joints[None]},
        "gt_instances": {
            "keypoints_cam": truth_hands()[None],
            "keypoints_visible": (np.ones(42) if visible is None else visible)[None],
            "hand_type": np.array([hand_type], float),
        },
    }


def test_alignment_by_hand():
    truth = truth_hands()
    numbers = run(HandEPE(), [pose_sample(truth + 100)])
    assert numbers["EPE_root/all"] == pytest.approx(0, abs=1e-9)
    # Each hand half as large, somewhere else: the second alignment undoes it, the first does not.
    wrists = truth[[20] * 21 + [41] * 21]
    numbers = run(HandEPE(), [pose_sample((truth - wrists) / 2 + 7)])
    halves = np.linalg.norm(truth - wrists, axis=-1).mean() / 2
    assert numbers["EPE_root/interacting"] == pytest.approx(halves)
    assert numbers["EPE_root_bone/all"] == pytest.approx(0, abs=1e-4)
    assert np.isnan(numbers["EPE_root/single"])
    # One fingertip 42 mm off: 1 mm over 42 joints, whatever the alignment.
    moved = truth.copy()
    moved[0] += (0, 42, 0)
    numbers = run(HandEPE(), [pose_sample(moved)])
    assert numbers["EPE_root/all"] == pytest.approx(1)
    assert numbers["EPE_root_bone/all"] == pytest.approx(1, abs=1e-6)


def test_the_published_formula_with_its_epsilon():
    truth = np.array([[[0, 0, 0], [0, 2, 0.0]]])
    joints = np.array([[[5, 5, 5], [5, 5, 5.0]]])  # a hand shrunk to a point stays one
    np.testing.assert_allclose(bone_scaled(joints, truth, 0, 1), np.zeros((1, 2, 3)))
    joints[0, 1] = (5, 6, 5)
    np.testing.assert_allclose(bone_scaled(joints, truth, 0, 1)[0, 1], (0, (2 + 1e-6) / (1 + 1e-6), 0))


def test_hands_without_wrist_or_reference_do_not_count():
    truth, visible = truth_hands(), np.ones(42)
    visible[11] = 0  # right reference joint
    visible[41] = 0  # left wrist
    metric = HandEPE()
    numbers = run(metric, [pose_sample(truth * 2, visible, (1, 0))])
    assert np.isnan(numbers["EPE_root_bone/all"])
    wrong = np.linalg.norm(truth - truth[20], axis=-1)[:21]
    assert numbers["EPE_root/single"] == pytest.approx(np.delete(wrong, 11).mean())
    assert metric.details["counts"]["joints"] == 20


def test_keypoints_are_lifted_where_no_joints_are_given():
    truth = truth_hands()
    focal, center = np.array([1000.0, 1000.0]), np.array([128.0, 128.0])
    truth[:, 2] += 2000
    uv = truth[:, :2] / truth[:, 2:] * focal + center
    depth = truth[:, 2] - truth[[20] * 21 + [41] * 21, 2]
    sample = pose_sample(truth)
    sample["gt_instances"]["keypoints_cam"] = truth[None]
    sample["pred_instances"] = {"keypoints": np.column_stack([uv, depth])[None]}
    sample.update(abs_depth=truth[[20, 41], 2], focal=focal, principal_pt=center)
    numbers = run(HandEPE(), [sample])
    assert numbers["EPE_root/all"] == pytest.approx(0, abs=1e-4)
    assert numbers["EPE_root_bone/all"] == pytest.approx(0, abs=1e-4)


def test_one_hand_in_bone_units_has_the_published_number_alone():
    truth = truth_hands()[:21]
    sample = pose_sample(truth_hands())
    sample["gt_instances"].update(keypoints_cam=truth[None], keypoints_visible=np.ones((1, 21)))
    norm = (truth - truth[20]) / 90
    norm[0] += (0, 0, 0.7)  # 63 mm
    sample["pred_instances"] = {"keypoints_norm": torch.from_numpy(norm)[None]}
    numbers = run(HandEPE(), [sample])
    assert np.isnan(numbers["EPE_root/all"])
    assert numbers["EPE_root_bone/interacting"] == pytest.approx(63 / 21, abs=0.01)  # 1e-6 on a bone of length 1
    sample["pred_instances"] = {"keypoints_norm": norm[None, :20]}
    with pytest.raises(EvaluationError, match="keypoints_norm"):
        run(HandEPE(), [sample])


def test_packed_samples_go_through_mmengines_evaluator():
    from mmengine.structures import BaseDataElement

    sample = image_sample()
    element = BaseDataElement(
        metainfo={"sample_idx": 0, "target": 0},
        **{k: torch.as_tensor(v) for k, v in sample.items() if k not in ("sample_idx", "target")},
        pred_masks=torch.as_tensor(sample["masks"]),
    )
    evaluator = Evaluator([AmodalIoU(), RestorationScore()])
    evaluator.process(data_samples=[element])
    numbers = evaluator.evaluate(1)
    assert numbers["IoU/right_amodal"] == 1
    assert numbers["L1_restored/hole"] == pytest.approx(10)
