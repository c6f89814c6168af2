"""RHD, the Rendered Hand Pose data set, as InterNet's authors parsed it or as originally released.

The formats are docs/spec/datasets.md, sections 4.1 to 4.3.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import AnnotationError, ConfigError
from ..registry import DATASETS
from ..structures.boxes import joints_bbox
from ..structures.joints import FROM_RHD, NUM_HAND_JOINTS, NUM_JOINTS
from ..utils.safe_pickle import read_pickle
from .internet_json import read_parsed, skeleton_order
from .single_hand import LEFT, RIGHT, SingleHandDataset, SingleHands, first_existing, named_metainfo

FOLDERS = {"train": "training", "test": "evaluation"}
NUM_PUBLISHED = {"train": 41_258, "test": 2_728}
_SIZE = 320
_ENTRY = {"uv_vis": (NUM_JOINTS, 3), "xyz": (NUM_JOINTS, 3), "K": (3, 3)}


@DATASETS.register_module()
class RHDDataset(SingleHandDataset):
    """RHD: rendered hands with exact joints, 320 x 320 px, one hand per sample.

    Images of the original release show two hands. The sample is the hand with more visible joints or, if both have the
    same number, the nearer one. Only its visible joints count. An image with fewer than two visible joints is left out.

    Args:
        data_root: For the parsed form, the folder that contains `data/RHD_{training,evaluation}.json`, or the files
            themselves. For the original release, `RHD_published_v2` or its parent folder. If both forms exist, the
            parsed form is used.
        split: "train" or "test".
        depth_source: "gt", or "rootnet" for RootNet's boxes and depths of the test split (parsed form only).
        rootnet_file: Output file of RootNet. Default: the file in `rootnet_output/`.
        cache_dir: Folder for the index of RootNet's output. Default: beside the file.
        **kwargs: Options of `SingleHandDataset`.

    Raises:
        AnnotationError: Neither form exists, or a file is broken or belongs to another data set. `UnsafeFileError` if a
            file would have run code.
    """

    METAINFO = named_metainfo("rhd")

    def __init__(
        self,
        data_root: str,
        split: str = "train",
        depth_source: str = "gt",
        rootnet_file: str | None = None,
        cache_dir: str | None = None,
        **kwargs: Any,
    ) -> None:
        if split not in FOLDERS:
            raise ConfigError("split of RHDDataset is unknown", got=split, want=" or ".join(FOLDERS))
        if depth_source not in ("gt", "rootnet"):
            raise ConfigError("depth_source of RHDDataset is unknown", got=depth_source, want="gt or rootnet")
        super().__init__(**kwargs)
        root, folder = Path(data_root), FOLDERS[split]
        parsed = first_existing([place / f"RHD_{folder}.json" for place in (root / "data", root)])
        original = first_existing(
            [place / folder / f"anno_{folder}.pickle" for place in (root, root / "RHD_published_v2")]
        )
        if parsed is not None:
            order = skeleton_order(parsed.with_name("skeleton.txt"), FROM_RHD)
            hands, pixels = read_parsed(parsed, order)
            self.open(hands, parsed.parent / folder / "color", parsed, NUM_PUBLISHED[split], pixels)
        elif original is not None:
            hands, pixels = read_rhd(original)
            self.open(hands, original.parent / "color", original, NUM_PUBLISHED[split], pixels)
        else:
            raise AnnotationError(
                f"there are no RHD annotations of split '{split}' under {root}",
                want=f"{root / 'data' / f'RHD_{folder}.json'} or {root / folder / f'anno_{folder}.pickle'}",
                fix="see docs/datasets/rhd.md",
            )
        if depth_source == "rootnet":
            if parsed is None:
                raise ConfigError(
                    "RHDDataset: depth_source 'rootnet' needs the parsed form", got=original,
                    fix="use the parsed form, whose annotation ids RootNet's output refers to",
                )  # fmt: skip
            default = root / "rootnet_output" / "rootnet_rhd_output.json"
            self.use_rootnet(Path(rootnet_file) if rootnet_file else default, cache_dir)


def read_rhd(path: Path) -> tuple[SingleHands, np.ndarray]:
    """Read `anno_<set>.pickle` without running code from it.

    Args:
        path: Pickle with one entry per image number: `uv_vis` (42, 3), pixels and visibility 0 or 1; `xyz` (42, 3)
            meters; `K` (3, 3) px. The left hand comes first.

    Returns:
        Table of the hands, and the annotated joints in the image, (N, 21, 2) px in our order.

    Raises:
        AnnotationError: The file cannot be read or is another pickle.
    """
    content = read_pickle(path)
    if not isinstance(content, dict) or not content:
        raise _other_pickle(path, type(content).__name__)
    odd = next((key for key in content if type(key) is not int), None)
    if odd is not None:
        raise _other_pickle(path, f"the key {odd!r}")
    numbers = sorted(content)
    columns = {key: np.stack([_entry(path, n, content[n], key) for n in numbers]) for key in _ENTRY}
    uv_vis, xyz, intrinsics = (columns[key] for key in _ENTRY)
    skewed = np.flatnonzero(intrinsics[:, 0, 1] != 0)
    if len(skewed):
        raise AnnotationError(f"{path}: entry {numbers[skewed[0]]}: 'K' has a skew", got=intrinsics[skewed[0], 0, 1])
    halves = (len(numbers), 2, NUM_HAND_JOINTS)
    visible = uv_vis[..., 2].reshape(halves) > 0.5
    joints = 1000.0 * xyz.reshape(*halves, 3)
    # The left hand comes first in the pickle, so index 0 of the second axis is the left hand.
    count, depth = visible.sum(-1), joints[:, :, 0, 2]
    second = (count[:, 1] > count[:, 0]) | ((count[:, 1] == count[:, 0]) & (depth[:, 1] < depth[:, 0]))
    rows, chosen = np.arange(len(numbers)), second.astype(int)
    visible = visible[rows, chosen][:, FROM_RHD]
    pixels = uv_vis[..., :2].reshape(*halves, 2)[rows, chosen][:, FROM_RHD]
    hands = SingleHands(
        ann_id=np.array(numbers, np.int64),
        image=np.array([f"{n:05d}.png" for n in numbers], np.str_),
        image_size=np.full((len(numbers), 2), _SIZE, np.int32),
        side=np.where(second, RIGHT, LEFT).astype(np.uint8),
        joints_cam=joints[rows, chosen][:, FROM_RHD].astype(np.float32),
        visible=visible,
        focal=intrinsics[:, [0, 1], [0, 1]],
        principal_pt=intrinsics[:, :2, 2],
        bbox=joints_bbox(pixels, visible),
    )
    shown = visible.sum(1) > 1
    return hands.take(shown), pixels[shown]


def _entry(path: Path, number: int, entry: Any, key: str) -> np.ndarray:
    if not isinstance(entry, dict) or key not in entry:
        found = f"keys {list(entry)[:8]}" if isinstance(entry, dict) else type(entry).__name__
        raise _other_pickle(path, f"entry {number} with {found}")
    value = entry[key]
    if not isinstance(value, np.ndarray) or value.shape != _ENTRY[key] or value.dtype.kind not in "fiu":
        found = value.shape if isinstance(value, np.ndarray) else type(value).__name__
        want = f"numbers of shape {_ENTRY[key]}"
        raise AnnotationError(f"{path}: entry {number}: '{key}' has another form", got=found, want=want)
    return value.astype(np.float64)


def _other_pickle(path: Path, got: str) -> AnnotationError:
    return AnnotationError(
        f"not an annotation file of RHD: {path}",
        got=got,
        want="image number -> {'uv_vis', 'xyz', 'K'}",
        fix="unpack RHD_v1-1.zip again",
    )
