"""Find the checkpoint to continue a run from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import CheckpointError
from .io import read_checkpoint

_COUNTED = re.compile(r"(epoch|iter)_(\d+)\.pth")


class Newest(NamedTuple):
    """A checkpoint of a work directory.

    Attributes:
        path: Its file.
        checkpoint: Its content.
        problems: Why it is not the file that `last_checkpoint` names, one sentence each; usually empty.
    """

    path: Path
    checkpoint: dict[str, Any]
    problems: list[str]


def newest_checkpoint(work_dir: str | Path) -> Newest | None:
    """Return the newest complete checkpoint of a work directory, or None if a run has not saved any there.

    `last_checkpoint` names it. Only the name counts, because the folder may have been copied or renamed. If the file is
    missing or cut short, the newest complete one beside it is taken.

    Args:
        work_dir: Folder of the run.

    Raises:
        CheckpointError: There are checkpoints, but none is complete, or `last_checkpoint` names a missing file and no
            other is there.
    """
    folder = Path(work_dir)
    pointer = folder / "last_checkpoint"
    named = re.split(r"[\\/]", pointer.read_text(encoding="utf-8").strip())[-1] if pointer.is_file() else ""
    kind = named.partition("_")[0]
    saved = {path.name: match for path in folder.glob("*.pth") if (match := _COUNTED.fullmatch(path.name))}
    order = sorted(saved, key=lambda name: (saved[name][1] == kind, int(saved[name][2])), reverse=True)
    problems: list[str] = []
    for name in dict.fromkeys([*([named] if named else []), *order]):
        try:
            checkpoint = read_checkpoint(folder / name)
        except CheckpointError as error:
            problems.append(f"{error.what}; an older checkpoint is taken")
        else:
            return Newest(folder / name, checkpoint, problems)
    if problems:
        raise CheckpointError(
            f"no checkpoint in {folder} can be resumed from",
            got="; ".join(problem.partition(";")[0] for problem in problems),
            fix=f"copy the checkpoint to {folder} again, or use another --work-dir for a new training",
        )
    return None
