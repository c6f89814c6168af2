"""STB, the Stereo Hand Pose Tracking Benchmark, as InterNet's authors parsed it or as originally released.

The formats are docs/spec/datasets.md, sections 4.1 and 4.4.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..errors import AnnotationError, ConfigError
from ..registry import DATASETS
from ..structures.boxes import joints_bbox
from ..structures.camera import camera_to_pixel
from ..structures.joints import FROM_STB, NUM_HAND_JOINTS, RIGHT_WRIST, RING_BASE
from .internet_json import read_parsed, skeleton_order
from .single_hand import LEFT, SingleHandDataset, SingleHands, first_existing, join, named_metainfo

TEST_SEQUENCES = ("B1Counting", "B1Random")
_SIZE = (640, 480)
_FRAMES = 1500
_PUBLISHED = {"train": 10 * _FRAMES, "test": 2 * _FRAMES}  # frames of one view

# View -> focal length px, principal point px, camera in whose frame the labels are.
_BUMBLEBEE = ((822.79041, 822.79041), (318.47345, 250.31296), "BB")
STB_VIEWS = {
    "BB_left": _BUMBLEBEE,
    "BB_right": _BUMBLEBEE,
    "SK_color": ((607.92271, 607.88192), (314.78337, 236.42484), "SK"),
}
_BASELINE_MM = 120.054
_COLOR_TO_DEPTH = (np.array([0.00531, -0.01196, 0.00301]), np.array([-24.0381, -0.4563, -1.2326]))  # Rodrigues, mm


@DATASETS.register_module()
class STBDataset(SingleHandDataset):
    """STB: real left hands in front of a stereo camera and a depth camera, 640 x 480 px.

    There are twelve sequences; two of them are the test split.

    Args:
        data_root: For the parsed form, the folder that contains `data/STB_{train,test}.json`, or the files themselves.
            For the original release, the folder with `labels/*.mat` and `images/`. If both forms exist, the parsed form
            is used.
        split: "train" or "test".
        views: Views of the original release, a subset of `STB_VIEWS`. Default: the stereo pair, for which results are
            usually reported.
        root: Joint that takes the place of the wrist in the original release. "palm" is the annotated palm center, to
            which published errors are relative. "wrist" is Zimmermann & Brox's estimate
            ``2 palm - base of ring finger``, for training together with data sets that annotate wrists.
        depth_source: "gt", or "rootnet" for RootNet's boxes and depths of the test split (parsed form only).
        rootnet_file: Output file of RootNet. Default: the file in `rootnet_output/`.
        cache_dir: Folder for the index of RootNet's output. Default: beside the file.
        **kwargs: Options of `SingleHandDataset`.

    Raises:
        AnnotationError: Neither form exists, or a file is broken, belongs to another data set or is a MATLAB 7.3 file.
    """

    METAINFO = named_metainfo("stb")

    def __init__(
        self,
        data_root: str,
        split: str = "train",
        views: Sequence[str] = ("BB_left", "BB_right"),
        root: str = "palm",
        depth_source: str = "gt",
        rootnet_file: str | None = None,
        cache_dir: str | None = None,
        **kwargs: Any,
    ) -> None:
        allowed = {"split": (split, tuple(_PUBLISHED)), "root": (root, ("palm", "wrist"))}
        allowed["depth_source"] = (depth_source, ("gt", "rootnet"))
        for name, (value, choices) in allowed.items():
            if value not in choices:
                raise ConfigError(f"{name} of STBDataset is unknown", got=value, want=" or ".join(choices))
        if not views or not set(views) <= set(STB_VIEWS):
            raise ConfigError(
                "views of STBDataset are unknown", got=list(views), want=f"some of {', '.join(STB_VIEWS)}"
            )
        super().__init__(**kwargs)
        folder = Path(data_root)
        parsed = first_existing([place / f"STB_{split}.json" for place in (folder / "data", folder)])
        if parsed is not None:
            if root != "palm":
                raise ConfigError(
                    "STBDataset: the parsed form cannot change its root joint", got=root, want="palm: joint 0 as it is"
                )
            hands, pixels = read_parsed(parsed, skeleton_order(parsed.with_name("skeleton.txt"), FROM_STB))
            self.open(hands, parsed.parent / "images", parsed, _PUBLISHED[split], pixels)
        else:
            hands = read_stb(folder / "labels", split, views, root)
            self.open(hands, folder / "images", folder / "labels", _PUBLISHED[split] * len(views))
        if depth_source == "rootnet":
            if parsed is None:
                raise ConfigError("STBDataset: depth_source 'rootnet' needs the parsed form", got=str(folder))
            default = folder / "rootnet_output" / "rootnet_stb_output.json"
            self.use_rootnet(Path(rootnet_file) if rootnet_file else default, cache_dir)


def read_stb(folder: Path, split: str, views: Sequence[str], root: str) -> SingleHands:
    """Read the labels of all sequences of a split.

    Args:
        folder: Folder `labels/`.
        split: "train" or "test".
        views: Views to read, a subset of `STB_VIEWS`.
        root: "palm" or "wrist"; see `STBDataset`.

    Returns:
        Table sorted by sequence, then view, then frame.

    Raises:
        AnnotationError: There are no labels, or a label file is missing or cannot be read.
    """
    found = sorted({path.stem.rpartition("_")[0] for path in folder.glob("*_*.mat")})
    wanted = [name for name in found if (name in TEST_SEQUENCES) == (split == "test")]
    if not wanted:
        raise AnnotationError(
            f"there are no labels of STB's split '{split}' in {folder}",
            got=f"sequences {found}" if found else "no .mat file",
            want="B1Counting_BB.mat and so on, or the parsed data/STB_{train,test}.json",
            fix="see docs/datasets/stb.md",
        )
    return join(
        [
            _sequence(folder, name, found.index(name), view, root)
            for name in wanted
            for view in STB_VIEWS
            if view in views
        ]
    )


def _sequence(folder: Path, name: str, number: int, view: str, root: str) -> SingleHands:
    focal, principal_pt, camera = STB_VIEWS[view]
    joints = read_labels(folder / f"{name}_{camera}.mat")[:, FROM_STB]
    if root == "wrist":
        joints[:, RIGHT_WRIST] = 2 * joints[:, RIGHT_WRIST] - joints[:, RING_BASE]
    joints = in_view(joints, view)
    frames, count = np.arange(len(joints)), len(joints)
    visible = np.ones((count, NUM_HAND_JOINTS), bool)
    pixels = camera_to_pixel(joints, np.array(focal), np.array(principal_pt))
    return SingleHands(
        # The id of a frame and view does not depend on which other views are read.
        ann_id=(number * 100_000 + frames) * len(STB_VIEWS) + list(STB_VIEWS).index(view),
        image=np.array([f"{name}/{view}_{i}.png" for i in frames], np.str_),
        image_size=np.tile(np.array(_SIZE, np.int32), (count, 1)),
        side=np.full(count, LEFT, np.uint8),
        joints_cam=joints.astype(np.float32),
        visible=visible,
        focal=np.tile(np.array(focal), (count, 1)),
        principal_pt=np.tile(np.array(principal_pt), (count, 1)),
        bbox=joints_bbox(pixels, visible),
    )


def in_view(joints: np.ndarray, view: str) -> np.ndarray:
    """Transform joints from the frame of the labels to the camera frame of a view.

    The labels of the stereo pair are in the frame of the left camera. The right camera is one baseline to the right of
    it. The labels of the RealSense camera are in the frame of its depth camera. The published motion maps color to
    depth, ``X_depth = R X_color + T``, and is inverted here.

    Args:
        joints: (..., 3) mm, frame of the labels.
        view: One of `STB_VIEWS`.

    Returns:
        (..., 3) mm, camera frame of the view.
    """
    if view == "BB_right":
        return joints - np.array([_BASELINE_MM, 0.0, 0.0])
    if view == "SK_color":
        rotation, translation = cv2.Rodrigues(_COLOR_TO_DEPTH[0])[0], _COLOR_TO_DEPTH[1]
        return (joints - translation) @ rotation
    return joints


def read_labels(path: Path) -> np.ndarray:
    """Read the variable `handPara` of one sequence.

    Returns:
        (frames, 21, 3) float64 mm in STB's joint order.

    Raises:
        AnnotationError: The file is missing, is not a MATLAB file of version 5 to 7, or does not contain a variable
            `handPara` of shape (3, 21, frames).
    """
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    if not path.is_file():
        raise AnnotationError(f"file cannot be read: {path}", got="no such file", fix="download STB's labels again")
    try:
        content = loadmat(path, variable_names=["handPara"])
        if "handPara" not in content:
            names = [name for name, *_ in whosmat(path)]
            raise AnnotationError(f"{path} has no variable 'handPara'", got=names, fix="download STB's labels again")
    except NotImplementedError as error:
        raise AnnotationError(
            f"{path} is a MATLAB 7.3 file (HDF5)", want="version 5 to 7, as STB is published",
            fix=f"in MATLAB: load, then save('{path.name}', 'handPara', '-v7')",
        ) from error  # fmt: skip
    except (MatReadError, OSError, ValueError, TypeError, EOFError, IndexError, MemoryError, zlib.error) as error:
        raise AnnotationError(
            f"not a complete MATLAB file: {path}", got=f"{type(error).__name__}: {error}", fix="download it again"
        ) from error
    values = content["handPara"]
    numbers = isinstance(values, np.ndarray) and values.dtype.kind in "fiu"
    if not numbers or values.ndim != 3 or values.shape[:2] != (3, NUM_HAND_JOINTS):
        raise AnnotationError(
            f"{path}: 'handPara' has another form",
            got=getattr(values, "shape", type(values)),
            want=f"(3, {NUM_HAND_JOINTS}, frames)",
        )
    return values.transpose(2, 1, 0).astype(np.float64)
