"""Several sets in one loader: their concatenation, and a sampler that weighs them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from mmengine.dataset import ConcatDataset
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from ..errors import ConfigError
from ..registry import DATA_SAMPLERS, DATASETS


@DATASETS.register_module()
class MixedHandDataset(ConcatDataset):
    """mmengine's `ConcatDataset` of hand data sets: their names may differ, and `sample_idx` counts through them all.

    What a set does not annotate has weight 0 in its samples, so every loss learns from the sets that supervise it.

    Args:
        datasets: Data sets or their configs.
    """

    def __init__(self, datasets: Sequence[Any]) -> None:
        built = [DATASETS.build(part) if isinstance(part, dict) else part for part in datasets]
        super().__init__(built, ignore_keys="dataset_name")
        for dataset, first in zip(self.datasets, [0, *self.cumulative_sizes], strict=False):
            dataset.first_idx = first

    @property
    def protocol(self) -> dict[str, str]:
        """Where boxes and absolute depths come from: of every set, by name, where they differ."""
        parts = {d.metainfo["dataset_name"]: d.protocol for d in self.datasets}
        first = next(iter(parts.values()))
        if all(part == first for part in parts.values()):
            return first
        return {key: ", ".join(f"{name} {part[key]}" for name, part in parts.items()) for key in first}


@DATA_SAMPLERS.register_module()
class SetSampler(Sampler):
    """Draw each epoch's samples from the sets of a `MixedHandDataset` by weight.

    Each set gives its share of an epoch: drawn without repetition, and where it has fewer samples than its share, all
    of them as often as that takes before one comes once more. The draw depends on (seed, epoch) alone, so a resumed
    run sees what an unbroken one does. mmpose's `MultiSourceSampler` weighs batches, but starts anew at a resume.

    Args:
        dataset: Mixed, with a `datasets` of its own.
        weights: One a set, above 0; shares are in proportion.
        length: Samples in an epoch; None for as many as all sets have.
        seed: The runner's.
        round_up: Give every process equally many, by repeating the first ones.

    Raises:
        ConfigError: Not as many weights as sets, or one is not above 0.
    """

    def __init__(
        self,
        dataset: Any,
        weights: Sequence[float],
        length: int | None = None,
        seed: int | None = None,
        round_up: bool = True,
    ) -> None:
        sizes = [len(part) for part in getattr(dataset, "datasets", [])]
        if len(weights) != len(sizes) or not sizes or min(weights) <= 0:
            raise ConfigError("SetSampler: weights", got=list(weights), want=f"{len(sizes)} numbers above 0, one a set")
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch, self.round_up = 0, round_up
        self.starts = np.cumsum([0, *sizes[:-1]])
        self.sizes = sizes
        total = sum(sizes) if length is None else length
        bounds = np.rint(np.cumsum([0, *weights]) / sum(weights) * total).astype(int)
        self.shares = np.diff(bounds).tolist()
        self.total = math.ceil(total / self.world_size) * self.world_size if round_up else total

    def __iter__(self) -> Iterator[int]:
        """This process's part of the epoch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        chosen = []
        for start, size, share in zip(self.starts, self.sizes, self.shares, strict=True):
            rounds = [rng.permutation(size) for _ in range(math.ceil(share / size))]
            chosen.append(start + np.concatenate([*rounds, np.zeros(0, int)])[:share])
        order = rng.permutation(np.concatenate(chosen)).astype(int)
        return iter(np.resize(order, self.total)[self.rank :: self.world_size].tolist())

    def __len__(self) -> int:
        """Samples of this process."""
        return len(range(self.rank, self.total, self.world_size))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; mmengine's `DistSamplerSeedHook` calls it."""
        self.epoch = epoch
