"""Files of a rendered data set: InterHand2.6M v1.0 annotations, images, masks, depth maps and the AIH layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..structures import mask_bits
from ..structures.boxes import joints_bbox, square_bbox
from ..structures.camera import crop_affine
from ..structures.joints import HAND_JOINT_NAMES, NUM_HAND_JOINTS, PARENTS
from ..utils.files import write_bytes
from .render.cameras import VirtualCamera
from .render.sensor import encode_jpeg, encode_png
from .sampling import inside, pixels
from .seeds import AIH_RECIPES
from .time_step import Step
from .view import View

MIN_INTERACTING_JOINTS = 30
DEPTH_STEP_MM = 0.1
AIH_CROP_PX = 256
MIN_AIH_BOX_PX = 8


def write_fast(path: Path, data: bytes) -> None:
    """Write one of many files that can be rendered again: atomically, but without waiting for the disk."""
    write_bytes(path, data, durable=False)


def dump_json(value: Any) -> bytes:
    """Return compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def skeleton_text() -> str:
    """Return the text of skeleton.txt (docs/spec/datasets.md, section 1.8)."""
    rows = ["# joint_name joint_id joint_parent_id"]
    for j, parent in enumerate(PARENTS):
        side = "rl"[j // NUM_HAND_JOINTS]
        rows.append(f"{side}_{HAND_JOINT_NAMES[j % NUM_HAND_JOINTS]} {j} {parent}")
    return "\n".join(rows) + "\n"


def joint_box(uv: np.ndarray, valid: np.ndarray) -> list[float]:
    """Return InterHand2.6M's bounding box: the tight box of the valid joints, enlarged by 1.2 about its center.

    Args:
        uv: (N, 2) px.
        valid: (N,) bool.

    Returns:
        [x, y, w, h] px; zeros if no joint is valid.

    Example:
        >>> joint_box(np.array([[10.0, 10.0], [20.0, 30.0]]), np.array([True, True]))
        [9.0, 8.0, 12.0, 24.0]
    """
    x1, y1, x2, y2 = joints_bbox(uv, valid).tolist()
    return [round(value, 4) for value in (x1, y1, x2 - x1, y2 - y1)]


def annotate_view(
    step: Step, camera: VirtualCamera, image_id: int, capture: int, subject: int, seq_name: str, frame: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the `images` and the `annotations` entry of one view (docs/spec/datasets.md, section 1.3).

    Args:
        step: Time step.
        camera: Camera that sees it.
        image_id: Id of the image and of its annotation.
        capture: Number of the capture (the subject within its split).
        subject: Id of the subject, unique over all splits.
        seq_name: Name of the sequence.
        frame: Frame index, unique within the capture.
    """
    width, height = camera.size
    uv = pixels(step, camera)
    valid = step.joint_valid & inside(uv, camera.size)
    interacting = step.hand_type == "interacting"
    name = f"Capture{capture}/{seq_name}/cam{camera.name}/image{frame}.jpg"
    image = {
        "id": image_id,
        "file_name": name,
        "width": width,
        "height": height,
        "capture": capture,
        "subject": subject,
        "seq_name": seq_name,
        "camera": camera.name,
        "frame_idx": frame,
    }
    annotation = {
        "id": image_id,
        "image_id": image_id,
        "bbox": joint_box(uv, valid),
        "joint_valid": [[int(v)] for v in valid],
        "hand_type": step.hand_type,
        "hand_type_valid": int(not interacting or valid.sum() > MIN_INTERACTING_JOINTS),
    }
    return image, annotation


def joint_3d_entry(step: Step) -> dict[str, Any]:
    """Return the entry of joint_3d.json for one time step (docs/spec/datasets.md, section 1.5)."""
    return {
        "world_coord": [[round(float(c), 4) for c in xyz] for xyz in step.joints],
        "joint_valid": [[int(v)] for v in step.joint_valid],
        "hand_type": step.hand_type,
        "hand_type_valid": 1,
    }


def camera_entry(cameras: list[VirtualCamera]) -> dict[str, dict[str, list]]:
    """Return the entry of camera.json for one capture (docs/spec/datasets.md, section 1.4)."""
    return {
        "campos": {c.name: c.position.tolist() for c in cameras},
        "camrot": {c.name: c.rotation.tolist() for c in cameras},
        "focal": {c.name: c.focal.tolist() for c in cameras},
        "princpt": {c.name: c.principal_pt.tolist() for c in cameras},
    }


def write_view(root: Path, split: str, file_name: str, view: View, depth: bool) -> None:
    """Write the image, the mask file and optionally the depth map of one view.

    Args:
        root: Folder of the data set.
        split: "train", "val" or "test".
        file_name: Name of the image, relative to `images/<split>`.
        view: Rendered view.
        depth: Also write the depth map (16 bit, 0.1 mm).
    """
    write_fast(root / "images" / split / file_name, encode_jpeg(view.image, view.quality))
    png = Path(file_name).with_suffix(".png")
    write_fast(root / "masks" / split / png, encode_png(view.mask))
    if depth:
        steps = np.clip(np.rint(view.depth / DEPTH_STEP_MM), 0, 65535).astype(np.uint16)
        write_fast(root / "depth" / split / png, encode_png(steps))


def write_aih(root: Path, split: str, annotation: dict[str, Any], view: View) -> None:
    """Write one view in the AIH layout (docs/spec/hdr.md, section 5.1).

    Interacting hands become samples of AIH_render, single hands become source images of AIH_syn. The masks are those
    of the whole limb, because the image without the other hand also lacks its arm.

    Args:
        root: Folder of the data set.
        split: "train", "val" or "test".
        annotation: Entry of the view from `annotate_view`.
        view: Rendered view.
    """
    x, y, w, h = annotation["bbox"]
    if min(w, h) < MIN_AIH_BOX_PX:
        return
    affine = crop_affine(square_bbox(np.array([x, y, x + w, y + h])), (AIH_CROP_PX, AIH_CROP_PX))
    name, hand_type = annotation["image_id"], annotation["hand_type"]

    def crop(image: np.ndarray, interpolation: int) -> np.ndarray:
        return cv2.warpAffine(image, affine, (AIH_CROP_PX, AIH_CROP_PX), flags=interpolation)

    bits = crop(view.mask, cv2.INTER_NEAREST)
    amodal = [(bits & bit) > 0 for bit in (mask_bits.RIGHT_LIMB_AMODAL, mask_bits.LEFT_LIMB_AMODAL)]
    right, left = ((bits & bit) > 0 for bit in (mask_bits.RIGHT_LIMB_VISIBLE, mask_bits.LEFT_LIMB_VISIBLE))
    visible = right + 2 * left.astype(np.uint8)
    image = encode_jpeg(crop(view.image, cv2.INTER_LINEAR), view.quality)
    for s, own_amodal, own_image in zip("rl", amodal, view.alone, strict=True):
        if hand_type == "interacting" and own_image is not None:
            base = root / "AIH_dataset" / "AIH_render" / "machine_annot" / split
            alone = encode_jpeg(crop(own_image, cv2.INTER_LINEAR), view.quality)
            write_fast(base / "images" / f"{s}_images" / "IH" / f"{name}.jpg", image)
            write_fast(base / "images" / f"{s}_images" / "DR_gt" / f"{name}.jpg", alone)
            write_fast(base / "labels" / f"in_{s}_images" / "rl_visible" / f"{name}.png", encode_png(visible))
        elif hand_type[0] == s:
            base = root / "AIH_dataset" / "AIH_syn" / "machine_annot" / split
            write_fast(base / "images" / f"{s}_images" / f"{name}.jpg", image)
        else:
            continue
        label = base / "labels" / f"in_{s}_images" / f"{s}_amodal" / f"{name}.png"
        write_fast(label, encode_png(own_amodal.astype(np.uint8)))


def write_aih_lists(root: Path, split: str, annotations: list[dict[str, Any]], seed: int) -> None:
    """Write the filtered lists of AIH_syn and its copy-paste recipes (docs/spec/hdr.md, sections 5.1 and 5.2).

    The recipes have the keys of the original ones, but are JSON: the original files are pickled .npy files, which can
    run code when they are loaded.

    Args:
        root: Folder of the data set.
        split: "train", "val" or "test".
        annotations: All `annotations` entries of the split.
        seed: Seed of the data set.
    """
    base = root / "AIH_dataset" / "AIH_syn"
    stems: dict[str, list[int]] = {"right": [], "left": []}
    for entry in annotations:
        folder = base / "machine_annot" / split / "images" / f"{entry['hand_type'][0]}_images"
        if entry["hand_type"] in stems and (folder / f"{entry['image_id']}.jpg").exists():
            stems[entry["hand_type"]].append(entry["image_id"])
    for side, ids in stems.items():
        text = "".join(f"{i}\n" for i in ids)
        write_fast(base / "filtered_list" / f"machine_annot_{split}_sh_{side}_filtered.txt", text.encode())
    rng = np.random.default_rng((seed, AIH_RECIPES, len(annotations)))
    recipes = []
    for side, other in (("right", "left"), ("left", "right")):
        for i in range(len(stems[side]) if stems[other] else 0):
            recipes.append(
                {
                    "loop_side": side,
                    "loop_side_idx": i,
                    "another_side_idx": int(rng.integers(len(stems[other]))),
                    **{f"{s}_aug_list": _aih_augmentation(rng, s == other[0]) for s in "rl"},
                }
            )
    write_fast(base / "syn_cfgs" / f"all_machine_annot_{split}_syn_cfgs.json", dump_json(recipes))


def _aih_augmentation(rng: np.random.Generator, other: bool) -> list:
    """Sample the augmentation of one hand of a recipe (docs/spec/hdr.md, section 5.2).

    Args:
        rng: Random generator.
        other: The hand is pasted onto the image of another one; its shift is a fifth as large.

    Returns:
        [[tx, ty], scale, rotation in degrees, color gain (3,)].
    """
    shift = np.clip(rng.standard_normal(2), -1, 1) * 0.15 * (0.2 if other else 1.0)
    scale = 1 + 0.25 * float(np.clip(rng.standard_normal(), -1, 1))
    turn = 45.0 * float(np.clip(rng.standard_normal(), -2, 2)) if rng.random() < 0.6 else 0.0
    return [shift.round(6).tolist(), round(scale, 6), round(turn, 6), [1.0, 1.0, 1.0]]
