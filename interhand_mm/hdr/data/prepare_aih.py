"""Preparing AIH: its pickled recipes into a format that cannot run code."""

from __future__ import annotations

from pathlib import Path

from ...errors import AnnotationError, OutputError
from .aih_recipes import NO_HAND, read_recipes, write_recipes


def prepare_aih(data_root: str | Path) -> list[str]:
    """Convert every `syn_cfgs/*.npy` of AIH_Syn to an `.npz` beside it; sources stay as they are.

    Args:
        data_root: The folder AIH_dataset, or the one that holds it.

    Returns:
        A line for each file: its path, how many recipes, how many of them their authors gave up.

    Raises:
        AnnotationError: No such file, a broken one, or one that would have run code (`UnsafeFileError`).
        OutputError: The folder cannot be written.
    """
    root = Path(data_root)
    folder = (root / "AIH_dataset" if (root / "AIH_dataset").is_dir() else root) / "AIH_syn" / "syn_cfgs"
    sources = sorted(folder.glob("*.npy"))
    if not sources:
        raise AnnotationError(
            f"no .npy recipes in {folder}",
            fix="name the folder that holds AIH_dataset; recipes in .npz or .json need no preparing",
        )
    lines = []
    for source in sources:
        recipes = read_recipes(source)
        target = source.with_suffix(".npz")
        try:
            write_recipes(target, recipes)
        except OSError as error:
            raise OutputError(f"cannot write {target}", got=error.strerror) from error
        invalid = int(((recipes.target_row == NO_HAND) | (recipes.other_row == NO_HAND)).sum())
        lines.append(f"{target}: {len(recipes)} recipes, {invalid} of them given up by their authors")
    return lines
