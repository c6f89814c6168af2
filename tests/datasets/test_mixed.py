"""Several data sets in one loader: samples keep the name of their data set, and the sampler follows its weights."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from interhand_mm.datasets import FreiHANDDataset, InterHandDataset, MixedHandDataset, RHDDataset, SetSampler, mixed
from interhand_mm.errors import ConfigError
from tests.fixtures import tiny_sets as T
from tests.fixtures.tiny import write_set


class _Sets:
    """Stand-in for a mix of data sets of these lengths."""

    def __init__(self, *sizes: int) -> None:
        self.datasets = [range(size) for size in sizes]


def test_samples_of_a_mix(tmp_path, rendered_hands):
    interhand = InterHandDataset(data_root=str(write_set(tmp_path / "ih")))
    rhd = RHDDataset(data_root=str(T.write_rhd(tmp_path / "rhd", rendered_hands)), split="test")
    freihand = FreiHANDDataset(data_root=str(T.write_freihand(tmp_path / "fh", rendered_hands)), split="test")
    mix = MixedHandDataset([interhand, rhd, freihand])
    assert len(mix) == 6 + 4 + 4
    samples = [mix.get_data_info(i) for i in range(len(mix))]
    assert [s["sample_idx"] for s in samples] == list(range(14))
    assert [s["dataset_name"] for s in samples] == ["interhand3d"] * 6 + ["rhd"] * 4 + ["freihand"] * 4
    assert len({s["sample_id"] for s in samples}) == 14
    # A sample is drawn alike in the mix and alone.
    alone = RHDDataset(data_root=str(tmp_path / "rhd"), split="test").get_data_info(2)
    assert samples[8]["rng"].random() == alone["rng"].random()
    assert mix.protocol["box"] == "interhand3d gt, rhd gt, freihand image"
    assert MixedHandDataset([interhand, rhd]).protocol == {"box": "gt", "depth": "gt"}


def test_shares_follow_the_weights():
    sampler = SetSampler(_Sets(100, 10, 50), weights=[2, 1, 1], length=40, seed=0)
    drawn = list(sampler)
    assert len(drawn) == len(sampler) == 40
    counts = Counter("abc"[int(np.searchsorted([100, 110], i, side="right"))] for i in drawn)
    assert counts == {"a": 20, "b": 10, "c": 10}
    assert len(set(drawn)) == 40  # none twice while there are others
    assert drawn != sorted(drawn)


def test_a_small_set_is_gone_through_evenly():
    counts = Counter(SetSampler(_Sets(4, 30), weights=[1, 1], length=20, seed=3))
    small = [counts[i] for i in range(4)]
    assert sum(small) == 10
    assert set(small) == {2, 3}
    assert len(SetSampler(_Sets(4, 30), weights=[1, 1], seed=3)) == 34


def test_every_draw_of_a_sample_has_a_number(monkeypatch):
    drawn = Counter()
    for rank in range(2):
        monkeypatch.setattr(mixed, "get_dist_info", lambda rank=rank: (rank, 2))
        sampler = SetSampler(_Sets(3, 30), weights=[1, 1], length=21, seed=3)
        sampler.set_epoch(5)
        draws = list(sampler)
        assert {draw.epoch for draw in draws} == {5}
        drawn.update((int(draw), draw.again) for draw in draws)
    assert set(drawn.values()) == {1}  # no process draws what another does
    assert max(again for _, again in drawn) == 4  # 11 draws of 3 samples, and one more that makes the parts equal


def test_a_sample_that_is_drawn_again_is_augmented_anew(tmp_path):
    crop = dict(type="HandCropAugment", encoder=dict(type="InterHand3DCodec"))
    steps = [dict(type="LoadHandImage"), crop, dict(type="ChannelJitter")]
    parts = [InterHandDataset(data_root=str(write_set(tmp_path / n)), pipeline=steps) for n in "ab"]
    mix = MixedHandDataset(parts)
    sampler = SetSampler(mix, weights=[5, 1], length=36, seed=0)
    seen = {}
    for draw in sampler:
        seen.setdefault(int(draw), []).append(mix[draw]["img"])
    assert [len(seen[i]) for i in range(6)] == [5] * 6
    assert len({image.tobytes() for image in seen[2]}) == 5
    assert sum(np.array_equal(image, mix[2]["img"]) for image in seen[2]) == 1  # the first draw


def test_an_epochs_draw_depends_on_seed_and_epoch_alone():
    def draw(seed: int, epoch: int) -> list[int]:
        sampler = SetSampler(_Sets(50, 50), weights=[1, 3], seed=seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert draw(1, 2) == draw(1, 2)
    assert draw(1, 2) != draw(1, 3)
    assert draw(1, 2) != draw(2, 2)


@pytest.mark.parametrize("round_up", [True, False])
def test_processes_share_an_epoch(monkeypatch, round_up):
    parts = []
    for rank in range(3):
        monkeypatch.setattr(mixed, "get_dist_info", lambda rank=rank: (rank, 3))
        sampler = SetSampler(_Sets(50, 50), weights=[1, 1], length=20, seed=0, round_up=round_up)
        parts.append(list(sampler))
        assert len(sampler) == len(parts[-1])
    monkeypatch.setattr(mixed, "get_dist_info", lambda: (0, 1))
    whole = list(SetSampler(_Sets(50, 50), weights=[1, 1], length=20, seed=0))
    assert [len(part) for part in parts] == ([7, 7, 7] if round_up else [7, 7, 6])
    assert set().union(*parts) == set(whole)


@pytest.mark.parametrize("weights", [[1], [1, 0], [1, 2, 3], []])
def test_wrong_weights(weights):
    with pytest.raises(ConfigError, match="2 numbers above 0"):
        SetSampler(_Sets(3, 4), weights=weights, seed=0)
