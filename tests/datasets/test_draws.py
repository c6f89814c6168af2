"""A sample's augmentation follows its draw: through wrappers, workers and passes over the data."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import pytest
from mmengine.dataset import ConcatDataset, InfiniteSampler, RepeatDataset
from torch.utils.data import DataLoader

from interhand_mm.datasets import InterHandDataset
from interhand_mm.datasets.draws import Draw, NumberedDraws, leaf_datasets
from interhand_mm.engine.hooks import SampleSeedHook
from tests.fixtures.tiny import write_set


@pytest.fixture
def dataset(tmp_path):
    return InterHandDataset(data_root=str(write_set(tmp_path)))


def value(dataset, draw):
    return dataset.get_data_info(draw)["rng"].random()


def test_a_draw_is_an_integer_that_keeps_its_epoch():
    draw = pickle.loads(pickle.dumps(Draw(12, 3, 1)))
    assert (draw, draw.epoch, draw.again) == (12, 3, 1)
    assert [10, 20][Draw(1, 3)] == 20


def test_epoch_and_number_reach_the_data_set(dataset):
    first = value(dataset, 2)
    assert value(dataset, Draw(2, 0)) == first
    dataset.set_epoch(4)
    assert value(dataset, Draw(2, 0)) == first  # a draw brings its own epoch, whatever the loop is at
    assert len({first, value(dataset, Draw(2, 4)), value(dataset, Draw(2, 0, 1)), value(dataset, Draw(2, 4, 1))}) == 4
    both = ConcatDataset([dataset, dataset])
    assert both[Draw(8, 0, 1)]["rng"].random() == value(dataset, Draw(2, 0, 1))


def loader_of(dataset, workers):
    return DataLoader(dataset, 2, sampler=InfiniteSampler(dataset, seed=0), num_workers=workers, collate_fn=list)


@pytest.mark.parametrize("workers", [1, 2])
def test_passes_of_an_infinite_sampler_do_not_depend_on_workers(dataset, workers):
    def read(count):
        loader = loader_of(dataset, count)
        runner = SimpleNamespace(train_dataloader=loader, epoch=0, seed=7)
        SampleSeedHook().before_train(runner)
        SampleSeedHook().before_train_epoch(runner)
        batches = iter(loader)
        return [(s["ann_id"], s["rng"].random()) for _ in range(9) for s in next(batches)]

    plain = read(0)
    assert plain == read(workers)
    assert len({number for _, number in plain}) == 18  # three passes over six samples


def test_processes_move_to_the_next_pass_together(monkeypatch):
    monkeypatch.setattr("interhand_mm.datasets.draws.get_dist_info", lambda: (1, 2))
    draws = NumberedDraws([5, 4, 3, 2], 3)
    assert [draw.epoch for draw in draws] == [0, 1, 1, 2]  # places 1, 3, 5 and 7 of both processes together
    assert [draw.epoch for draw in draws] == [1, 2, 2, 3]  # started again
    draws.set_epoch(8)
    assert next(iter(draws)).epoch == 8


def test_data_sets_inside_wrappers_are_seeded(dataset):
    repeated = RepeatDataset(dataset, 2)
    assert list(leaf_datasets(SimpleNamespace(datasets=[repeated, dataset]))) == [dataset, dataset]
    loader = DataLoader(repeated, 3, collate_fn=list)
    runner, numbers = SimpleNamespace(train_dataloader=loader, epoch=0, seed=7), set()
    SampleSeedHook().before_train(runner)
    for runner.epoch in range(3):
        SampleSeedHook().before_train_epoch(runner)
        numbers |= {s["rng"].random() for batch in loader for s in batch}
    assert len(numbers) == 3 * 2 * 6
    runner.seed = 8
    SampleSeedHook().before_train(runner)
    assert value(dataset, 0) not in numbers
