"""Input normalization and its inverse, on the device. The only module that reads the preprocessors' private switches.

A *preprocessor* is mmengine's `ImgDataPreprocessor` or mmpose's `PoseDataPreprocessor`: it may exchange BGR and RGB,
and it may subtract `mean` and divide by `std`.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

_BGR_TO_RGB = [2, 1, 0]


def normalize(images: Tensor, preprocessor: Any) -> Tensor:
    """Normalize (B, 3, H, W) BGR images, 0 to 255, as the preprocessor does with a batch of one size.

    The preprocessor's own forward reads the length of the batch as a number, which would become a constant in an
    exported graph.
    """
    if preprocessor._channel_conversion:
        images = images[:, _BGR_TO_RGB]
    images = images.float()
    return (images - preprocessor.mean) / preprocessor.std if preprocessor._enable_normalize else images


def denormalize(inputs: Tensor, preprocessor: Any) -> Tensor:
    """Return normalized inputs (B, 3, H, W) as BGR images, 0 to 255, neither clipped nor rounded."""
    images = inputs.float()
    if preprocessor._enable_normalize:
        images = images * preprocessor.std + preprocessor.mean
    return images[:, _BGR_TO_RGB] if preprocessor._channel_conversion else images
