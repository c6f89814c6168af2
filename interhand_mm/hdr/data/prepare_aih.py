"""Convert the pickled recipes of AIH to a format that cannot execute code."""

from __future__ import annotations

from pathlib import Path

from ...errors import AnnotationError, OutputError
from .aih_recipes import NO_HAND, read_recipes, write_recipes


def prepare_aih(data_root: str | Path) -> list[str]:
    """Convert every `syn_cfgs/*.npy` of AIH_Syn to an `.npz` next to it. The sources are not changed.

    Args:
        data_root: The folder AIH_dataset, or the one that contains it.

    Returns:
        One line per file: its path, its number of recipes, and how many of them are marked as failed.

    Raises:
        AnnotationError: There is no such file, or one is broken or would have executed code (`UnsafeFileError`).
        OutputError: The folder cannot be written.
    """
    root = Path(data_root)
    folder = (root / "AIH_dataset" if (root / "AIH_dataset").is_dir() else root) / "AIH_syn" / "syn_cfgs"
    sources = sorted(folder.glob("*.npy"))
    if not sources:
        raise AnnotationError(
            f"there are no .npy recipes in {folder}",
            fix="give the folder that contains AIH_dataset; recipes in .npz or .json need no conversion",
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
        lines.append(f"{target}: {len(recipes)} recipes, {invalid} of them marked as failed by their authors")
    return lines
