from __future__ import annotations

import numpy as np
import pytest
import torch.distributed as dist
import torch.multiprocessing as mp

from interhand_mm.errors import EvaluationError
from interhand_mm.evaluation.functional.pose_3d import handedness_correct
from interhand_mm.evaluation.metrics import MPJPE, MRRPE, HandednessAccuracy
from interhand_mm.structures.camera import camera_to_pixel
from interhand_mm.structures.joints import OWN_WRIST

FOCAL, PRINCIPAL = np.array([1270.0, 1265.0], np.float32), np.array([167.0, 256.0], np.float32)
KINDS = {"right": (1, 0), "left": (0, 1), "interacting": (1, 1)}


def sample(rng: np.random.Generator, kind: str = "interacting", move: dict | None = None) -> dict:
    """A sample whose prediction is perfect but for `move`: {joint: (dx, dy, dz) mm}."""
    cam = rng.normal(size=(42, 3)) * 40 + [0, 0, 1000]
    hand_type = np.array([KINDS[kind]], np.float32)
    visible = np.repeat(hand_type[0], 21)[None]
    predicted = cam.copy()
    for joint, offset in (move or {}).items():
        predicted[joint] += offset
    keypoints = np.concatenate(
        [camera_to_pixel(predicted, FOCAL, PRINCIPAL), (predicted[:, 2] - cam[OWN_WRIST, 2])[:, None]], axis=1
    )
    return {
        "gt_instances": {"keypoints_cam": cam[None], "keypoints_visible": visible, "hand_type": hand_type},
        "pred_instances": {
            "keypoints": keypoints[None],
            "rel_root_depth": np.array([cam[41, 2] - cam[20, 2]]),
            "hand_prob": np.where(hand_type > 0, 0.9, 0.1),
        },
        "hand_type_valid": np.float32(1),
        "rel_root_valid": np.float32(1),
        "abs_depth": cam[[20, 41], 2],
        "focal": FOCAL,
        "principal_pt": PRINCIPAL,
    }


def run(metric, samples):
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def test_perfect_prediction_is_zero():
    rng = np.random.default_rng(0)
    samples = [sample(rng, kind) for kind in KINDS]
    numbers = run(MPJPE(), samples)
    assert all(abs(value) < 1e-6 for value in numbers.values())
    assert run(MRRPE(), samples)["MRRPE"] == pytest.approx(0, abs=1e-6)
    assert run(HandednessAccuracy(), samples)["HandednessAccuracy"] == 1


def test_left_joints_moved_by_10_mm():
    # 20 of 42 joints are off by 10: official 200/42; the wrists left out 200/40.
    moved = sample(np.random.default_rng(1), move={j: (10, 0, 0) for j in range(21, 41)})
    numbers = run(MPJPE(), [moved])
    assert numbers["MPJPE/all"] == pytest.approx(200 / 42)
    assert numbers["MPJPE/interacting"] == pytest.approx(200 / 42)
    assert numbers["MPJPE_micro/all"] == pytest.approx(200 / 42)
    assert numbers["MPJPE_no_wrist/all"] == pytest.approx(5)
    assert np.isnan(numbers["MPJPE/single"])


def test_a_hand_moved_as_a_whole_shows_only_in_mrrpe():
    moved = sample(np.random.default_rng(2), move={j: (10, 0, 0) for j in range(21, 42)})
    assert run(MPJPE(), [moved])["MPJPE/all"] == pytest.approx(0, abs=1e-6)
    assert run(MRRPE(), [moved])["MRRPE"] == pytest.approx(10)


def test_macro_and_micro_differ_where_counts_differ():
    rng = np.random.default_rng(3)
    # Joint 0 is off by 8 in one sample of two; the right hand occurs twice, the left once.
    samples = [sample(rng, move={0: (8, 0, 0)}), sample(rng, "right")]
    numbers = run(MPJPE(), samples)
    assert numbers["MPJPE/all"] == pytest.approx((8 / 2) / 42)
    assert numbers["MPJPE_micro/all"] == pytest.approx(8 / 63)
    assert numbers["MPJPE/single"] == pytest.approx(0, abs=1e-6)
    assert numbers["MPJPE/interacting"] == pytest.approx(8 / 42)


def test_invalid_joints_do_not_count():
    broken = sample(np.random.default_rng(4), move={5: (500, 0, 0)})
    broken["gt_instances"]["keypoints_visible"][0, 5] = 0
    assert run(MPJPE(), [broken])["MPJPE/all"] == pytest.approx(0, abs=1e-6)


def test_mrrpe_counts_two_hands_with_both_wrists_only():
    rng = np.random.default_rng(5)
    no_wrist = sample(rng, move={41: (70, 0, 0)})
    no_wrist["gt_instances"]["keypoints_visible"][0, 41] = 0
    metric = MRRPE()
    assert run(metric, [no_wrist, sample(rng, "left"), sample(rng)])["MRRPE"] == pytest.approx(0, abs=1e-6)
    assert metric.details["counts"]["wrist_pairs"] == 1


def test_mrrpe_uses_the_relative_depth():
    off = sample(np.random.default_rng(6))
    off["pred_instances"]["rel_root_depth"] += 25.0
    assert 25.0 < run(MRRPE(), [off])["MRRPE"] < 26.5  # behind the ray's slant


@pytest.mark.parametrize(
    ("prob", "truth", "correct"),
    [
        ((0.6, 0.4), (1, 0), 1),
        ((0.6, 0.6), (1, 0), 0),
        ((0.5, 0.1), (1, 0), 0),
        ((0.9, 0.5), (1, 0), 0),
        ((0.9, 0.9), (1, 1), 1),
    ],
)
def test_handedness_is_strict_at_one_half(prob, truth, correct):
    assert handedness_correct(np.array([prob]), np.array([truth]))[0] == bool(correct)


def test_handedness_leaves_invalid_types_out():
    rng = np.random.default_rng(7)
    wrong = sample(rng)
    wrong["pred_instances"]["hand_prob"][:] = 0.1
    wrong["hand_type_valid"] = np.float32(0)
    assert run(HandednessAccuracy(), [wrong, sample(rng)])["HandednessAccuracy"] == 1


def test_metrics_do_not_change_their_input():
    one = sample(np.random.default_rng(8))
    metric = MPJPE()
    first, second = run(metric, [one]), run(metric, [one])
    assert first == second or (np.isnan(list(first.values())) == np.isnan(list(second.values()))).all()


def test_padding_is_noticed():
    one = sample(np.random.default_rng(9))
    metric = MPJPE()
    metric.process(None, [one, one])
    with pytest.raises(EvaluationError, match="round_up=False"):
        metric.evaluate(1)


def _samples(n: int = 7) -> list[dict]:
    rng = np.random.default_rng(10)
    kinds = list(KINDS)
    return [sample(rng, kinds[i % 3], move={i: (i, 2, -3), 30: (0, i, 0)}) for i in range(n)]


def _worker(rank: int, split: int, file: str, out) -> None:
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    samples = _samples()
    mine = samples[:split] if rank == 0 else samples[split:]
    result = {}
    for metric in (MPJPE(), MRRPE(), HandednessAccuracy()):
        for one in mine:
            metric.process(None, [one])
        result.update(metric.evaluate(len(samples)))
    if rank == 0:
        out.put(result)
    dist.destroy_process_group()


@pytest.mark.parametrize("split", [3, 7])
def test_two_processes_agree_with_one(split, tmp_path):
    samples = _samples()
    expected = {}
    for metric in (MPJPE(), MRRPE(), HandednessAccuracy()):
        expected.update(run(metric, samples))
    context = mp.get_context("spawn")
    out = context.Queue()
    processes = [context.Process(target=_worker, args=(r, split, str(tmp_path / "meet"), out)) for r in range(2)]
    for process in processes:
        process.start()
    got = out.get(timeout=120)
    for process in processes:
        process.join()
    assert got == pytest.approx(expected, rel=1e-12, nan_ok=True)
