"""Build step of the wheel: configs, tools and demo go into the package; everything else is in pyproject.toml."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = ("configs", "tools", "demo", "requirements")  # found again by interhand_mm/utils/paths.py


class BuildWithTools(build_py):
    """Copy the folders beside the package to `interhand_mm/.mim`, as OpenMMLab's packages do."""

    def run(self) -> None:
        """Build the package, then add the folders. An editable install reads them from the checkout."""
        package = Path(self.build_lib, "interhand_mm")
        if not self.editable_mode:
            shutil.rmtree(
                package, ignore_errors=True
            )  # otherwise files deleted since an earlier build stay in the wheel
        super().run()
        if self.editable_mode:
            return
        for folder in FOLDERS:
            shutil.copytree(folder, package / ".mim" / folder, ignore=shutil.ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": BuildWithTools})
