"""Train on several data sets at once: their concatenation, and a sampler that weights them."""

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
from .draws import Draw


@DATASETS.register_module()
class MixedHandDataset(ConcatDataset):
    """Concatenation of hand data sets. Their names may differ, and `sample_idx` counts through all of them.

    Fields that a data set does not annotate have weight 0 in its samples, so each loss learns from the data sets that
    supervise it.

    Args:
        datasets: Data sets, or configs of data sets.
    """

    def __init__(self, datasets: Sequence[Any]) -> None:
        built = [DATASETS.build(part) if isinstance(part, dict) else part for part in datasets]
        super().__init__(built, ignore_keys="dataset_name")
        number_samples(self)

    @property
    def protocol(self) -> dict[str, str]:
        """Source of the boxes and of the absolute depths; where they differ, by name of the data set."""
        parts = {d.metainfo["dataset_name"]: d.protocol for d in self.datasets}
        first = next(iter(parts.values()))
        if all(part == first for part in parts.values()):
            return first
        return {key: ", ".join(f"{name} {part[key]}" for name, part in parts.items()) for key in first}


def number_samples(dataset: Any, first: int = 0) -> None:
    """Let `sample_idx` count through all data sets of a concatenation, and of concatenations inside it.

    Args:
        dataset: A data set, or a `ConcatDataset`.
        first: Number of its first sample.
    """
    if not isinstance(dataset, ConcatDataset):
        dataset.first_idx = first
        return
    for part, start in zip(dataset.datasets, [0, *dataset.cumulative_sizes], strict=False):
        number_samples(part, first + start)


@DATA_SAMPLERS.register_module()
class SetSampler(Sampler):
    """Draw the samples of each epoch from the data sets of a `MixedHandDataset` by weight.

    Each data set contributes a share of the epoch, drawn without repetition. If it has fewer samples than its share,
    all of them are used equally often before any is used once more, with another augmentation. The draw depends only on
    (seed, epoch), so a resumed run sees the same samples as an uninterrupted one. mmpose's `MultiSourceSampler` weights
    batches, but starts over when a run is resumed.

    Args:
        dataset: `MixedHandDataset` to draw from.
        weights: One number above 0 per data set. Shares are proportional to them.
        length: Number of samples in an epoch. Default: the number of samples of all data sets together.
        seed: Seed of the draw. Default: mmengine's seed, the same for all processes.
        round_up: Give every process the same number of samples, by repeating the first ones.

    Raises:
        ConfigError: There is not one weight per data set, or a weight is not above 0.
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
            want = f"{len(sizes)} numbers above 0, one per data set"
            raise ConfigError("SetSampler: weights do not match the data sets", got=list(weights), want=want)
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch, self.round_up = 0, round_up
        self.starts = np.cumsum([0, *sizes[:-1]])
        self.sizes = sizes
        total = sum(sizes) if length is None else length
        bounds = np.rint(np.cumsum([0, *weights]) / sum(weights) * total).astype(int)
        self.shares = np.diff(bounds).tolist()
        self.total = math.ceil(total / self.world_size) * self.world_size if round_up else total

    def __iter__(self) -> Iterator[Draw]:
        """Iterate over the draws of this process in the current epoch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        chosen = []
        for start, size, share in zip(self.starts, self.sizes, self.shares, strict=True):
            rounds = [rng.permutation(size) for _ in range(math.ceil(share / size))]
            chosen.append(start + np.concatenate([*rounds, np.zeros(0, int)])[:share])
        order = rng.permutation(np.concatenate(chosen)).astype(int)
        order = np.resize(order, self.total)
        own = slice(self.rank, None, self.world_size)
        drawn = zip(order[own].tolist(), _earlier(order)[own].tolist(), strict=True)
        return iter([Draw(index, self.epoch, again) for index, again in drawn])

    def __len__(self) -> int:
        """Return the number of samples of this process."""
        return len(range(self.rank, self.total, self.world_size))

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch. mmengine's `DistSamplerSeedHook` calls this."""
        self.epoch = epoch


def _earlier(values: np.ndarray) -> np.ndarray:
    """Return how often each value occurs earlier in the array.

    >>> _earlier(np.array([7, 3, 7, 7, 3])).tolist()
    [0, 0, 1, 2, 1]
    """
    by_value = np.argsort(values, kind="stable")
    ordered, places = values[by_value], np.arange(len(values))
    starts = np.maximum.accumulate(np.where(np.r_[True, ordered[1:] != ordered[:-1]], places, 0))
    earlier = np.empty_like(places)
    earlier[by_value] = places - starts
    return earlier
