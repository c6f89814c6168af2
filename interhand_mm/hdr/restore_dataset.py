"""A data set of clean hands made by HDR: what its single-hand network meets at test, to learn from.

Two-hand frames of a split, each once for either hand with the other one removed and what it hid painted in, as a split
of their own in InterHand2.6M's format. A network trained on single hands alone has never seen painted skin.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from ..datasets.annotations.index import AnnotationFiles, find_annotations
from ..engine.runner import build_model
from ..errors import ConfigError, EvaluationError
from ..models.plugin import CleanHands
from ..models.preprocessing import to_bgr
from ..registry import DATASETS
from ..structures.camera import compose_affine
from ..structures.joints import NUM_HAND_JOINTS, SIDES
from ..utils.config import DataOptions, load_config
from ..utils.files import atomic_folder, write_json, write_text
from ..utils.images import read_image, write_image
from ..utils.provenance import provenance
from .attach import with_hdr
from .data.transforms.hand_masks import PARTS

_BATCH = 16


def restore_split(
    config: str | Path | Config,
    hdr: str | Path,
    checkpoints: Sequence[str | Path],
    data_root: str | None = None,
    split: str = "train",
    out_split: str | None = None,
    limit: int | None = None,
) -> int:
    """Write the hands of a split's two-hand frames, one a picture, as split `out_split` of the same root.

    `annotations/<out_split>` comes last, so that a split that was stopped is none. A picture keeps its frame's size,
    camera and two-hand box; `masks/<out_split>` hold the predicted amodal mask as the limb's, amodal and visible.

    Args:
        config: Of a pose network; its test pipeline crops the frames.
        hdr: See `hdr.ablation.with_hdr`.
        checkpoints: Of segmentor and inpaintor.
        data_root: In place of the config's.
        split: Read.
        out_split: Written; None is `restored_<split>`.
        limit: At most so many frames, evenly spread.

    Returns:
        The number of pictures; hands that the plugin's gates refused have none.

    Raises:
        ConfigError: Not two checkpoints, or the split exists; else see `with_hdr`.
        EvaluationError: The split has no two-hand frames, or none of their hands passed the gates.
        ImageError, OutputError: Of files.
    """
    if len(checkpoints) != 2:
        raise ConfigError("checkpoints to restore with", got=len(checkpoints), want="two: of segmentor and inpaintor")
    base = config if isinstance(config, Config) else load_config(config, (), DataOptions(data_root=data_root))
    cfg = with_hdr(base, hdr, checkpoints)
    cfg.model.hdr.pose.checkpoint = None  # not used here
    root, out_split = Path(cfg.test_dataloader.dataset.data_root), out_split or f"restored_{split}"
    if (root / "annotations" / out_split).exists():
        raise ConfigError(f"split '{out_split}' is there: {root / 'annotations' / out_split}", fix="delete it first")
    dataset = _two_hands(cfg, split, limit)
    files = find_annotations(root, split)
    frames = json.loads(files.data.read_text())
    of_id = {row["id"]: row for row in frames["annotations"]}
    pictures = {row["id"]: row for row in frames["images"]}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for sample, side, picture, mask in _restored(build_model(cfg).eval(), dataset):
        source = of_id[int(sample.ann_id)]
        number, frame = len(images), pictures[source["image_id"]]
        path = Path(frame["file_name"])
        name = path.with_name(f"{path.stem}_{SIDES[side]}.jpg").as_posix()
        write_image(root / "images" / out_split / name, picture)
        bits = PARTS["limb"][2 * side] | PARTS["limb"][2 * side + 1]
        write_image(root / "masks" / out_split / Path(name).with_suffix(".png"), mask * np.uint8(bits))
        images.append({**frame, "id": number, "file_name": name})
        annotations.append({**one_hand(source, side), "id": number, "image_id": number})
    if not images:
        raise EvaluationError(
            f"split '{split}' of {root}: no hand of {len(dataset)} frames passed the plugin's gates",
            fix="train the segmentor longer, or lower model.hdr's min_area, min_confidence and min_visible",
        )
    _write_annotations(root, files, out_split, {"images": images, "annotations": annotations})
    return len(images)


def one_hand(annotation: dict[str, Any], side: int) -> dict[str, Any]:
    """A two-hand annotation with the joints of hand `side` (0 right, 1 left) alone valid; its box stays."""
    valid = np.asarray(annotation["joint_valid"]).copy()
    valid[slice(NUM_HAND_JOINTS, None) if side == 0 else slice(0, NUM_HAND_JOINTS)] = 0
    return {**annotation, "joint_valid": valid.tolist(), "hand_type": SIDES[side], "hand_type_valid": 1}


def _two_hands(cfg: Config, split: str, limit: int | None) -> Dataset:
    source = copy.deepcopy(cfg.test_dataloader.dataset)
    source.split, source.hand_types, source.boxes = split, ("interacting",), None
    dataset = DATASETS.build(source)
    if not len(dataset):
        raise EvaluationError(f"{source.data_root}: no two-hand frames in split '{split}'")
    if limit is not None and limit < len(dataset):
        dataset._rows = dataset._rows[np.linspace(0, len(dataset) - 1, limit).astype(int)]
    return dataset


def _restored(model: Any, dataset: Dataset) -> Iterator[tuple[Any, int, np.ndarray, np.ndarray]]:
    """Sample, side, its frame with that hand alone (H, W, 3), and the hand's amodal mask (H, W) 0 or 1."""
    loader = DataLoader(dataset, batch_size=_BATCH, collate_fn=pseudo_collate)
    for data in tqdm(loader, desc="restore", unit="batch"):
        data = model.data_preprocessor(data, False)
        found = model.hdr.clean_hands(to_bgr(data["inputs"], model.data_preprocessor))
        for number, (crop, side) in enumerate(found.hands.tolist()):
            sample = data["data_samples"][crop]
            frame = read_image(sample.img_path)
            yield sample, side, *paste_back(frame, found, number, sample.warp.full_to_crop)


def paste_back(frame: np.ndarray, found: CleanHands, number: int, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A clean hand in the frame that it was cut out of.

    Args:
        frame: (H, W, 3) uint8 BGR.
        found: What the plugin made of the crop.
        number: Of the hand in `found`.
        affine: (2, 3) from the frame to the crop that the plugin was given.

    Returns:
        (H, W, 3) uint8, the frame itself where the plugin edited nothing, and the hand's amodal mask (H, W) uint8.
    """
    crop, side = found.hands[number]
    size = frame.shape[1::-1]
    seen, clean = found.seen[number].float().cpu().numpy(), found.clean[number].float().cpu().numpy()
    edited = (seen != clean).any(axis=0).astype(np.float32)
    to_hand = compose_affine(found.affines[number], affine)
    back = dict(dsize=size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    weight = cv2.warpAffine(edited, to_hand, **back)[..., None]
    painted = cv2.warpAffine(np.ascontiguousarray(clean.transpose(1, 2, 0)), to_hand, **back)
    mask = cv2.warpAffine(found.masks[crop, 2 * side].cpu().numpy(), affine, **back)
    picture = frame * (1 - weight) + painted * weight
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), (mask > 0.5).astype(np.uint8)


def _write_annotations(root: Path, files: AnnotationFiles, out_split: str, content: dict[str, Any]) -> None:
    """Write the annotation files of the new split. Their folder appears when all of them are complete."""
    with atomic_folder(root / "annotations" / out_split) as folder:
        write_text(folder / f"InterHand2.6M_{out_split}_data.json", json.dumps(content))
        for part in ("camera", "joint_3d"):
            shutil.copyfile(getattr(files, part), folder / f"InterHand2.6M_{out_split}_{part}.json")
        write_json(folder / "restored.json", provenance(pictures=len(content["images"])))
