"""FreiHAND v2 as published: JSON lists, and four versions of every training image.

The format is docs/spec/datasets.md, section 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta

from ..errors import AnnotationError, ConfigError
from ..registry import DATASETS
from ..structures.boxes import joints_bbox, square_bbox
from ..structures.joints import FROM_FREIHAND, NUM_HAND_JOINTS
from ..utils.json_stream import FIX_FILE, read_records
from .single_hand import RIGHT, SingleHandDataset, SingleHands, named_metainfo

VERSIONS = ("gs", "hom", "sample", "auto")  # green screen, and three ways to replace it
_SPLITS = ("train", "val", "trainval", "test")
IMAGE_SIDE_PX = 224
_PUBLISHED = {"training": 32_560, "evaluation": 3_960}
_UNKNOWN_MM = 700.0  # depth of a wrist that is not annotated: about the mean of the data set; no metric uses it

_Row = Annotated[list[float | None], Meta(min_length=3, max_length=3)]
_LISTS: dict[str, Any] = {
    "K": Annotated[list[_Row], Meta(min_length=3, max_length=3)],
    "xyz": Annotated[list[_Row], Meta(min_length=NUM_HAND_JOINTS, max_length=NUM_HAND_JOINTS)],
    "scale": float | Annotated[list[float], Meta(min_length=1, max_length=1)],
}
_SHAPES = {"K": (3, 3), "xyz": (NUM_HAND_JOINTS, 3), "scale": ()}


@DATASETS.register_module()
class FreiHANDDataset(SingleHandDataset):
    """FreiHAND: images of real right hands, 224 x 224 px, with joints from a fitted MANO model.

    Each training image exists with four versions of the background: annotation i belongs to the images i, n + i, 2n + i
    and 3n + i with n = 32,560. The splits "train" and "val" divide the annotations, so that no version of a validation
    image is used for training: "val" is the last `val_share` of them. "test" is the evaluation set. Its ground truth
    was released later; without it no joint is visible there.

    Args:
        data_root: Folder with `training/`, `evaluation/` and the lists `training_K.json` and so on.
        split: "train", "val", "trainval" or "test".
        versions: Versions of the training images, a subset of `VERSIONS`. Default: the green screen for "val", all
            versions for the other splits.
        box: "joints" crops the square around the annotated joints, "image" the whole image, which needs no ground
            truth. Default: "image" for "test", "joints" for the other splits.
        val_share: Share of the annotations that "val" contains.
        **kwargs: Options of `SingleHandDataset`.

    Raises:
        AnnotationError: A list is missing or broken, the lists have different lengths, or images of a version are
            missing.
    """

    METAINFO = named_metainfo("freihand")

    def __init__(
        self,
        data_root: str,
        split: str = "train",
        versions: Sequence[str] | None = None,
        box: str | None = None,
        val_share: float = 0.1,
        **kwargs: Any,
    ) -> None:
        versions = tuple(versions or (VERSIONS if split != "val" else VERSIONS[:1]))
        box = box or ("image" if split == "test" else "joints")
        allowed = {"split": ((split,), _SPLITS), "box": ((box,), ("joints", "image")), "versions": (versions, VERSIONS)}
        for name, (values, choices) in allowed.items():
            if not set(values) <= set(choices):
                raise ConfigError(f"{name} of FreiHANDDataset is unknown", got=list(values), want=" or ".join(choices))
        if not 0 < val_share < 1:
            raise ConfigError("FreiHANDDataset: val_share must be between 0 and 1", got=val_share)
        super().__init__(**kwargs)
        self.root, self.box = Path(data_root), box
        part = "evaluation" if split == "test" else "training"
        lists = read_lists(self.root, part)
        self.unique = len(lists["K"])
        first_val = self.unique - max(1, round(val_share * self.unique))
        rows = {"train": np.arange(first_val), "val": np.arange(first_val, self.unique)}.get(
            split, np.arange(self.unique)
        )
        blocks = [0] if part == "evaluation" else [VERSIONS.index(version) for version in versions]
        check_versions(self.root / part / "rgb", blocks, self.unique, part == "training")
        hands = _table(lists, rows, blocks, f"{part}/rgb")
        source, published = self.root / f"{part}_K.json", _PUBLISHED[part] * len(blocks)
        kept = self.open(hands, self.root, source, published)
        scale = lists.get("scale")
        self._bone_mm = None if scale is None else 1000.0 * np.tile(scale[rows], len(blocks))[kept]
        masks = self.root / part / "mask"
        self._masks = masks if masks.is_dir() else None

    @property
    def protocol(self) -> dict[str, str]:
        """Return the sources as `SingleHandDataset.protocol` does; the box "image" uses no ground truth."""
        return {"box": {"joints": "gt", "image": "image"}[self.box], "depth": "gt"}

    def load_item(self, idx: int) -> dict[str, Any]:
        """Return sample `idx`, with the published bone length as `bone_mm` and the `mask_path` of training images."""
        sample = super().load_item(idx)
        if self._bone_mm is not None:
            sample["bone_mm"] = np.float32(self._bone_mm[idx])
        if self._masks is not None:
            sample["mask_path"] = str(self._masks / f"{sample['ann_id'] % self.unique:08d}.jpg")
        return sample

    def box_and_depth(self, idx: int, wrist_mm: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the square to crop and the depths; see `SingleHandDataset.box_and_depth`."""
        if self.box == "image":
            return np.array([0.0, 0.0, IMAGE_SIDE_PX, IMAGE_SIDE_PX]), np.full(2, wrist_mm)
        return square_bbox(self.hands.bbox[idx]), np.full(2, wrist_mm)


def read_lists(root: Path, part: str) -> dict[str, np.ndarray]:
    """Read `<part>_K.json`, `<part>_xyz.json` and, if it exists, `<part>_scale.json`.

    Args:
        root: Folder of the data set.
        part: "training" or "evaluation". The xyz list of "evaluation" may be missing.

    Returns:
        `K` (n, 3, 3) px; `xyz` (n, 21, 3) meters in FreiHAND's joint order, NaN where the list is missing; `scale`
        (n,) meters, if the list exists.

    Raises:
        AnnotationError: See `FreiHANDDataset`. The message names the file and the entry.
    """
    lists: dict[str, np.ndarray] = {}
    for name, type_ in _LISTS.items():
        path = root / f"{part}_{name}.json"
        if not path.is_file() and (name == "scale" or (name, part) == ("xyz", "evaluation")):
            continue
        records = [record for _, block in read_records(path, {"": type_}) for record in block]
        if name == "scale":
            records = [record[0] if isinstance(record, list) else record for record in records]
        lists[name] = np.array(records, np.float64).reshape(-1, *_SHAPES[name])
        broken = np.flatnonzero(~np.isfinite(lists[name]).reshape(len(records), -1).all(1))
        if len(broken):
            raise AnnotationError(f"{path}: entry {broken[0]} is not a number", fix=FIX_FILE)
    count = len(lists["K"])
    for name, values in lists.items():
        if len(values) != count:
            raise AnnotationError(
                f"lists of FreiHAND have different lengths: {root / f'{part}_{name}.json'}", got=len(values),
                want=f"{count}, as in {part}_K.json", fix=FIX_FILE,
            )  # fmt: skip
    skewed = np.flatnonzero((lists["K"][:, 0, 1] != 0) | (lists["K"][:, 2] != (0, 0, 1)).any(1))
    if len(skewed):
        first = int(skewed[0])
        raise AnnotationError(
            f"{root / f'{part}_K.json'}: entry {first} is not a camera matrix without skew",
            got=lists["K"][first].tolist(), want="[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]",
        )  # fmt: skip
    if part == "training" and "xyz" not in lists:
        raise AnnotationError(f"file is missing: {root / 'training_xyz.json'}")
    lists.setdefault("xyz", np.full((count, NUM_HAND_JOINTS, 3), np.nan))
    return lists


def check_versions(folder: Path, blocks: Sequence[int], unique: int, versioned: bool) -> None:
    """Check that the first and the last image of each version exist.

    Args:
        folder: Folder of the images.
        blocks: Numbers of the versions, as positions in `VERSIONS`.
        unique: Number of images of one version.
        versioned: True for the training images, which have versions.

    Raises:
        AnnotationError: An image is missing.
    """
    for block in blocks:
        for number in (block * unique, (block + 1) * unique - 1):
            path = folder / f"{number:08d}.jpg"
            if not path.is_file():
                name = f"version '{VERSIONS[block]}'" if versioned else "the evaluation set"
                raise AnnotationError(
                    f"FreiHAND's images of {name} are missing: {path}",
                    want=f"images {block * unique} to {(block + 1) * unique - 1}",
                    fix="unpack FreiHAND_pub_v2.zip again"
                    + (", or choose others with versions=('gs',)" if versioned else ""),
                )


def _table(lists: dict[str, np.ndarray], rows: np.ndarray, blocks: Sequence[int], folder: str) -> SingleHands:
    intrinsics, joints = lists["K"][rows], 1000.0 * lists["xyz"][rows][:, FROM_FREIHAND]
    visible = np.isfinite(joints).all(-1)
    unknown = ~visible.any(1)
    joints[unknown] = (0.0, 0.0, _UNKNOWN_MM)
    focal, principal_pt = intrinsics[:, [0, 1], [0, 1]], intrinsics[:, :2, 2]
    unique = len(lists["K"])
    ids = np.concatenate([block * unique + rows for block in blocks])
    one = SingleHands(
        ann_id=rows,
        image=rows,
        image_size=np.full((len(rows), 2), IMAGE_SIDE_PX, np.int32),
        side=np.full(len(rows), RIGHT, np.uint8),
        joints_cam=joints.astype(np.float32),
        visible=visible,
        focal=focal,
        principal_pt=principal_pt,
        bbox=np.zeros((len(rows), 4)),
    )
    boxes = np.where(
        unknown[:, None], np.array([0.0, 0.0, IMAGE_SIDE_PX, IMAGE_SIDE_PX]), joints_bbox(one.pixels, visible)
    )
    hands = one._replace(bbox=boxes).take(np.tile(np.arange(len(rows)), len(blocks)))
    return hands._replace(ann_id=ids, image=np.array([f"{folder}/{i:08d}.jpg" for i in ids], np.str_))
