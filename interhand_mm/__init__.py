"""3D interacting-hand pose from a single RGB image, as plugins for mmengine, mmpose and mmdet.

The public names load on first use, so that importing the package does not import torch.

Example:
    >>> import interhand_mm
    >>> interhand_mm.CameraOptions(fov_deg=60).fov_deg
    60
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .inference.detector import HandDetector
    from .inference.inferencer import InterHandInferencer
    from .inference.io.results_reader import iter_results, read_results
    from .inference.options import CameraOptions, InferenceOptions

__version__ = "0.2.0.dev0"
__all__ = [
    "CameraOptions",
    "HandDetector",
    "InferenceOptions",
    "InterHandInferencer",
    "__version__",
    "iter_results",
    "read_results",
]
_LOCATIONS = {
    "CameraOptions": ".inference.options",
    "HandDetector": ".inference.detector",
    "InferenceOptions": ".inference.options",
    "InterHandInferencer": ".inference.inferencer",
    "iter_results": ".inference.io.results_reader",
    "read_results": ".inference.io.results_reader",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _LOCATIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LOCATIONS[name], __name__), name)


def __dir__() -> list[str]:
    """List the public names, whether they are imported yet or not."""
    return sorted(__all__)
