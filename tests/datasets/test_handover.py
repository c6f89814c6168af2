"""A batch reaches the training process whole, in one block of shared memory, or its loss is an error."""

from __future__ import annotations

import os
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from interhand_mm.datasets import InterHandDataset, handover
from interhand_mm.datasets.handover import Parcel, check_shared_memory, collate_in_one_block
from interhand_mm.engine import runner as runners
from interhand_mm.errors import ConfigError
from tests.fixtures.tiny import write_set

CODEC = dict(type="InterHand3DCodec")
STEPS = [dict(type="LoadHandImage"), dict(type="HandCrop", encoder=CODEC), dict(type="EncodeHand", encoder=CODEC)]


def test_all_kinds_of_tensors_survive():
    batch = {
        "inputs": [torch.arange(6, dtype=torch.uint8).reshape(1, 2, 3), torch.arange(12.0).reshape(3, 4).T],
        "more": (torch.tensor(3.5, dtype=torch.float64), torch.tensor([True, False]), torch.empty(0, 4), None, "text"),
        "array": np.arange(3),
    }
    again = pickle.loads(pickle.dumps(Parcel(batch)))
    for tensor, other in zip(
        [*batch["inputs"], *batch["more"][:3]], [*again["inputs"], *again["more"][:3]], strict=True
    ):
        assert (tensor.dtype, tensor.shape) == (other.dtype, other.shape)
        assert torch.equal(tensor, other)
    assert again["more"][3:] == (None, "text")
    assert again["array"].tolist() == [0, 1, 2]


@pytest.fixture
def dataset(tmp_path):
    return InterHandDataset(data_root=str(write_set(tmp_path)), pipeline=[*STEPS, dict(type="PackHandInputs")])


def test_a_worker_sends_one_block_for_a_batch(dataset):
    plain = next(iter(DataLoader(dataset, 6, collate_fn=collate_in_one_block)))
    before = len(os.listdir("/proc/self/fd"))
    loaded = next(iter(DataLoader(dataset, 6, num_workers=1, collate_fn=collate_in_one_block)))
    assert len({tensor.untyped_storage().data_ptr() for tensor in loaded["inputs"]}) == 1
    assert len(os.listdir("/proc/self/fd")) - before < 16  # not seven files a sample
    for one, other in zip(plain["data_samples"], loaded["data_samples"], strict=True):
        assert one.ann_id == other.ann_id
        for name, value in one.gt_instance_labels.items():
            assert torch.equal(value, other.gt_instance_labels[name])
        assert np.array_equal(one.gt_instances.keypoints, other.gt_instances.keypoints)
    assert all(torch.equal(*pair) for pair in zip(plain["inputs"], loaded["inputs"], strict=True))


def test_a_full_shared_memory_is_an_error_not_a_wait(dataset, monkeypatch):
    def full(self):
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", full)
    loader = DataLoader(dataset, 6, num_workers=1, collate_fn=collate_in_one_block)
    with pytest.raises(ConfigError, match="shared memory of the workers is full"):
        next(iter(loader))


def test_a_small_shared_memory_is_found_before_training(dataset, monkeypatch):
    loader = DataLoader(dataset, 3, num_workers=2, collate_fn=collate_in_one_block)
    check_shared_memory(loader)
    monkeypatch.setattr(handover.shutil, "disk_usage", lambda _: SimpleNamespace(free=2_000_000))
    with pytest.raises(ConfigError, match="too small") as caught:
        check_shared_memory(loader)
    assert "--shm-size" in caught.value.fix
    check_shared_memory(DataLoader(dataset, 3))  # without workers there is nothing to share


def test_loaders_with_workers_have_a_timeout():
    loaders = {"train_dataloader": dict(num_workers=2), "val_dataloader": dict(num_workers=0), "test_dataloader": None}
    runners._set_handover(loaders)
    assert loaders["train_dataloader"]["timeout"] > 0
    assert loaders["train_dataloader"]["collate_fn"] == dict(type="interhand_mm.collate_in_one_block")
    assert loaders["val_dataloader"] == dict(num_workers=0)  # torch refuses a timeout without workers
