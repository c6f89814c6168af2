"""Parent of the hand data sets: seeded samples, handling of unusable images, and mmengine's interface."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset

from ..errors import AnnotationError, ConfigError, ImageError
from ..registry import TRANSFORMS
from ..structures.joints import pose_metainfo
from ..structures.sample import DEFAULTS, check_sample, checks_enabled
from .draws import Draw

STRICT = ("error", "skip")


class HandDataset(BaseDataset):
    """A map-style data set whose samples depend only on (seed, epoch, index, number of the draw in this epoch).

    The randomness of a sample comes from one `numpy.random.Generator` in its field `rng`. Global random state is never
    used, so a sample is the same with any number of workers and after a resume. In training the index is a `Draw`,
    which brings its epoch and its number along. A plain integer stands for the first draw in the epoch of `set_epoch`.

    An image may be missing, unreadable, black, or of another size than annotated. With ``strict='error'`` this raises
    `ImageError`. With ``strict='skip'`` the sample stays in its place with a black image, all validity 0 and the reason
    in `skipped`: it adds nothing to losses and metrics, and `SkipReportHook` counts it.

    A child implements `load_item` and `__len__`.

    Args:
        pipeline: Configs of the transforms.
        strict: "error" or "skip".
        seed: First part of the seed of every sample. `SampleSeedHook` sets it to the runner's seed.
        test_mode: mmengine's `test_mode`.
        **kwargs: Further arguments of mmengine's `BaseDataset`.
    """

    METAINFO = pose_metainfo()
    first_idx = 0  # `sample_idx` of the first sample; `MixedHandDataset` sets it

    def __init__(
        self,
        pipeline: Sequence[dict[str, Any]] = (),
        strict: str = "error",
        seed: int = 0,
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        if strict not in STRICT:
            raise ConfigError(f"{type(self).__name__}: strict is unknown", got=strict, want=" or ".join(STRICT))
        self.strict = strict
        # In shared memory, so that a new epoch reaches workers that are already running.
        self._seed_epoch = torch.tensor([seed, 0], dtype=torch.int64).share_memory_()
        # Built with this registry, so that a data set works with any default scope.
        steps = [TRANSFORMS.build(step) if isinstance(step, dict) else step for step in pipeline]
        super().__init__(pipeline=steps, test_mode=test_mode, serialize_data=False, lazy_init=True, **kwargs)
        self._fully_initialized = True

    @abstractmethod
    def load_item(self, idx: int) -> dict[str, Any]:
        """Return sample `idx` with the fields that `HandSample` requires at stage "dataset", without its image."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples."""

    def full_init(self) -> None:
        """Do nothing, because children open their files in the constructor."""

    def set_seed(self, seed: int) -> None:
        """Set the first part of the seed of every sample."""
        self._seed_epoch[0] = seed

    def set_epoch(self, epoch: int) -> None:
        """Set the second part of the seed of every sample; running workers use it from their next sample on."""
        self._seed_epoch[1] = epoch

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return sample `idx` with the defaults of the table and its random generator, before any transform."""
        seed, epoch = self._seed_epoch.tolist()
        draw = idx if isinstance(idx, Draw) else Draw(idx, epoch)
        idx = range(len(self))[idx]
        sample = {**DEFAULTS, **self.load_item(idx)}
        key = [seed, draw.epoch, idx, *([draw.again] if draw.again else [])]
        sample.update(sample_idx=self.first_idx + idx, rng=np.random.default_rng(key))
        if checks_enabled():
            self.check(sample)
        return sample

    def check(self, sample: dict[str, Any]) -> None:
        """Raise `DataContractError` unless the sample is complete; called if checks are enabled."""
        check_sample(sample, "dataset", type(self).__name__)

    def __getitem__(self, idx: int) -> Any:
        """Return sample `idx` after all transforms."""
        try:
            return self.pipeline(self.get_data_info(idx))
        except ImageError as error:
            if self.strict == "error":
                raise
            return self.pipeline(self._blank(self.get_data_info(idx), error))

    @staticmethod
    def _blank(sample: dict[str, Any], error: ImageError) -> dict[str, Any]:
        width, height = sample["image_size"]
        sample["img"] = np.zeros((height, width, 3), np.uint8)
        return invalidate(sample, str(error))


def invalidate(sample: dict[str, Any], reason: str) -> dict[str, Any]:
    """Set all validity of a sample to 0, so that it counts in no loss and no metric; `skipped` gives the reason."""
    sample["skipped"] = reason
    for key in ("keypoints_visible", "hand_type_valid", "rel_root_valid"):
        sample[key] = np.zeros_like(sample[key])
    return sample


def require_samples(left: int, of: int, where: str, by: str) -> None:
    """Raise an error if a filter leaves no sample.

    Args:
        left: Number of samples that are left.
        of: Number of samples before the filter.
        where: Name of the data set, for the message.
        by: Name of the filter, with its value.

    Raises:
        AnnotationError: No sample is left.
    """
    if not left:
        raise AnnotationError(f"no samples of {where} are left", got=f"0 of {of} by {by}", want="at least one")
