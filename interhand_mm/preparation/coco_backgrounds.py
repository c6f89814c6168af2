"""Background lists from COCO, training and test photographs apart."""

from __future__ import annotations

import os
from pathlib import Path

from ..datasets.coco_backgrounds import choose_backgrounds, there
from ..errors import AnnotationError
from ..utils.provenance import write_text

SPLITS = ("train", "val")


def prepare_coco_backgrounds(root: str, out: str | None = None, min_side_px: int = 334) -> list[str]:
    """Write `backgrounds_{train,val}.txt`, which `--backgrounds` takes in place of folders.

    Args:
        root: Folder with `annotations/instances_{train,val}2017.json` and `{train,val}2017/`. One split may lack.
        out: Where the lists go; None is the root.
        min_side_px: See `choose_backgrounds`; 334 is the shorter side of InterHand2.6M's frames.

    Returns:
        Lines that say what was kept and left out.

    Raises:
        AnnotationError: No split is there, a file is broken, a folder is missing, none is left, or a photograph
            stands in both lists.
    """
    folder, lines, lists = Path(root), [], {}
    for split in SPLITS:
        instances = folder / "annotations" / f"instances_{split}2017.json"
        if not instances.is_file():
            lines.append(f"{split}: no {instances}")
            continue
        choice = choose_backgrounds(instances, min_side_px)
        present = there(choice.names, folder / f"{split}2017")
        lists[split] = [name for name, found in zip(choice.names, present, strict=True) if found]
        missing = len(present) - int(present.sum())
        if not lists[split]:
            raise AnnotationError(
                f"no photograph of {instances} can be used",
                got=f"{choice.with_people} with people, {choice.too_small} small, {missing} not in {split}2017",
                mend="unpack COCO's pictures, or lower --min-side",
            )
        lines.append(
            f"{split}: {len(lists[split])} of {choice.photographs} photographs; left out: {choice.with_people} with "
            f"people, {choice.too_small} with a side under {min_side_px} px, {missing} not in {split}2017"
        )
    if not lists:
        raise AnnotationError(
            f"no annotations/instances_{{train,val}}2017.json in {root}", mend="unpack COCO's annotations_trainval2017"
        )
    if both := set(lists.get("train", ())) & set(lists.get("val", ())):
        raise AnnotationError("photographs of both train and val", got=f"{len(both)}, first {min(both)}")
    for split, names in lists.items():
        target = Path(out or root) / f"backgrounds_{split}.txt"
        base = os.path.relpath(folder / f"{split}2017", target.parent)
        head = (
            f"# COCO {split}2017 without people, shorter side at least {min_side_px} px; paths from this file's folder"
        )
        write_text(target, "".join(f"{line}\n" for line in [head, *(f"{base}/{name}" for name in names)]))
        lines.append(f"written to {target}")
    return lines
