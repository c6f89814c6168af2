"""What the C library does with memory that was freed."""

from __future__ import annotations

import ctypes
from typing import Any

# glibc's <malloc.h>: from what size on a block comes fresh from the kernel, and how much free memory is handed back.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MMAP_BYTES, _TRIM_BYTES = 1 << 30, (1 << 31) - 1


def _c_library() -> Any:
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "mallopt") else None
    except (OSError, TypeError):  # Windows
        return None


def keep_freed_memory() -> bool:
    """Let this process keep up to 2 GiB that it freed, for its next step.

    By default glibc asks the kernel for every tensor above some megabytes and gives it back when it is freed, so that
    a training step on a CPU spends half its time in page faults. Same results; the peak grows by a fifth at most.

    Returns:
        Whether it could be set: on glibc, not on musl, macOS or Windows.
    """
    library = _c_library()
    if library is None:
        return False
    return bool(library.mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES) and library.mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES))


def return_freed_memory() -> None:
    """Give back what `keep_freed_memory` kept, so that a peak can be measured."""
    library = _c_library()
    if library is not None and hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
