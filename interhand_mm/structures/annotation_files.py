"""Where the annotation files of InterHand2.6M's format lie."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..errors import AnnotationError


class AnnotationFiles(NamedTuple):
    """The three annotation files of one split."""

    data: Path
    camera: Path
    joint_3d: Path


def find_annotations(data_root: str | Path, split: str, annot_subset: str = "all") -> AnnotationFiles:
    """Find the files of a split in the layout of v1.0 or, failing that, in the older one with annotation subsets.

    Args:
        data_root: Folder that contains `annotations` and `images`.
        split: "train", "val" or "test".
        annot_subset: "all", "human_annot" or "machine_annot". Ignored for v1.0, which has no subsets.

    Raises:
        AnnotationError: Neither layout has all three files. The message lists the expected and the existing files.
    """
    root = Path(data_root) / "annotations"
    folders = [root / split, root / annot_subset]
    for folder in folders:
        files = AnnotationFiles(*(folder / f"InterHand2.6M_{split}_{part}.json" for part in AnnotationFiles._fields))
        absent = [path for path in files if not path.is_file()]
        if not absent:
            return files
        if len(absent) < len(files):
            raise AnnotationError(
                f"annotations of split '{split}' in {folder} are not complete",
                got="missing: " + ", ".join(path.name for path in absent),
                fix="unpack the annotation archive again",
            )
    looked = " or ".join(str(folder / f"InterHand2.6M_{split}_data.json") for folder in folders)
    existing = [f"{path.parent.name}/{path.name}" for path in sorted(root.glob("*/InterHand2.6M_*_data.json"))]
    fix = "set data_root to the folder that contains annotations/ and images/, or choose a split that exists"
    if split == "val":
        fix += "; in the older layout val exists only with annot_subset='machine_annot'"
    raise AnnotationError(
        f"there are no annotations of split '{split}', annot_subset '{annot_subset}' under {data_root}",
        got=", ".join(existing) or ("an empty annotations folder" if root.is_dir() else f"no folder {root}"),
        want=looked,
        fix=fix,
    )
