"""Choose the precision that is fast on a device."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

AMP_CHOICES = ("auto", "bfloat16", "float16", "float32")


@lru_cache
def bfloat16_is_fast(device: str = "cpu") -> bool:
    """Return True if a device has bfloat16 instructions. Without them, bfloat16 is slower than float32.

    Args:
        device: Torch device. CPUs are recognized on Linux only, other devices with CUDA only.
    """
    if device == "cpu":
        info = Path("/proc/cpuinfo")
        return info.is_file() and any(flag in info.read_text(encoding="utf-8") for flag in ("avx512_bf16", "amx_bf16"))
    if not device.startswith("cuda"):
        return False
    import torch  # late, because command lines call this before they load torch

    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


def pick_amp(amp: str, device: str, backend: str = "torch") -> Literal["bfloat16", "float16"] | None:
    """Resolve the option `--amp`.

    Args:
        amp: One of `AMP_CHOICES`. "auto" is bfloat16 if the device computes it fast and the backend supports it,
            otherwise float32.
        device: Torch device.
        backend: "torch", "onnxruntime" or "openvino". For onnxruntime, "auto" is float32.

    Returns:
        Name of the 16-bit type, or None for float32.

    Example:
        >>> pick_amp("float32", "cpu") is None
        True
        >>> pick_amp("float16", "cuda:0")
        'float16'
    """
    if amp == "auto":
        amp = "bfloat16" if backend != "onnxruntime" and bfloat16_is_fast(device) else "float32"
    if amp == "bfloat16":
        return "bfloat16"
    return "float16" if amp == "float16" else None
