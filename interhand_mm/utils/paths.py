"""Folders of the project, in a checkout and in an installed wheel.

A checkout has `configs`, `tools` and `demo` beside the package. A wheel has them in the package, in `.mim`, where
OpenMMLab's packages keep them too; `setup.py` copies them there while it builds.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
IS_INSTALLED = (PACKAGE / ".mim").is_dir()
ROOT = PACKAGE / ".mim" if IS_INSTALLED else PACKAGE.parent
CONFIGS, TOOLS, DEMO = ROOT / "configs", ROOT / "tools", ROOT / "demo"
