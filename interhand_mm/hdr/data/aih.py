"""AIH (Amodal Interacting Hands, from HDR): AIH_Render and AIH_Syn as released (docs/spec/hdr.md, section 5)."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log

from ...datasets.base import HandDataset
from ...errors import AnnotationError, ConfigError, DataContractError, ImageError
from ...registry import DATASETS
from ..masks import MASK_NAMES
from .aih_recipes import check_rows, find_recipes, read_list, read_recipes

_SUBSETS = ("human_annot", "machine_annot")
_FOLDERS = {"syn": "AIH_syn", "render": "AIH_render"}
AIH_SIZE = 256


@DATASETS.register_module()
class AIHDataset(HandDataset):
    """Images of two hands, the same images with one hand alone, and amodal and visible masks.

    The part *render* has rendered triples. For each annotation subset, the samples whose target is the right hand come
    first, then those whose target is the left hand. The part *syn* has pairs of single-hand crops, which
    `SynthesizeInteraction` combines by the stored recipes. With `online`, each listed crop is the target once, right
    before left, and the sample's generator draws a crop of the other side as its partner.

    An item names its files, and `LoadAIH` reads them. `AmodalSample` lists the fields of a sample.

    Args:
        data_root: The folder AIH_dataset, or the one that contains it.
        split: "train", "val" or "test".
        part: "syn" or "render".
        annot_subset: "human_annot", "machine_annot", or "all" of those that exist.
        online: For "syn": draw partners and geometry anew instead of using the stored recipes.
        **kwargs: Arguments of `HandDataset`. With ``strict='skip'``, render samples with a missing file are left out
            and counted.

    Raises:
        AnnotationError: Folders, lists or recipes are missing or contradict each other.
    """

    def __init__(
        self,
        data_root: str,
        split: str = "train",
        part: str = "syn",
        annot_subset: str = "all",
        online: bool = False,
        **kwargs: Any,
    ) -> None:
        if part not in _FOLDERS:
            raise ConfigError("AIHDataset.part is unknown", got=part, want=" or ".join(_FOLDERS))
        if annot_subset not in ("all", *_SUBSETS):
            raise ConfigError(
                "AIHDataset.annot_subset is unknown", got=annot_subset, want="all or " + " or ".join(_SUBSETS)
            )
        super().__init__(**kwargs)
        root = Path(data_root)
        self.root = (root / "AIH_dataset" if (root / "AIH_dataset").is_dir() else root) / _FOLDERS[part]
        self.split, self.part, self.online = split, part, online
        # The published order (docs/spec/datasets.md, section 8): machine first in AIH_Syn, human first in AIH_Render.
        order = _SUBSETS if part == "render" else _SUBSETS[::-1]
        self.subsets = [s for s in order if annot_subset in ("all", s) and (self.root / s / split).is_dir()]
        if not self.subsets:
            raise AnnotationError(
                f"no AIH data for split '{split}', annot_subset '{annot_subset}' under {self.root}",
                want=f"a folder {self.root / order[0] / split}",
                fix="--data-root with the folder that holds AIH_dataset; tools/make_synthetic.py --aih makes one",
            )
        # One row per sample: (subset, side, index in `_names`) for "render", (subset, recipe or target) for "syn".
        self._rows = self._open_render() if part == "render" else self._open_syn()

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._rows)

    # --- AIH_Render ---

    def _files(self, subset: str, side: str, name: str) -> dict[str, str]:
        base = self.root / subset / self.split
        images, labels = base / "images" / f"{side}_images", base / "labels" / f"in_{side}_images"
        return {
            "img_path": str(images / "IH" / f"{name}.jpg"),
            "clean_path": str(images / "DR_gt" / f"{name}.jpg"),
            "amodal_path": str(labels / f"{side}_amodal" / f"{name}.png"),
            "visible_path": str(labels / "rl_visible" / f"{name}.png"),
        }

    def _open_render(self) -> np.ndarray:
        names: list[str] = []
        rows, lost, first = [], 0, ""
        for s, subset in enumerate(self.subsets):
            for side in "rl":
                folders = {key: Path(path).parent for key, path in self._files(subset, side, "x").items()}
                if not any(folder.is_dir() for folder in folders.values()):
                    continue
                found = {key: _stems(folder) for key, folder in folders.items()}
                whole = set.intersection(*found.values())
                for name in sorted(set.union(*found.values()) - whole):
                    missing = next(key for key in found if name not in found[key])
                    first = first or self._files(subset, side, name)[missing]
                    lost += 1
                for name in sorted(whole, key=lambda text: (len(text), text)):
                    rows.append((s, "rl".index(side), len(names)))
                    names.append(name)
        if lost:
            self._complain(f"{lost} samples miss a file; the first is {first}")
        if not rows:
            raise AnnotationError(
                f"there is no whole sample under {self.root} for split '{self.split}'",
                want="images/{r,l}_images/{IH,DR_gt} and labels/in_{r,l}_images/{r,l}_amodal, rl_visible",
                fix="unpack the archive again",
            )
        self._names = np.array(names)  # one block of memory that loader workers share
        return np.array(rows, np.int64)

    def _complain(self, what: str) -> None:
        """Raise an error, or log a warning with ``strict='skip'``."""
        if self.strict == "error":
            raise AnnotationError(
                f"split '{self.split}' under {self.root}: {what}",
                fix="unpack the archive again, or set strict='skip' to leave these samples out (they are counted)",
            )
        print_log(f"split '{self.split}' under {self.root}: {what}; left out", "current", logging.WARNING)

    # --- AIH_Syn ---

    def _open_syn(self) -> np.ndarray:
        self._lists: list[tuple[np.ndarray, np.ndarray]] = []
        self._recipes: list[Any] = []
        rows = []
        for s, subset in enumerate(self.subsets):
            lists = [
                read_list(self.root / "filtered_list" / f"{subset}_{self.split}_sh_{side}_filtered.txt")
                for side in ("right", "left")
            ]
            self._lists.append((lists[0], lists[1]))
            lengths = len(lists[0]), len(lists[1])
            if self.online:
                usable = np.arange(sum(lengths) if min(lengths) else 0)
            else:
                path = find_recipes(self.root / "syn_cfgs", subset, self.split)
                self._recipes.append(read_recipes(path))
                usable = check_rows(path, self._recipes[-1], lengths)
            rows.append(np.column_stack([np.full(len(usable), s), usable]))
        made = np.concatenate(rows)
        if not len(made):
            raise AnnotationError(
                f"there are no pairs to combine under {self.root} for split '{self.split}'",
                want="crops of right and left hands in filtered_list, and recipes that name them",
            )
        return made

    def _source(self, subset: int, side: int, row: int) -> dict[str, Any]:
        s, base = "rl"[side], self.root / self.subsets[subset] / self.split
        stem = self._lists[subset][side][row]
        return {
            "img_path": str(base / "images" / f"{s}_images" / f"{stem}.jpg"),
            "amodal_path": str(base / "labels" / f"in_{s}_images" / f"{s}_amodal" / f"{stem}.png"),
            "side": side,
        }

    def _syn_item(self, subset: int, number: int) -> dict[str, Any]:
        """Return the item of a target and its partner. With `online` the partner is drawn later."""
        if self.online:
            right = len(self._lists[subset][0])
            side, row = (0, number) if number < right else (1, number - right)
            return {"target": side, "sources": [self._source(subset, side, row)]}
        recipes = self._recipes[subset]
        side = int(recipes.target_side[number])
        pair = [(side, recipes.target_row[number]), (1 - side, recipes.other_row[number])]
        moves = [recipes.right[number], recipes.left[number]]
        return {
            "target": side,
            "sources": [self._source(subset, *hand) for hand in pair],
            "recipe": {"target": moves[side], "other": moves[1 - side]},
        }

    # --- both ---

    def load_item(self, idx: int) -> dict[str, Any]:
        """Return sample `idx` as file names, without pixels."""
        subset, *rest = (int(value) for value in self._rows[idx])
        if self.part == "syn":
            item = self._syn_item(subset, rest[0])
            item["img_path"] = item["sources"][0]["img_path"]
        else:
            side, name = rest
            item = {"target": side, **self._files(self.subsets[subset], "rl"[side], str(self._names[name]))}
        item["sample_id"] = f"{self.part}/{self.subsets[subset]}/{self.split}/{'/'.join(map(str, rest))}"
        return {**item, "ann_id": idx, "dataset_name": f"aih_{self.part}"}

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return sample `idx` with its generator. With `online`, the generator's first draw is the partner."""
        sample = super().get_data_info(idx)
        if self.part == "syn" and self.online:
            subset = int(self._rows[sample["sample_idx"] - self.first_idx][0])
            side = 1 - sample["target"]
            row = int(sample["rng"].integers(len(self._lists[subset][side])))
            sample["sources"].append(self._source(subset, side, row))
        return sample

    def check(self, sample: dict[str, Any]) -> None:
        """Check that an item has a target and names its files."""
        if sample["target"] not in (0, 1) or not ("sources" in sample or "clean_path" in sample):
            raise DataContractError("an item of AIHDataset has no target or names no files", got=sorted(sample))

    @staticmethod
    def _blank(sample: dict[str, Any], error: ImageError) -> dict[str, Any]:
        sample.pop("sources", None)
        sample.update(
            skipped=str(error),
            img=np.zeros((AIH_SIZE, AIH_SIZE, 3), np.uint8),
            masks=np.zeros((len(MASK_NAMES), AIH_SIZE, AIH_SIZE), np.uint8),
            masks_valid=np.zeros(len(MASK_NAMES), np.float32),
            clean=np.zeros((2, AIH_SIZE, AIH_SIZE, 3), np.uint8),
            clean_valid=np.zeros(2, np.float32),
        )
        return sample


def _stems(folder: Path) -> set[str]:
    """Return the names of a folder's files without their suffixes; empty if there is no folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name.rsplit(".", 1)[0] for entry in entries if not entry.name.startswith(".")}
    except OSError:
        return set()
