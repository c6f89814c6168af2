"""Metrics of RHD, STB and FreiHAND against answers worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

from interhand_mm.errors import ConfigError, EvaluationError
from interhand_mm.evaluation.functional import single_hand as S
from interhand_mm.evaluation.metrics import EPE, MPJPE, FreiHANDScore, FreiHANDSubmission, HandAUC
from interhand_mm.structures.camera import camera_to_pixel
from tests.fixtures.tiny import hand_world
from tests.fixtures.tiny_sets import FREIHAND_NAMES, in_order

FOCAL, CENTER = np.array([1000.0, 1000.0]), np.array([160.0, 160.0])


def sample(side: int, errors_mm, visible=21, index=0, flat=False, **more) -> dict:
    """A hand whose predicted joint j lies errors_mm[j] to the right of the true one."""
    hand = hand_world(np.random.default_rng(index), side == 1) + np.array([10.0, -20.0, 700.0])
    if flat:
        hand[:, 2] = 700.0
    own = slice(21 * side, 21 * side + 21)
    truth, seen = np.tile(hand[20], (42, 1)), np.zeros(42)
    truth[own] = hand
    seen[own] = np.arange(21) < visible
    pixels = camera_to_pixel(truth, FOCAL, CENTER)
    predicted = np.column_stack([pixels, truth[:, 2] - hand[20, 2]])
    predicted[own, 0] += np.broadcast_to(errors_mm, 21) * FOCAL[0] / hand[:, 2]
    hand_type = np.eye(2)[side]
    return {
        "sample_idx": index, "dataset_name": "rhd", "hand_type_valid": 1, "rel_root_valid": 0,
        "abs_depth": np.full(2, hand[20, 2]), "focal": FOCAL, "principal_pt": CENTER,
        "gt_instances": {
            "keypoints_cam": truth[None], "keypoints_visible": seen[None], "hand_type": hand_type[None],
        },
        "pred_instances": {
            "keypoints": predicted[None], "rel_root_depth": np.zeros(1), "hand_prob": hand_type[None],
        },
        **more,
    }  # fmt: skip


def away(value: float) -> np.ndarray:
    """This error of every joint but the wrist."""
    return np.where(np.arange(21) == 20, 0.0, value)


def numbers_of(metric, *batches) -> dict[str, float]:
    for batch in batches:
        metric.process(None, batch)
    return metric.evaluate(sum(map(len, batches)))


def test_epe_is_the_mean_over_joints_of_means_left_and_right_pooled():
    samples = [sample(0, away(4.0)), sample(1, away(10.0), visible=10)]
    numbers = numbers_of(EPE(), samples[:1], samples[1:])
    assert numbers["EPE"] == pytest.approx((10 * 7 + 10 * 4 + 0) / 21)
    assert numbers["EPE_micro"] == pytest.approx((20 * 4 + 10 * 10) / 31)
    assert numbers["EPE_no_wrist"] == pytest.approx((10 * 7 + 10 * 4) / 20)


def test_epe_is_relative_to_the_wrist():
    assert numbers_of(EPE(), [sample(1, 25.0, flat=True)])["EPE"] == pytest.approx(0, abs=1e-6)


def test_epe_of_nothing():
    metric = EPE()
    assert np.isnan(list(numbers_of(metric, [sample(0, 1.0, visible=0)]).values())).all()
    assert metric.details["counts"]["joints"] == 0


@pytest.mark.parametrize(
    ("error", "zb", "late", "dense"),
    [
        (0.01, 18.5 / 19, 1.0, 1.0),  # all thresholds but 0
        (10.0, 15.5 / 19, 1.0, 1.0),  # 20 points 50/19 apart: the fifth, 10.53 mm, is the first that is reached
        (30.1, 7.5 / 19, 7.5 / 11, 65.5 / 99),  # the 13th of 20, and the 35th of 100 from 20 to 50 mm
        (60.0, 0.0, 0.0, 0.0),
    ],
)
def test_auc_by_hand(error, zb, late, dense):
    samples = [sample(i % 2, away(error), index=i) for i in range(3)]
    numbers = numbers_of(HandAUC(pck_mm=(10.5, 30)), samples)
    wrist = 1.0  # the root always counts as found
    for name, value in {"AUC_0-50": zb, "AUC_20-50": late, "AUC_20-50_dense": dense}.items():
        assert numbers[name] == pytest.approx((20 * value + wrist) / 21), name
    assert numbers["PCK@10.5mm"] == pytest.approx((20 * (error < 10.5) + 1) / 21)
    assert numbers["PCK@30mm"] == pytest.approx((20 * (error < 30) + 1) / 21)


def test_pck_is_averaged_over_joints_and_skips_invisible():
    errors, visible = np.array([[5.0, 50.0], [50.0, 50.0], [5.0, 5.0]]), np.array([[1, 1], [1, 0], [1, 0]])
    hits = S.count_hits(errors, visible, np.array([5.0, 49.0]))
    assert hits.tolist() == [[2, 0], [2, 0]]
    assert S.pck_curve(hits, visible.sum(0)).tolist() == pytest.approx([1 / 3, 1 / 3])
    assert np.isnan(S.pck_curve(hits, np.zeros(2))).all()
    assert S.pck_curve(hits, np.array([3, 0])).tolist() == pytest.approx([2 / 3, 2 / 3])


def test_procrustes_undoes_a_similarity_and_a_mirror():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(3, 21, 3)) * 40 + 600
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    for rotation in (turn, -turn):
        assert np.allclose(S.procrustes_aligned(0.3 * truth @ rotation + 17, truth), truth)


def test_procrustes_agrees_with_the_published_steps():
    rng = np.random.default_rng(1)
    joints, truth = rng.normal(size=(2, 21, 3)) * 50
    a, b = truth - truth.mean(0), joints - joints.mean(0)
    size_a, size_b = np.linalg.norm(a), np.linalg.norm(b)
    rotation, scale = orthogonal_procrustes(a / size_a, b / size_b)
    expected = (b / size_b) @ rotation.T * scale * size_a + truth.mean(0)
    assert np.allclose(S.procrustes_aligned(joints[None], truth[None])[0], expected)


def test_procrustes_of_a_point_is_the_center():
    truth = np.random.default_rng(2).normal(size=(1, 21, 3))
    assert np.allclose(S.procrustes_aligned(np.zeros((1, 21, 3)), truth), truth.mean(1, keepdims=True))


def test_freihand_by_hand():
    # All moved by 5 mm: absolute 5, aligned 0. A flat hand, so that the wrist's depth is that of all.
    numbers = numbers_of(FreiHANDScore(depth="gt"), [sample(0, 5.0, flat=True)])
    assert numbers["EPE_abs"] == pytest.approx(5.0)
    assert numbers["EPE_PA"] == pytest.approx(0.0, abs=1e-6)
    # 100 thresholds 50/99 apart: 5 mm is reached at the 11th (5.05); 89 whole steps and a half.
    assert numbers["AUC_abs"] == pytest.approx(89.5 / 99)
    assert numbers["AUC_PA"] >= 98.5 / 99  # rounding may miss the threshold 0


def test_freihand_depth_of_the_published_bone():
    def bone(s, factor=1.0):
        truth = s["gt_instances"]["keypoints_cam"][0]
        return {**s, "bone_mm": factor * np.linalg.norm(truth[11] - truth[10])}

    bent, flat = sample(0, 0.0), sample(0, 0.0, flat=True)
    for s in (bent, flat):
        s = {**s, "abs_depth": np.full(2, 1.0)}  # not read
        assert numbers_of(FreiHANDScore(depth="scale"), [bone(s)])["EPE_abs"] == pytest.approx(0, abs=1e-6)
    # A bone told a tenth too long puts a flat hand a tenth too far: every joint a tenth of its distance away.
    numbers = numbers_of(FreiHANDScore(depth="scale"), [bone(flat, 1.1)])
    distance = np.linalg.norm(flat["gt_instances"]["keypoints_cam"][0, :21], axis=-1)
    assert numbers["EPE_abs"] == pytest.approx(0.1 * distance.mean())
    assert numbers["EPE_PA"] == pytest.approx(0, abs=1e-6)
    with pytest.raises(EvaluationError, match="bone length"):
        FreiHANDScore(depth="scale").process(None, [flat])
    with pytest.raises(ConfigError, match="depth"):
        FreiHANDScore(depth="guess")


def test_freihand_without_truth():
    s = {**sample(0, 0.0, visible=0), "bone_mm": 30.0}
    assert np.isnan(list(numbers_of(FreiHANDScore(), [s]).values())).all()


def test_submission_file(tmp_path):
    samples = []
    for index in (2, 0, 1):  # as two processes may hand them in
        s = sample(0, 0.0, index=index)
        truth = s["gt_instances"]["keypoints_cam"][0]
        samples.append({**s, "bone_mm": np.linalg.norm(truth[11] - truth[10])})
    out = tmp_path / "new" / "pred.json"
    metric = FreiHANDSubmission(out_file=str(out))
    metric.process(None, samples[:2])
    metric.process(None, samples[2:])
    assert metric.evaluate(3) == {}
    xyz, verts = json.loads(out.read_text())
    assert np.shape(verts) == (3, 778, 3)
    for s in samples:
        truth = s["gt_instances"]["keypoints_cam"][0, :21]
        assert np.allclose(xyz[s["sample_idx"]], in_order(truth, FREIHAND_NAMES) / 1000, atol=2e-6)
    assert [p.name for p in out.parent.iterdir()] == ["pred.json"]
    metric.process(None, samples[:2])
    with pytest.raises(EvaluationError, match="every sample"):
        metric.evaluate(3)


def test_a_metric_of_one_set_of_a_mix():
    mixed = [sample(0, away(4.0)), {**sample(0, away(40.0)), "dataset_name": "stb"}, sample(1, away(6.0))]
    numbers = numbers_of(EPE(dataset="rhd"), mixed[:2], mixed[2:])
    assert numbers["rhd/EPE_no_wrist"] == pytest.approx(5.0)
    assert numbers_of(EPE(dataset="stb", prefix="S"), mixed)["S/EPE_no_wrist"] == pytest.approx(40.0)
    assert "MPJPE/all" in numbers_of(MPJPE(), mixed)
    with pytest.raises(EvaluationError, match="none of the 3 samples belongs to data set 'other'"):
        numbers_of(EPE(dataset="other"), mixed)
