"""Base class of the data sets with one hand per sample: RHD, STB, FreiHAND, and your own (docs/how-to/dataset.md)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.logging import print_log

from ..errors import AnnotationError
from ..structures.boxes import box_faults, square_bbox
from ..structures.camera import camera_to_pixel
from ..structures.joints import NUM_HAND_JOINTS, NUM_JOINTS, RIGHT_WRIST, pose_metainfo
from .base import HandDataset, require_samples

RIGHT, LEFT = 0, 1
# If the annotated pixels and the projected joints are further apart, one of the two belongs to another image.
_PROJECTION_TOLERANCE_PX = 3.0


class SingleHands(NamedTuple):
    """Table with one annotated hand per row, in this project's joint order and units.

    Attributes:
        ann_id: (N,) int64, unique ids of the annotations.
        image: (N,) str, paths of the images, relative to the folder of images.
        image_size: (N, 2) int, width and height in px.
        side: (N,) `RIGHT` or `LEFT`.
        joints_cam: (N, 21, 3) mm, camera frame, order of `HAND_JOINT_NAMES`.
        visible: (N, 21) bool, True where the joint is annotated.
        focal: (N, 2) focal lengths in px.
        principal_pt: (N, 2) principal points in px.
        bbox: (N, 4) xyxy px, the tight box enlarged by `BBOX_ENLARGE`.
    """

    ann_id: np.ndarray
    image: np.ndarray
    image_size: np.ndarray
    side: np.ndarray
    joints_cam: np.ndarray
    visible: np.ndarray
    focal: np.ndarray
    principal_pt: np.ndarray
    bbox: np.ndarray

    def take(self, rows: np.ndarray) -> SingleHands:
        """Return the table of these rows, given as indices or as a boolean mask."""
        return SingleHands(*(column[rows] for column in self))

    @property
    def pixels(self) -> np.ndarray:
        """Projection of the joints, (N, 21, 2) float64 px."""
        return camera_to_pixel(self.joints_cam.astype(np.float64), self.focal[:, None], self.principal_pt[:, None])


def join(tables: list[SingleHands]) -> SingleHands:
    """Concatenate tables."""
    return SingleHands(*(np.concatenate(columns) for columns in zip(*tables, strict=True)))


def find_faults(hands: SingleHands, pixels: np.ndarray | None = None) -> dict[int, str]:
    """Find the rows that cannot be used as annotated.

    Args:
        hands: Table to check.
        pixels: (N, 21, 2) px, the annotated joints in the image, for data sets that give them in addition to the 3D
            joints. They must agree with the projection of the 3D joints.

    Returns:
        Description of the fault by row.
    """
    shown = hands.visible
    joints = hands.joints_cam
    lost = shown & ~np.isfinite(joints).all(-1)
    behind = shown & ~lost & (joints[..., 2] <= 0)
    checks = [
        (lost.any(1), "a valid joint has no coordinate"),
        (~np.isfinite(joints[:, RIGHT_WRIST]).all(-1), "the wrist has no coordinate"),
        (behind.any(1), "a valid joint lies behind the camera"),
        (~(hands.focal > 0).all(1) | ~np.isfinite(hands.principal_pt).all(1), "the camera has no focal length"),
        *((has, f"the box {fault}") for has, fault in box_faults(hands.bbox, hands.image_size)),
    ]
    if pixels is not None:
        with np.errstate(invalid="ignore"):
            apart = np.where(shown, np.linalg.norm(pixels - hands.pixels, axis=-1), 0.0).max(axis=1)
        checks.append((apart > _PROJECTION_TOLERANCE_PX, "joints in space do not project to the joints in the image"))
    found: dict[int, str] = {}
    for mask, text in checks:
        for row in np.flatnonzero(mask).tolist():
            found.setdefault(row, text)
    return found


class SingleHandDataset(HandDataset):
    """Data set over a `SingleHands` table. A child class reads its files into such a table and calls `open`.

    A sample shows one hand. The other hand is not visible, and the relative root depth is not supervised.

    Args:
        depth: If False, the losses ignore the joints' depths and learn u and v alone. Use it for data sets without 3D
            joints, or with another definition of the joints than the data set that depths are learned from.
        **kwargs: Options of `HandDataset`. `strict` also applies to faulty annotations.
    """

    hands: SingleHands
    image_root: Path

    def __init__(self, depth: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.depth = depth
        self.rootnet: Any = None

    def open(
        self,
        hands: SingleHands,
        image_root: Path,
        source: Path,
        published: int | None = None,
        pixels: np.ndarray | None = None,
    ) -> np.ndarray:
        """Set the table of this data set, drop (or raise at) faulty rows, and log the number of samples.

        Args:
            hands: Table of all samples.
            image_root: Folder that the table's image paths are relative to.
            source: File that the table was read from, for messages.
            published: Number of samples that the authors of the data set publish for this split, for the log.
            pixels: (N, 21, 2) px, annotated joints in the image; see `find_faults`.

        Returns:
            (M,) rows of `hands` that were kept. Use them to select from other columns of the same file.

        Raises:
            AnnotationError: The table is empty, or with ``strict='error'`` a row is faulty.
        """
        if not len(hands.ann_id):
            raise AnnotationError(f"file contains no samples: {source}")
        faults = find_faults(hands, pixels)
        rows = np.setdiff1d(np.arange(len(hands.ann_id)), list(faults))
        if faults:
            first = next(iter(sorted(faults)))
            example = f"the first is annotation {hands.ann_id[first]} ({hands.image[first]}): {faults[first]}"
            if self.strict == "error":
                raise AnnotationError(
                    f"{len(faults)} of {len(hands.ann_id)} annotations in {source} are faulty; {example}",
                    fix="fix the file, or set strict='skip' to leave those samples out (they are counted)",
                )
            print_log(f"{source}: {len(faults)} faulty samples left out; {example}", "current", logging.WARNING)
            require_samples(len(rows), len(hands.ann_id), str(source), f"strict='skip'; {example}")
        self.hands, self.image_root = hands.take(rows), image_root
        right = int((self.hands.side == RIGHT).sum())
        known = "" if published is None else f" ({published} published)"
        print_log(f"{source}: {len(rows)} samples{known}, {right} right and {len(rows) - right} left hands", "current")
        return rows

    @property
    def protocol(self) -> dict[str, str]:
        """Source of the boxes and of the absolute depths, printed above every table of results."""
        source = "gt" if self.rootnet is None else "rootnet"
        return {"box": source, "depth": source}

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.hands.ann_id)

    def load_item(self, idx: int) -> dict[str, Any]:
        """Return sample `idx` without its image; `structures/sample.py` lists its fields and units."""
        hands = self.hands
        side, name = int(hands.side[idx]), str(hands.image[idx])
        own = slice(side * NUM_HAND_JOINTS, (side + 1) * NUM_HAND_JOINTS)
        joints = hands.joints_cam[idx].astype(np.float64)
        # Unknown joints and those of the absent hand are put at the wrist: finite values, never visible.
        wrist = joints[RIGHT_WRIST]
        cam = np.tile(wrist, (NUM_JOINTS, 1))
        cam[own] = np.where(np.isfinite(joints), joints, wrist)
        visible = np.zeros(NUM_JOINTS, np.float32)
        visible[own] = hands.visible[idx]
        hand_type = np.zeros((1, 2), np.float32)
        hand_type[0, side] = 1
        uv = camera_to_pixel(cam, hands.focal[idx], hands.principal_pt[idx])
        bbox, abs_depth = self.box_and_depth(idx, wrist[2])
        return {
            "img_path": str(self.image_root / name),
            "sample_id": f"{self._metainfo['dataset_name']}/{name}",
            "ann_id": int(hands.ann_id[idx]),
            "dataset_name": self._metainfo["dataset_name"],
            "image_size": tuple(hands.image_size[idx].tolist()),
            "bbox": bbox.astype(np.float32),
            "keypoints": np.concatenate([uv, cam[:, 2:] - wrist[2]], axis=1)[None].astype(np.float32),
            "keypoints_visible": visible[None],
            "keypoints_cam": cam[None].astype(np.float32),
            "depth_valid": np.float32(self.depth),
            "hand_type": hand_type,
            "hand_type_valid": np.float32(1),
            "rel_root_depth": np.float32(0),
            "rel_root_valid": np.float32(0),
            "abs_depth": np.asarray(abs_depth, np.float32),
            "focal": hands.focal[idx].astype(np.float32),
            "principal_pt": hands.principal_pt[idx].astype(np.float32),
        }

    def box_and_depth(self, idx: int, wrist_mm: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the square to crop and the absolute depths of the wrists.

        Args:
            idx: Number of the sample.
            wrist_mm: Annotated absolute depth of the wrist in mm.

        Returns:
            The square (4,) xyxy px, and the depths (2,) mm; the absent hand gets the depth of the other one.
        """
        if self.rootnet is None:
            return square_bbox(self.hands.bbox[idx]), np.full(2, wrist_mm)
        row = int(self._rootnet_rows[idx])
        x, y, w, h = self.rootnet.bbox[row].astype(np.float64)
        return np.array([x, y, x + w, y + h]), np.asarray(self.rootnet.abs_depth[row])

    def use_rootnet(self, path: Path, cache_dir: str | None = None) -> None:
        """Use the boxes and wrist depths of RootNet's output instead of the annotated ones.

        Args:
            path: RootNet's output file. Its boxes are already square and enlarged.
            cache_dir: Folder for the index of this file. Default: beside the file.
        """
        from .annotations.index import open_rootnet

        self.rootnet = open_rootnet(path, cache_dir)
        found = self.rootnet.has(self.hands.ann_id)
        if self.strict == "skip" and not found.all():
            missing = f"{int((~found).sum())} of {len(found)} samples left out, because {path} lacks them"
            require_samples(int(found.sum()), len(found), str(self.image_root), f"RootNet's file {path}")
            print_log(missing, "current", logging.WARNING)
            self.hands = self.hands.take(found)
        self._rootnet_rows = self.rootnet.lookup(self.hands.ann_id)


def named_metainfo(dataset_name: str) -> dict[str, Any]:
    """Return the metainfo of this project's joint convention with the name of a data set."""
    return {**pose_metainfo(), "dataset_name": dataset_name}


def first_existing(candidates: list[Path]) -> Path | None:
    """Return the first path that exists, or None."""
    return next((path for path in candidates if path.exists()), None)
