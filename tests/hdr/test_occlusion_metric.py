from __future__ import annotations

import numpy as np
import pytest

from interhand_mm.errors import EvaluationError
from interhand_mm.hdr.evaluation import HandEPE, OcclusionEPE


def _sample(occlusion, errors_mm, hand_type=(1, 1), restored=(1, 0)):
    """Both hands flat in the camera's plane; the prediction is off by `errors_mm` along x, the wrists excepted."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(-80, 80, (1, 42, 3)).astype(np.float32)
    predicted = truth.copy()
    predicted[0, :20, 0] += errors_mm[0]
    predicted[0, 21:41, 0] += errors_mm[1]
    return {
        "occlusion": np.array(occlusion, np.float32),
        "gt_instances": {
            "keypoints_cam": truth,
            "keypoints_visible": np.ones((1, 42), np.float32),
            "hand_type": np.array([hand_type], np.float32),
        },
        "pred_instances": {"keypoints_mm": predicted, "replaced": np.array([restored], np.float32)},
    }


def test_hands_fall_into_their_bins():
    metric = OcclusionEPE()
    metric.process(None, [_sample((0.0, 0.1), (2.1, 4.2)), _sample((0.49, 1.0), (6.3, 8.4))])
    metric.process(None, [_sample((0.05, 0.7), (100.0, 100.0), hand_type=(1, 0))])  # a single hand does not count
    numbers = metric.evaluate(3)
    found = {name: round(value, 3) for name, value in numbers.items() if name.startswith("EPE_root/")}
    # 20 of 21 joints are off.
    assert found == {
        "EPE_root/0-10": 2.0, "EPE_root/10-30": 4.0, "EPE_root/30-50": 6.0, "EPE_root/50-100": 8.0,
        "EPE_root/all": 5.0,
    }  # fmt: skip
    assert metric.details["counts"]["hands"] == {"0-10": 1, "10-30": 1, "30-50": 1, "50-100": 1}
    assert metric.details["counts"]["restored"] == {"0-10": 1, "10-30": 0, "30-50": 1, "50-100": 0}


def test_an_empty_bin_is_nan():
    metric = OcclusionEPE(edges=(0, 0.5, 1))
    metric.process(None, [_sample((0.2, 0.2), (1, 1))])
    numbers = metric.evaluate(1)
    assert np.isnan(numbers["EPE_root/50-100"])
    assert np.isfinite(numbers["EPE_root_bone/0-50"])


def test_groups_of_the_parent_are_as_before():
    metric = HandEPE()
    metric.process(None, [_sample((0, 0), (2.1, 4.2)), _sample((0, 0), (21, 21), hand_type=(1, 0))])
    numbers = metric.evaluate(2)
    assert numbers["EPE_root/interacting"] == pytest.approx(3.0)
    assert numbers["EPE_root/single"] == pytest.approx(20.0)


def test_wrong_edges_and_samples_without_occlusion():
    for edges in ((0, 0.5), (0, 0.5, 0.5, 1), (0.1, 1), (0,)):
        with pytest.raises(EvaluationError, match="increasing"):
            OcclusionEPE(edges=edges)
    sample = _sample((0, 0), (1, 1))
    del sample["occlusion"]
    with pytest.raises(EvaluationError, match="occlusion"):
        OcclusionEPE().process(None, [sample])
