"""Training targets from cropped keypoints."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from ...codecs import InterHand3DCodec
from ...registry import CODECS, TRANSFORMS
from ...structures.sample import check_sample, checks_enabled


@TRANSFORMS.register_module()
class EncodeHand(BaseTransform):
    """Encode the keypoints of a cropped sample as the bins that a 42-joint network learns.

    Args:
        encoder: Codec config; `load_config` writes the one `codec` here.
    """

    def __init__(self, encoder: dict[str, Any]) -> None:
        self.codec: InterHand3DCodec = CODECS.build(encoder)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add `bins`, `bin_weights`, `root_bin` and `root_weight`: less than 1 KB per sample."""
        points = results["keypoints"][0].astype(np.float64)
        points[:, :2] = results["warp"].to_crop(points[:, :2])
        results.update(
            self.codec.encode(
                points,
                results["keypoints_visible"][0],
                results["hand_type"][0],
                float(results["rel_root_depth"]),
                float(results["rel_root_valid"]),
                float(results["depth_valid"]),
            )
        )
        if checks_enabled():
            check_sample(results, "targets", type(self).__name__)
        return results
