"""`DumpPredictions`: every sample once, in order, with the mark of those that were left out."""

from __future__ import annotations

import numpy as np
import pytest

from interhand_mm.datasets.mixed import number_samples
from interhand_mm.errors import EvaluationError
from interhand_mm.evaluation.metrics.dump import DumpPredictions
from interhand_mm.evaluation.predictions_file import load_predictions, save_predictions


def sample(index, skipped=""):
    predicted = {
        "keypoints": np.full((1, 42, 3), index),
        "keypoint_scores": np.ones((1, 42)),
        "bboxes": np.ones((1, 4)),
    }
    predicted |= {"bins": np.ones((1, 42, 3)), "rel_root_depth": np.ones(1), "hand_prob": np.ones((1, 2))}
    path = f"{'x' * index}.jpg"
    return {"sample_idx": index, "img_path": path, "ann_id": 7 + index, "skipped": skipped, "pred_instances": predicted}


def test_rows_are_sorted_and_keep_their_mark(tmp_path):
    dump = DumpPredictions(str(tmp_path / "preds.npz"))
    dump.process(None, [sample(2), sample(0)])
    dump.process(None, [sample(1, "image is cut short"), sample(0)])  # a sampler may repeat a sample
    dump.evaluate(3)
    arrays = load_predictions(tmp_path / "preds.npz")
    assert arrays["ann_id"].tolist() == [7, 8, 9]
    assert arrays["img_path"].tolist() == [".jpg", "x.jpg", "xx.jpg"]
    assert arrays["skipped"].tolist() == [False, True, False]
    assert arrays["keypoints"][:, 0, 0].tolist() == [0, 1, 2]


def test_samples_with_the_same_number_are_an_error(tmp_path):
    dump = DumpPredictions(str(tmp_path / "preds.npz"))
    dump.process(None, [sample(0), sample(1), sample(0), sample(1)])  # two data sets that count from 0
    with pytest.raises(EvaluationError, match="every sample") as caught:
        dump.evaluate(4)
    assert (caught.value.got, caught.value.want) == ("2 different samples", 4)
    assert not (tmp_path / "preds.npz").exists()


def test_concatenations_are_numbered_through(tmp_path):
    from mmengine.dataset import ConcatDataset

    from interhand_mm.datasets import InterHandDataset
    from tests.fixtures.tiny import write_set

    parts = [InterHandDataset(data_root=str(write_set(tmp_path / n, num=2))) for n in "ab"]
    both = ConcatDataset(parts)
    number_samples(both)
    assert [both.get_data_info(i)["sample_idx"] for i in range(4)] == [0, 1, 2, 3]


def test_files_without_the_mark_are_whole(tmp_path):
    dump = DumpPredictions(str(tmp_path / "preds.npz"))
    dump.process(None, [sample(0)])
    dump.evaluate(1)
    arrays = load_predictions(tmp_path / "preds.npz")
    del arrays["skipped"]
    save_predictions(tmp_path / "saved.npz", arrays)
    np.savez(tmp_path / "old.npz", **arrays)
    for name in ("saved.npz", "old.npz"):
        assert load_predictions(tmp_path / name)["skipped"].tolist() == [False]
