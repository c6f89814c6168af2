"""The codec of 42-joint networks: from crop pixels and wrist-relative millimeters to bins, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..registry import CODECS
from ..structures.camera import Array
from ..structures.joints import NUM_JOINTS, WRISTS


@CODECS.register_module()
@dataclass(frozen=True)
class InterHand3DCodec:
    """InterNet's coordinates: ``x = u/256*64``, ``z = (d/200 + 1)/2*64``.

    Encoding is docs/spec/datasets.md, section 2.2, step 11; decoding is docs/spec/datasets.md, section 2.5, step 1.

    Attributes:
        input_size: (width, height) px of the crop.
        heatmap_size: (width, height, depth) bins of a joint's volume.
        sigma: Standard deviation of the target Gaussian, bins.
        depth_range_mm: Extent of the volume in depth, mm, centered on the own wrist.
        root_bins: Number of bins of the relative root depth.
        root_range_mm: Extent that they cover, mm, centered on 0.
    """

    input_size: tuple[int, int] = (256, 256)
    heatmap_size: tuple[int, int, int] = (64, 64, 64)
    sigma: float = 2.5
    depth_range_mm: float = 400.0
    root_bins: int = 64
    root_range_mm: float = 400.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_size", tuple(self.input_size))
        object.__setattr__(self, "heatmap_size", tuple(self.heatmap_size))
        numbers = (*self.input_size, *self.heatmap_size, self.sigma, self.depth_range_mm, self.root_bins)
        if len(self.input_size) != 2 or len(self.heatmap_size) != 3 or min(*numbers, self.root_range_mm) <= 0:
            raise ConfigError(
                "the codec has a missing or non-positive number",
                got=self,
                want="input_size (w, h), heatmap_size (w, h, d) and ranges, all positive",
            )

    @property
    def _scale(self) -> tuple[float, float, float]:
        """Return the bins per px in x, per px in y, and per mm in depth."""
        width, height, depth = self.heatmap_size
        return width / self.input_size[0], height / self.input_size[1], depth / self.depth_range_mm

    def to_bins(self, points: Array) -> Array:
        """Map (..., 3) u, v px of the crop and d mm to (..., 3) bins x, y, z. Nothing is clipped.

        Examples:
            >>> InterHand3DCodec().to_bins(np.array([128.0, 64.0, -100.0])).tolist()
            [32.0, 16.0, 16.0]
        """
        x, y, z = self._scale
        out = points * _like(points, (x, y, z))
        out[..., 2] += self.heatmap_size[2] / 2
        return out

    def from_bins(self, bins: Array) -> Array:
        """Map (..., 3) bins x, y, z to u, v px of the crop and d mm; the inverse of `to_bins`."""
        x, y, z = self._scale
        shifted = bins - _like(bins, (0.0, 0.0, self.heatmap_size[2] / 2))
        return shifted * _like(bins, (1 / x, 1 / y, 1 / z))

    def root_to_bin(self, rel_root_depth: Any) -> Any:
        """Map a relative root depth in mm to its bin; 0 mm is the middle, `root_bins / 2`."""
        return (rel_root_depth / self.root_range_mm + 0.5) * self.root_bins

    def root_from_bin(self, root_bin: Any) -> Any:
        """Map a bin of the relative root depth to mm; the inverse of `root_to_bin`."""
        return (root_bin / self.root_bins - 0.5) * self.root_range_mm

    def encode(
        self,
        points_crop: np.ndarray,
        visible: np.ndarray,
        hand_type: np.ndarray,
        rel_root_depth: float,
        rel_root_valid: float = 1.0,
        depth_valid: float = 1.0,
    ) -> dict[str, np.ndarray]:
        """Encode one sample as training targets (docs/spec/datasets.md, section 2.2, steps 9 to 11).

        A joint outside the crop or the depth range keeps its coordinate and gets weight 0. The relative root depth has
        weight only for two hands whose wrists both lie inside the crop.

        Args:
            points_crop: (42, 3) u, v px of the crop and d mm relative to the own wrist.
            visible: (42,) 0 or 1; 0 if the joint or its own wrist is not annotated.
            hand_type: (2,) 0 or 1, presence of the right and the left hand.
            rel_root_depth: z(left wrist) - z(right wrist), mm.
            rel_root_valid: 0 or 1, whether it is annotated.
            depth_valid: 0 or 1. If depths are not learned, the depth range excludes no joint.

        Returns:
            Arrays bins (42, 3), bin_weights (42,), root_bin () and root_weight (), float32.
        """
        width, height = self.input_size
        u, v = points_crop[:, 0], points_crop[:, 1]
        weights = visible * ((u >= 0) & (u < width) & (v >= 0) & (v < height))
        root_bin = self.root_to_bin(rel_root_depth)
        root_weight = float(
            rel_root_valid
            and hand_type.min() > 0
            and weights[list(WRISTS)].min() > 0
            and 0 <= root_bin < self.root_bins
        )
        bins = self.to_bins(points_crop.astype(np.float64))
        if depth_valid:
            weights = weights * ((bins[:, 2] >= 0) & (bins[:, 2] < self.heatmap_size[2]))
        return {
            "bins": bins.astype(np.float32).reshape(NUM_JOINTS, 3),
            "bin_weights": weights.astype(np.float32),
            "root_bin": np.array(root_bin, np.float32),
            "root_weight": np.array(root_weight, np.float32),
        }


def _like(points: Array, values: tuple[float, float, float]) -> Array:
    """Return `values` as the same kind of array (and dtype and device) as `points`."""
    if isinstance(points, np.ndarray):
        return np.array(values, points.dtype)
    return points.new_tensor(values)
