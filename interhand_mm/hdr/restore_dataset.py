"""Make a data set of clean hands with HDR, for its single-hand network to learn from.

Every two-hand frame of a split is written once per hand, with the other hand removed and the hidden part painted in,
as a new split in InterHand2.6M's format. A network that was trained on single hands alone has never seen painted skin,
but receives it at test.
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
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from ..datasets.annotations.index import AnnotationFiles, find_annotations
from ..engine.runner import build_model
from ..errors import ConfigError, EvaluationError
from ..models.plugin import with_plugin
from ..models.preprocessing import denormalize
from ..structures.camera import compose_affine, invert_affine
from ..structures.joints import NUM_HAND_JOINTS, SIDES
from ..utils.config import DataOptions, load_config
from ..utils.files import atomic_folder, write_json, write_text
from ..utils.images import read_image, write_image
from ..utils.provenance import provenance
from .clean_hands import CleanHands
from .data.two_hands import two_hand_samples
from .masks import MASK_BITS, warp_mask

_BATCH = 16


def restore_split(
    config: str | Path | Config,
    plugin: str | Path,
    checkpoints: Sequence[str | Path],
    data_root: str | None = None,
    split: str = "train",
    out_split: str | None = None,
    limit: int | None = None,
) -> int:
    """Write each hand of a split's two-hand frames as an image of its own, as a new split of the same data root.

    `annotations/<out_split>` is written last, so an interrupted run leaves no split behind. An image keeps the size,
    the camera and the two-hand box of its frame. The files in `masks/<out_split>` contain the predicted amodal mask as
    the amodal and the visible mask of the limb.

    Args:
        config: Pose config. Its test pipeline defines the crop.
        plugin: Config with the HDR plugin; see `with_plugin`.
        checkpoints: Checkpoints of the segmentor and the inpaintor, in this order.
        data_root: Overrides the config's `data_root` where `config` is a file.
        split: Split to read.
        out_split: Split to create. Default: `restored_<split>`.
        limit: Maximum number of frames, taken evenly.

    Returns:
        The number of images. Hands that the plugin's gates rejected have none.

    Raises:
        ConfigError: There are not two checkpoints, or the split exists already. See also `with_plugin`.
        EvaluationError: The split has no two-hand frames, or none of their hands passed the gates.
        ImageError, OutputError: An image cannot be read, or a file cannot be written.
    """
    if len(checkpoints) != 2:
        raise ConfigError(
            "restoring takes two checkpoints, of the segmentor and of the inpaintor", got=len(checkpoints), want=2
        )
    base = config if isinstance(config, Config) else load_config(config, (), DataOptions(data_root=data_root))
    cfg = with_plugin(base, plugin, checkpoints)
    cfg.model.hdr.pose.checkpoint = None  # the pose network is not used here
    root, out_split = Path(cfg.test_dataloader.dataset.data_root), out_split or f"restored_{split}"
    if (root / "annotations" / out_split).exists():
        raise ConfigError(f"split '{out_split}' exists already: {root / 'annotations' / out_split}", fix="delete it")
    source = copy.deepcopy(cfg.test_dataloader.dataset)
    source.split, source.hand_types, source.boxes = split, ("interacting",), None
    samples = two_hand_samples(source, limit)
    files = find_annotations(root, split)
    content = _write_images(
        _restored(build_model(cfg).eval(), samples), json.loads(files.data.read_bytes()), root, out_split
    )
    if not content["images"]:
        raise EvaluationError(
            f"split '{split}' of {root}: none of the hands of {len(samples)} frames passed the plugin's gates",
            fix="train the segmentor longer, or lower model.hdr's min_area, min_confidence and min_visible",
        )
    _write_annotations(root, files, out_split, content)
    return len(content["images"])


def _write_images(
    restored: Iterator[tuple[Any, int, np.ndarray, np.ndarray]], frames: dict[str, Any], root: Path, out_split: str
) -> dict[str, list[dict[str, Any]]]:
    """Write an image and a mask file for every restored hand. Return the entries of the new annotation file."""
    of_id = {row["id"]: row for row in frames["annotations"]}
    of_image = {row["id"]: row for row in frames["images"]}
    content: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    for sample, side, image, mask in restored:
        annotation = of_id[int(sample.ann_id)]
        number, frame = len(content["images"]), of_image[annotation["image_id"]]
        path = Path(frame["file_name"])
        name = path.with_name(f"{path.stem}_{SIDES[side]}.jpg").as_posix()
        write_image(root / "images" / out_split / name, image)
        amodal, visible = MASK_BITS["limb"][2 * side : 2 * side + 2]
        write_image(root / "masks" / out_split / Path(name).with_suffix(".png"), mask * np.uint8(amodal | visible))
        content["images"].append({**frame, "id": number, "file_name": name})
        content["annotations"].append({**one_hand(annotation, side), "id": number, "image_id": number})
    return content


def one_hand(annotation: dict[str, Any], side: int) -> dict[str, Any]:
    """Return a two-hand annotation in which only the joints of hand `side` (0 right, 1 left) are valid.

    The box stays that of both hands.
    """
    valid = np.asarray(annotation["joint_valid"]).copy()
    valid[slice(NUM_HAND_JOINTS, None) if side == 0 else slice(0, NUM_HAND_JOINTS)] = 0
    return {**annotation, "joint_valid": valid.tolist(), "hand_type": SIDES[side], "hand_type_valid": 1}


def _restored(model: Any, samples: Subset[Any]) -> Iterator[tuple[Any, int, np.ndarray, np.ndarray]]:
    """Yield `(sample, side, frame, mask)` for every restored hand.

    `frame` is the full image (H, W, 3) with the other hand removed, `mask` the hand's binary amodal mask (H, W).
    """
    loader = DataLoader(samples, batch_size=_BATCH, collate_fn=pseudo_collate)
    for data in tqdm(loader, desc="restore", unit="batch"):
        data = model.data_preprocessor(data, False)
        found = model.plugin.clean_hands(denormalize(data["inputs"], model.data_preprocessor))
        for number, (crop, side) in enumerate(found.hands.tolist()):
            sample = data["data_samples"][crop]
            frame = read_image(sample.img_path)
            yield sample, side, *paste_back(frame, found, number, sample.warp.full_to_crop)


def paste_back(frame: np.ndarray, found: CleanHands, number: int, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put a clean hand back into the frame that it was cut out of.

    Args:
        frame: (H, W, 3) uint8 BGR.
        found: The plugin's result for the crop.
        number: Index of the hand in `found`.
        affine: (2, 3), from the frame to the crop that the plugin received.

    Returns:
        The image (H, W, 3) uint8, equal to the frame where the plugin edited nothing, and the hand's amodal mask
        (H, W) uint8, 0 or 1.
    """
    crop, side = found.hands[number]
    size = (frame.shape[1], frame.shape[0])
    seen, clean = found.seen[number].float().cpu().numpy(), found.clean[number].float().cpu().numpy()
    edited = (seen != clean).any(axis=0).astype(np.float32)
    from_hand = invert_affine(compose_affine(found.affines[number], affine))
    weight = cv2.warpAffine(edited, from_hand, size, flags=cv2.INTER_LINEAR)[..., None]
    painted = cv2.warpAffine(np.ascontiguousarray(clean.transpose(1, 2, 0)), from_hand, size, flags=cv2.INTER_LINEAR)
    mask = warp_mask(found.masks[crop, 2 * side].cpu().numpy(), invert_affine(affine), size)
    image = frame * (1 - weight) + painted * weight
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), mask


def _write_annotations(root: Path, files: AnnotationFiles, out_split: str, content: dict[str, Any]) -> None:
    """Write the annotation files of the new split. Their folder appears when all of them are complete."""
    with atomic_folder(root / "annotations" / out_split) as folder:
        write_text(folder / f"InterHand2.6M_{out_split}_data.json", json.dumps(content))
        for part in ("camera", "joint_3d"):
            shutil.copyfile(getattr(files, part), folder / f"InterHand2.6M_{out_split}_{part}.json")
        write_json(folder / "restored.json", provenance(images=len(content["images"])))
