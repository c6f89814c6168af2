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


def printable(path: str | Path) -> str:
    r"""Return a path as text that every file can hold; bytes of its name that are not UTF-8 become backslash escapes.

    In a C locale, Python takes every byte above 127 for undecodable; there UTF-8 names become themselves again.

    >>> printable("\udcca.jpg"), printable("\udcc3\udca9.jpg")
    ('\\xca.jpg', 'é.jpg')
    """
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
