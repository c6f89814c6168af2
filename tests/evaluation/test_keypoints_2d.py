"""PCK, AUC and EPE in pixels: planted errors with hand-computed answers."""

from __future__ import annotations

import numpy as np
import pytest

from interhand_mm.errors import DataContractError, EvaluationError
from interhand_mm.evaluation.functional.keypoints_2d import scores_2d, sums_2d
from interhand_mm.evaluation.metrics import Keypoints2D


def sample(errors, hand=(1, 0), joints=21, visible=None, index=0):
    """One sample whose joint j is off by errors[j] px to the right; its hand's tight box is 100 x 60 px."""
    truth = np.zeros((1, 42, 3))
    slots = slice(0, 21) if hand[0] else slice(21, 42)
    truth[0, slots, 0] = np.linspace(50, 150, 21)
    truth[0, slots, 1] = np.linspace(20, 80, 21)
    truth[0, slots, 2] = 1e6  # depth plays no part
    predicted = truth.copy()
    predicted[0, slots, 0] += errors
    seen = np.zeros((1, 42))
    seen[0, slots] = 1 if visible is None else visible
    return {
        "img_path": f"{index}.jpg",
        "gt_instances": {"keypoints": truth, "keypoints_visible": seen, "hand_type": np.array([hand]),
                         "bboxes": np.array([[0.0, 0, 300, 200]])},
        "pred_instances": {"keypoints": predicted if joints == 42 else predicted[:, slots, :2]},
    }  # fmt: skip


def evaluate(samples, **options):
    metric = Keypoints2D(**options)
    for part in samples:
        metric.process(None, [part])
    return metric.evaluate(len(samples))


def test_perfect():
    assert evaluate([sample(np.zeros(21))]) == {"PCK@0.2": 1.0, "AUC": 19 / 20, "EPE_px": 0.0}


@pytest.mark.parametrize(("hand", "joints"), [((1, 0), 21), ((0, 1), 21), ((0, 1), 42)])
def test_planted_errors(hand, joints):
    # Seven joints each: exact, 10 px off, 25 px off; the tight box's longer side is 100 px, so 0.2 are 20 px.
    errors = np.repeat([0.0, 10.0, 25.0], 7)
    found = evaluate([sample(errors, hand, joints)])
    assert found["PCK@0.2"] == pytest.approx(2 / 3)
    assert found["EPE_px"] == pytest.approx(35 / 3)
    # Thresholds 0, 1.5 ... 28.5: below them are 0 px 19 times, 10 px 13 (10.5 ...), 25 px 3 (25.5, 27, 28.5).
    assert found["AUC"] == pytest.approx((19 + 13 + 3) / 60)
    # mmpose's norm: 0.2 of the 300 px box are 60 px.
    assert evaluate([sample(errors, hand, joints)], norm="bbox")["PCK@0.2"] == 1
    assert evaluate([sample(errors, hand, joints)], thr=0.05)["PCK@0.05"] == pytest.approx(1 / 3)


def test_joints_are_pooled_and_invisible_ones_do_not_count():
    visible = np.zeros(21)
    visible[[0, 20]] = 1
    errors = np.full(21, 999.0)
    errors[[0, 20]] = 4.0
    found = evaluate([sample(np.zeros(21)), sample(errors, visible=visible)])
    assert found["EPE_px"] == pytest.approx(8 / 23)
    assert found["PCK@0.2"] == 1
    nothing = evaluate([sample(errors, visible=np.zeros(21))])
    assert all(np.isnan(value) for value in nothing.values())


def test_agrees_with_mmpose():
    from mmpose.evaluation.functional import keypoint_auc, keypoint_epe, keypoint_pck_accuracy

    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 200, (7, 21, 2))
    predicted = truth + rng.normal(size=truth.shape) * 12
    mask, size = np.ones((7, 21), bool), np.full((7, 2), 90.0)
    ours = scores_2d(sums_2d(predicted, truth, mask, size[:, 0], 0.2), 0.2)
    assert ours["PCK@0.2"] == pytest.approx(keypoint_pck_accuracy(predicted, truth, mask, 0.2, size)[1])
    assert ours["AUC"] == pytest.approx(keypoint_auc(predicted, truth, mask, 30), abs=1e-6)
    assert ours["EPE_px"] == pytest.approx(keypoint_epe(predicted, truth, mask), rel=1e-5)


def test_wrong_use():
    with pytest.raises(EvaluationError, match="norm"):
        Keypoints2D(norm="head")
    two = sample(np.zeros(21))
    two["gt_instances"]["hand_type"] = np.array([[1, 1]])
    with pytest.raises(DataContractError, match=r"0\.jpg"):
        evaluate([two])
