"""Rendered training data: parametric hands, poses, cameras, a renderer and files in InterHand2.6M's format."""

from pathlib import Path

from ..utils.numba_cache import use_writable_numba_cache

use_writable_numba_cache(Path(__file__).parent)  # before a module imports numba
