"""InterHand2.6M: both published layouts, 5 and 30 fps, boxes and depths from the annotation or from RootNet."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log

from ..errors import AnnotationError, ConfigError
from ..registry import DATASETS
from ..structures.boxes import square_bbox
from ..structures.camera import camera_to_pixel, world_to_camera
from ..structures.joints import LEFT_WRIST, OWN_WRIST, RIGHT_WRIST, WRISTS
from .annotations.blocklist import read_blocklist
from .annotations.detected_boxes import read_boxes
from .annotations.index import (
    HAND_TYPES,
    HandIndex,
    ProblemKind,
    find_annotations,
    open_index,
    open_rootnet,
    usable_joints,
    validity_flags,
)
from .base import HandDataset, require_samples
from .crop_cache import CropCache

_PLACEHOLDER_MM = 1.0  # coordinate in the files for a joint without 3D; NaN joints get the same


@DATASETS.register_module()
class InterHandDataset(HandDataset):
    """InterHand2.6M from a memory-mapped index, in the official order: single hands first, then interacting hands.

    The format is docs/spec/datasets.md, section 1.

    Args:
        data_root: Folder with `images/` and `annotations/`. The releases of 5 and 30 fps have one folder each.
        split: "train", "val" or "test".
        annot_subset: "all", "human_annot" or "machine_annot", a folder of the older layout. Ignored for v1.0.
        depth_source: "gt" uses the annotated boxes, squared and enlarged, and the annotated wrist depths. "rootnet"
            uses RootNet's boxes, unchanged, and RootNet's depths.
        rootnet_file: Output file of RootNet. Default: the file in `rootnet_output/`.
        fps: 5 or 30. Selects RootNet's file.
        ann_ids_file: Text file with one annotation id per line. Only these samples are used, for example the H subset.
        hand_types: Any of "right", "left" and "interacting". Only these samples are used. Default: all.
        blocklist: File of `tools/prepare_interhand26m.py`, with one "<split>/<file name>" per line. These images are
            left out, and the log shows their number.
        cache_dir: Folder for the index. Default: beside the annotations.
        mask_root: Folder with a foreground mask (.png) for each image, under the same relative path. A relative path
            is taken below `data_root`, so that masks and images always belong together.
        crop_cache: Folder that `write_crop_cache` wrote. Pixels are read from it instead of the image files.
        boxes: File of detected boxes from `tools/detect.py`, used for the crop. Annotations without a detection are
            left out; `coverage` counts them.
        **kwargs: Options of `HandDataset`. `strict` also applies to faulty annotations.
    """

    def __init__(
        self,
        data_root: str,
        split: str = "train",
        annot_subset: str = "all",
        depth_source: str = "gt",
        rootnet_file: str | None = None,
        fps: int = 5,
        ann_ids_file: str | None = None,
        hand_types: Sequence[str] | None = None,
        blocklist: str | None = None,
        cache_dir: str | None = None,
        mask_root: str | None = None,
        boxes: str | None = None,
        crop_cache: str | None = None,
        **kwargs: Any,
    ) -> None:
        if depth_source not in ("gt", "rootnet"):
            raise ConfigError("depth_source of InterHandDataset is unknown", got=depth_source, want="gt or rootnet")
        super().__init__(**kwargs)
        self.root, self.split, self.depth_source = Path(data_root), split, depth_source
        self.image_root = self.root / "images" / split
        self.mask_root = _mask_folder(self.root, mask_root) if mask_root else None
        self.index: HandIndex = open_index(find_annotations(self.root, split, annot_subset), cache_dir)
        self.rootnet = None
        if depth_source == "rootnet":
            path = Path(rootnet_file) if rootnet_file else find_rootnet(self.root, split, annot_subset, fps)
            self.rootnet = open_rootnet(path, cache_dir)
        # None stands for all rows of the index, so that no array is needed unless some rows are left out.
        self._rows: np.ndarray | None = None
        if ann_ids_file:
            self._keep(self._listed_rows(ann_ids_file), f"ann_ids_file={ann_ids_file}")
        if hand_types is not None:
            self._keep_hand_types(hand_types)
        if blocklist is not None:
            self._leave_out_blocked(blocklist)
        self._bad_joints: dict[int, int] = {}
        self._box_rows = np.empty(0, np.int64)  # row in `boxes` of every sample
        self._apply_strictness()
        self.coverage: dict[str, int] = {}
        self.boxes = read_boxes(boxes) if boxes else None
        if self.boxes is not None:
            self._keep_detected(str(boxes))
        if self.rootnet is not None:
            self._keep_with_rootnet()
        self.crops: CropCache | None = None
        if crop_cache is not None:
            self.crops = CropCache(crop_cache, self)

    @property
    def protocol(self) -> dict[str, str]:
        """Source of the boxes and of the absolute depths, printed above every table of results."""
        return {"box": self.depth_source if self.boxes is None else "detected", "depth": self.depth_source}

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.index) if self._rows is None else len(self._rows)

    @property
    def hand_kinds(self) -> np.ndarray:
        """Hands of every sample, (N,) uint8: 1 right, 2 left, 3 both."""
        return np.asarray(self._all_rows(self.index.hand_type))

    @property
    def ann_ids(self) -> np.ndarray:
        """Annotation id of every sample, (N,) int64."""
        return np.asarray(self._all_rows(self.index.ann_id))

    @property
    def pixel_sources(self) -> dict[str, str]:
        """What the pixels in a crop cache are made of: the annotations by their content, the images and the boxes."""
        boxes = self.depth_source if self.rootnet is None else self.rootnet.folder.name
        return {
            "index": self.index.folder.name,
            "split": self.split,
            "images": str(self.image_root.resolve()),
            "boxes": boxes if self.boxes is None else self.boxes.digest(),
        }

    def _all_rows(self, column: np.ndarray) -> np.ndarray:
        return column if self._rows is None else column[self._rows]

    def _keep(self, rows: np.ndarray, by: str) -> None:
        """Keep these rows of the index; `by` names the filter that chose them."""
        before, self._rows = len(self), rows
        require_samples(len(rows), before, f"split '{self.split}' under {self.root}", by)

    def _warn(self, text: str) -> None:
        print_log(f"split '{self.split}' under {self.root}: {text}", "current", logging.WARNING)

    def _keep_with_rootnet(self) -> None:
        """Find RootNet's result for every sample; with ``strict='skip'`` leave out the samples without one."""
        assert self.rootnet is not None
        found = self.rootnet.has(self.ann_ids)
        if self.strict == "skip" and not found.all():
            self._warn(f"{int((~found).sum())} of {len(found)} samples left out, because RootNet's file lacks them")
            if self.boxes is not None:
                self._box_rows = self._box_rows[found]
            self._keep(self._all_rows(np.arange(len(self.index)))[found], f"RootNet's file {self.rootnet.folder.name}")
        self._rootnet_rows = self.rootnet.lookup(self.ann_ids)

    def _listed_rows(self, ann_ids_file: str) -> np.ndarray:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an empty file is an error below
                wanted = np.loadtxt(ann_ids_file, dtype=np.int64, ndmin=1, encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise AnnotationError(
                f"list of ids cannot be read: {ann_ids_file}", got=error, want="one annotation id per line"
            ) from error
        rows = np.flatnonzero(np.isin(self.index.ann_id, wanted))
        absent = np.setdiff1d(wanted, self.index.ann_id[rows])
        if len(absent):
            raise AnnotationError(
                f"{ann_ids_file}: {len(absent)} of {len(wanted)} ids are not in the annotations",
                got=f"{absent[:5].tolist()} ...",
                fix="use the list of this release, split and frame rate",
            )
        return rows

    def _keep_hand_types(self, names: Sequence[str]) -> None:
        if not names or not set(names) <= set(HAND_TYPES):
            raise ConfigError(
                "hand_types of InterHandDataset are unknown", got=names, want=f"some of {', '.join(HAND_TYPES)}"
            )
        kept = np.isin(self._all_rows(self.index.hand_type), [HAND_TYPES[name] for name in names])
        self._keep(self._all_rows(np.arange(len(self.index)))[kept], f"hand_types={list(names)}")

    def _leave_out_blocked(self, path: str) -> None:
        blocked = read_blocklist(path, self.split)
        rows = self._all_rows(np.arange(len(self.index)))
        kept = np.array([self.index.file_name(row) not in blocked for row in rows.tolist()], bool)
        self._keep(rows[kept], f"blocklist={path}")
        self._warn(f"{int((~kept).sum())} of {len(rows)} samples left out by {path}")

    def _apply_strictness(self) -> None:
        """Raise if the index found faulty annotations, or leave them out and log their number."""
        numbers = np.arange(len(self.index.problems))
        if self._rows is not None:
            numbers = np.flatnonzero(np.isin(self.index.problems["row"], self._rows))
        if not len(numbers):
            return
        first = self.index.describe_problem(int(numbers[0]))
        if self.strict == "error":
            raise AnnotationError(
                f"{len(numbers)} annotations of '{self.split}' under {self.root} are faulty; the first: {first}",
                fix="fix the files, or set strict='skip' to leave those samples or joints out (they are counted)",
            )
        problems = self.index.problems[numbers]
        joint = problems["kind"] == ProblemKind.JOINT_NOT_3D
        for row, detail in zip(problems["row"][joint].tolist(), problems["detail"][joint].tolist(), strict=True):
            self._bad_joints[row] = self._bad_joints.get(row, 0) | 1 << detail
        unusable = np.unique(problems["row"][~joint])
        if len(unusable):
            rows = np.arange(len(self.index)) if self._rows is None else self._rows
            self._keep(rows[~np.isin(rows, unusable)], f"strict='skip', because their annotations are faulty: {first}")
        self._warn(f"{len(unusable)} samples left out, {int(joint.sum())} joints set invalid; the first: {first}")

    def _keep_detected(self, where: str) -> None:
        """Keep the annotations with a detected box, and count the others."""
        assert self.boxes is not None
        ids = np.asarray(self._all_rows(self.index.ann_id))
        of_sample = self.boxes.lookup(ids, where)
        found = of_sample >= 0
        self.coverage = {"annotations": len(ids), "found": int(found.sum()), "missed": int((~found).sum())}
        if not found.any():
            raise AnnotationError(f"{where}: nothing was detected", got=f"all {len(ids)} annotations are missed")
        self._rows = self._all_rows(np.arange(len(self.index)))[found]
        self._box_rows = of_sample[found]

    def load_item(self, idx: int) -> dict[str, Any]:
        """Return sample `idx` without its image; `structures/sample.py` lists its fields and units."""
        index = self.index
        row = idx if self._rows is None else int(self._rows[idx])
        camera, kind = int(index.camera[row]), int(index.hand_type[row])
        name = index.file_name(row)
        focal, principal_pt = index.focal[camera], index.principal_pt[camera]
        cam = self._camera_joints(row, camera)
        uv = camera_to_pixel(cam, focal.astype(np.float64), principal_pt.astype(np.float64))
        depth = cam[:, 2] - cam[OWN_WRIST, 2]
        visible = self._visible(row)
        bbox, abs_depth = self._box_and_depth(idx, row, cam)
        both = kind == 3 and visible[list(WRISTS)].min() > 0
        sample = {
            "img_path": str(self.image_root / name),
            "sample_id": f"{self.split}/{name}",
            "ann_id": int(index.ann_id[row]),
            "dataset_name": self._metainfo[
                "dataset_name"
            ],  # the property `metainfo` would copy all of it for every sample
            "image_size": tuple(index.image_size[row].tolist()),
            "bbox": bbox.astype(np.float32),
            "keypoints": np.concatenate([uv, depth[:, None]], axis=1)[None].astype(np.float32),
            "keypoints_visible": visible[None],
            "keypoints_annotated": self._annotated(row)[None],
            "keypoints_cam": cam[None].astype(np.float32),
            "hand_type": np.array([[kind & 1, kind >> 1]], np.float32),
            "hand_type_valid": np.float32(index.hand_type_valid[row]),
            "rel_root_depth": np.float32(cam[LEFT_WRIST, 2] - cam[RIGHT_WRIST, 2]),
            "rel_root_valid": np.float32(both),
            "abs_depth": abs_depth.astype(np.float32),
            "focal": np.array(focal, np.float32),
            "principal_pt": np.array(principal_pt, np.float32),
        }
        if self.mask_root is not None:
            sample["mask_path"] = str((self.mask_root / self.split / name).with_suffix(".png"))
        cached = self.crops.read(sample["ann_id"]) if self.crops is not None else None
        if cached is not None:
            sample["img"], sample["read_to_stored"] = cached
        return sample

    def _camera_joints(self, row: int, camera: int) -> np.ndarray:
        """Return the joints (42, 3) float64 mm in the camera frame."""
        index = self.index
        world = np.asarray(index.joints_world[int(index.step[row])], np.float64)
        world = np.where(np.isfinite(world), world, _PLACEHOLDER_MM)
        rotation = index.rotation[camera].astype(np.float64)
        return world_to_camera(world, rotation, index.position[camera].astype(np.float64))

    def _visible(self, row: int) -> np.ndarray:
        """Return (42,) float32: 1 where the joint and its own wrist are annotated in this view, else 0."""
        bits = int(self.index.validity[row]) & ~self._bad_joints.get(row, 0)
        return validity_flags(usable_joints(np.array(bits, np.uint64))).astype(np.float32)

    def _annotated(self, row: int) -> np.ndarray:
        """Return (42,) float32: 1 where the joint is annotated in this view and has coordinates, whatever its wrist."""
        has_coordinates = np.isfinite(self.index.joints_world[int(self.index.step[row])]).all(-1)
        return (validity_flags(self.index.validity[row]) & has_coordinates).astype(np.float32)

    def _box_and_depth(self, idx: int, row: int, cam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the square to crop (4,) xyxy px and the absolute depths (2,) mm of the wrists."""
        if self.rootnet is None:
            x, y, w, h = self.index.bbox[row].astype(np.float64)
            bbox, depth = square_bbox(np.array([x, y, x + w, y + h])), cam[list(WRISTS), 2]
        else:
            row = int(self._rootnet_rows[idx])
            x, y, w, h = self.rootnet.bbox[row].astype(np.float64)
            bbox, depth = np.array([x, y, x + w, y + h]), np.asarray(self.rootnet.abs_depth[row])
        return (bbox if self.boxes is None else self.boxes.bbox[self._box_rows[idx]]), depth


def _mask_folder(root: Path, mask_root: str) -> Path:
    """Return the folder of the masks: `mask_root` itself if it is absolute, otherwise below `root`."""
    folder = root / mask_root
    if not folder.is_dir() and Path(mask_root).is_dir():  # configs of earlier versions named the whole path
        raise ConfigError(
            f"mask_root is relative to the data root, and {folder} does not exist",
            got=mask_root,
            fix=f"mask_root='masks', or the absolute path {Path(mask_root).resolve()}",
        )
    return folder


def find_rootnet(root: Path, split: str, annot_subset: str, fps: int) -> Path:
    """Find the RootNet output of a split, under the name of v1.0 (5 or 30 fps) or the older name with the subset.

    Args:
        root: Folder that contains `rootnet_output/`.
        split: "val" or "test".
        annot_subset: Annotation subset, part of the older name.
        fps: 5 or 30, the frame rate of the images.

    Raises:
        AnnotationError: The file does not exist. RootNet's output was published for val and test only.
    """
    folder, stem = root / "rootnet_output", "rootnet_interhand2.6m_output"
    rate = "_30fps" if fps == 30 else ""
    candidates = [folder / f"{stem}_{split}{rate}.json", folder / f"{stem}_{annot_subset}_{split}.json"]
    for path in candidates:
        if path.is_file():
            return path
    raise AnnotationError(
        f"there is no RootNet output for split '{split}', {fps} fps under {root}",
        want=" or ".join(map(str, candidates)),
        fix="unpack rootnet_output.zip, set rootnet_file, or test with --depth-source gt",
    )
