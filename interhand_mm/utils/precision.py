"""Which precision a device computes fast in."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

AMP_CHOICES = ("auto", "bfloat16", "float16", "float32")


@lru_cache
def bfloat16_is_fast(device: str = "cpu") -> bool:
    """Whether a device multiplies bfloat16 itself; emulated it is slower than float32.

    Args:
        device: As torch names it. Of CPUs those are known that Linux describes, of others CUDA's.
    """
    if device == "cpu":
        info = Path("/proc/cpuinfo")
        return info.is_file() and any(flag in info.read_text() for flag in ("avx512_bf16", "amx_bf16"))
    if not device.startswith("cuda"):
        return False
    import torch  # late: command lines ask for the CPU before anything heavy is loaded

    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


def pick_amp(amp: str, device: str, backend: str = "torch") -> Literal["bfloat16", "float16"] | None:
    """What a command line's `--amp` means: None for float32, or the name of the 16-bit type.

    Args:
        amp: Of `AMP_CHOICES`; "auto" is bfloat16 where the device is fast in it and the backend can.
        device: As torch names it.
        backend: "torch", "onnxruntime" or "openvino"; onnxruntime computes in float32 alone.
    """
    if amp == "auto":
        amp = "bfloat16" if backend != "onnxruntime" and bfloat16_is_fast(device) else "float32"
    if amp == "bfloat16":
        return "bfloat16"
    return "float16" if amp == "float16" else None
