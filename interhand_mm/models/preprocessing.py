"""Input normalization and its inverse, on the device."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def normalize(crops: Tensor, preprocessor: Any) -> Tensor:
    """What mmpose's `PoseDataPreprocessor` does with a batch of one size, on the device and without its lists.

    Its own forward reads the batch's length as a number, which would be written into an exported graph.
    """
    if preprocessor._channel_conversion:
        crops = crops[:, [2, 1, 0]]
    crops = crops.float()
    return (crops - preprocessor.mean) / preprocessor.std if preprocessor._enable_normalize else crops


def to_bgr(inputs: Tensor, preprocessor: Any) -> Tensor:
    """Undo an `ImgDataPreprocessor`: (B, 3, H, W) normalized to 0 to 255, BGR."""
    images = inputs.float()
    if preprocessor._enable_normalize:
        images = images * preprocessor.std + preprocessor.mean
    return images.flip(1) if preprocessor._channel_conversion else images


def from_bgr(images: Tensor, preprocessor: Any) -> Tensor:
    """What an `ImgDataPreprocessor` makes of (B, 3, H, W) BGR images, 0 to 255."""
    images = images.flip(1) if preprocessor._channel_conversion else images
    return (images - preprocessor.mean) / preprocessor.std if preprocessor._enable_normalize else images
