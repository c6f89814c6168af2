"""Indices that know when they are drawn, so that a sample's augmentation never depends on what the workers do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from mmengine.dist import get_dist_info
from torch.utils.data import Sampler


class Draw(int):
    """The index of a sample, with the epoch that it is drawn in and how often it was drawn in that epoch before.

    It travels from the sampler to a worker, through mmengine's `ConcatDataset` and `RepeatDataset`, which subtract and
    take remainders. Everything else sees an ordinary integer.

    Args:
        index: Index of the sample.
        epoch: Epoch that it is drawn in.
        again: Number of earlier draws of the same sample in this epoch.

    Examples:
        >>> draw = Draw(12, epoch=3)
        >>> draw == 12, (draw - 2).epoch, (draw % 5, (draw % 5).again)
        (True, 3, (2, 2))
    """

    epoch: int
    again: int

    def __new__(cls, index: int, epoch: int, again: int = 0) -> Draw:
        """Create the draw of a sample."""
        self = super().__new__(cls, index)
        self.epoch, self.again = epoch, again
        return self

    def __getnewargs__(self) -> tuple[int, int, int]:  # type: ignore[override]
        return int(self), self.epoch, self.again

    def __sub__(self, first: int) -> Draw:
        """Return the index in the part of a concatenation that begins at `first`."""
        return Draw(int(self) - first, self.epoch, self.again)

    def __mod__(self, length: int) -> Draw:
        """Return the index in a data set of this length that is repeated; every repetition is another draw."""
        repetition, index = divmod(int(self), length)
        return Draw(index, self.epoch, self.again + repetition)


def leaf_datasets(dataset: Any) -> Iterator[Any]:
    """Yield the data sets inside wrappers such as `ConcatDataset` and `RepeatDataset`, or the data set itself."""
    parts = getattr(dataset, "datasets", None) or [part for part in [getattr(dataset, "dataset", None)] if part]
    if hasattr(dataset, "set_seed") or not parts:
        yield dataset
    else:
        for part in parts:
            yield from leaf_datasets(part)


class NumberedDraws(Sampler):
    """Yield the indices of another sampler as `Draw`s.

    A sampler that goes through the data several times in a row, as an infinite one does, moves to the next epoch with
    every pass, and so does one that is started again without a new epoch.

    Args:
        sampler: Sampler of one process. `Draw`s that it yields itself are passed on as they are.
        size: Number of samples of the data set.
    """

    def __init__(self, sampler: Any, size: int) -> None:
        self.sampler, self._size = sampler, max(1, size)
        self._epoch, self._skipped = 0, 0

    def skip(self, number: int) -> None:
        """Leave out the first indices of the next pass, which were drawn before a training was interrupted."""
        self._skipped = number

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next pass."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Draw]:
        rank, world_size = get_dist_info()
        epoch, self._epoch = self._epoch, self._epoch + 1
        skipped, self._skipped = self._skipped, 0
        for number, index in islice(enumerate(self.sampler), skipped, None):
            before = (rank + number * world_size) // self._size  # passes over the data of all processes together
            yield index if isinstance(index, Draw) else Draw(index, epoch + before)
