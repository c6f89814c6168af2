"""Training targets from cropped keypoints."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from ...codecs import InterHand3DCodec
from ...registry import CODECS, TRANSFORMS
from ...structures.camera import apply_affine
from ...structures.sample import check_sample, checks_enabled


@TRANSFORMS.register_module()
class EncodeHand(BaseTransform):
    """Turn crop coordinates into training targets with the codec (`bins`, `bin_weights`, `root_...`)."""

    def __init__(self, encoder: dict[str, Any]) -> None:
        self.codec: InterHand3DCodec = CODECS.build(encoder)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the targets; under 1 KB a sample."""
        points = results["keypoints"][0].astype(np.float64)
        points[:, :2] = apply_affine(points[:, :2], results["affine"])
        results.update(
            self.codec.encode(
                points,
                results["keypoints_visible"][0],
                results["hand_type"][0],
                float(results["rel_root_depth"]),
                float(results["rel_root_valid"]),
                float(results.get("depth_valid", 1)),
            )
        )
        if checks_enabled():
            check_sample(results, "targets", type(self).__name__)
        return results
