"""A place for numba's compiled functions where the usual places cannot be written."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def use_writable_numba_cache(package: str | Path) -> None:
    """Let numba cache in a temporary folder if neither the package nor the user's cache can be written.

    This happens in containers with a read-only installation and without a home. numba would raise an error there. Call
    it before numba is imported.

    Args:
        package: Folder of the modules with compiled functions; numba writes into `__pycache__` in it.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path(os.path.expanduser("~")) / ".cache")
    if os.environ.get("NUMBA_CACHE_DIR") or _is_writable(Path(package)) or _is_writable(cache):
        return
    folder = tempfile.mkdtemp(prefix="interhand_mm-numba-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = folder  # worker processes inherit it


def _is_writable(folder: Path) -> bool:
    """Return whether files can be made in a folder, or in the folder that would contain it."""
    try:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        with tempfile.TemporaryFile(dir=existing):
            return True
    except OSError:
        return False
