"""Parent of the hand data sets: seeded samples, the strict policy, mmengine's interface."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset

from ..errors import ConfigError, ImageError
from ..registry import TRANSFORMS
from ..structures.joints import pose_metainfo
from ..structures.sample import DEFAULTS, check_sample, checks_enabled

STRICT = ("error", "skip")


class HandDataset(BaseDataset):
    """A map-style data set whose samples depend on (seed, epoch, index) alone.

    A sample's randomness comes from one `numpy.random.Generator` under the key "rng"; global random state
    is never used, so a sample is the same with any number of workers and after a resume.

    An image that is missing, unreadable, black or of another size than annotated raises `ImageError` with
    ``strict='error'``. With ``strict='skip'`` the sample stays in its place with a black image, all
    validity 0 and the reason in `skipped`: it adds nothing to any loss or metric, and hooks count it.

    Args:
        pipeline: Transform configs.
        strict: "error" or "skip".
        seed: First part of every sample's key; the runner's seed is set by `SampleSeedHook`.
        test_mode: As in mmengine.
    """

    METAINFO = pose_metainfo()
    first_idx = 0  # of `sample_idx`; `MixedHandDataset` sets it

    def __init__(
        self,
        pipeline: Sequence[dict[str, Any]] = (),
        strict: str = "error",
        seed: int = 0,
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        if strict not in STRICT:
            raise ConfigError(f"{type(self).__name__}: strict", got=strict, want=" or ".join(STRICT))
        self.strict = strict
        # Shared memory, so that a new epoch reaches workers that are already running.
        self._seed_epoch = torch.tensor([seed, 0], dtype=torch.int64).share_memory_()
        # Built by this registry, so that a data set works on its own, whatever the default scope.
        steps = [TRANSFORMS.build(step) if isinstance(step, dict) else step for step in pipeline]
        super().__init__(pipeline=steps, test_mode=test_mode, serialize_data=False, lazy_init=True, **kwargs)
        self._fully_initialized = True

    @abstractmethod
    def load_item(self, idx: int) -> dict[str, Any]:
        """Return sample `idx` as the contract's stage "dataset" asks, without its image."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    def full_init(self) -> None:
        """Nothing to do: children open their files in the constructor."""

    def set_seed(self, seed: int) -> None:
        """Set the first part of every sample's key."""
        self._seed_epoch[0] = seed

    def set_epoch(self, epoch: int) -> None:
        """Set the second part of every sample's key; running workers see it with their next sample."""
        self._seed_epoch[1] = epoch

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return sample `idx` with its random generator, before any transform."""
        idx = range(len(self))[idx]
        sample = {**DEFAULTS, **self.load_item(idx)}
        seed, epoch = self._seed_epoch.tolist()
        sample.update(sample_idx=self.first_idx + idx, rng=np.random.default_rng([seed, epoch, idx]))
        if checks_enabled():
            self.check(sample)
        return sample

    def check(self, sample: dict[str, Any]) -> None:
        """Check what `load_item` promises, where checks are on."""
        check_sample(sample, "dataset", type(self).__name__)

    def __getitem__(self, idx: int) -> Any:
        """Return sample `idx` through the pipeline."""
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
        sample["skipped"] = str(error)
        for key in ("keypoints_visible", "hand_type_valid", "rel_root_valid"):
            sample[key] = np.zeros_like(sample[key])
        return sample
