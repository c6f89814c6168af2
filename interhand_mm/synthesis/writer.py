"""Files: InterHand2.6M v1.0 annotations, images, masks, depth, and the AIH layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from interhand_mm.structures.joints import HAND_JOINT_NAMES, NUM_HAND_JOINTS, PARENTS
from interhand_mm.synthesis.sampling import inside, pixels

from ..structures.boxes import BBOX_ENLARGE, square_bbox
from ..structures.camera import crop_affine
from ..utils.files import write_bytes
from .render import renderer
from .render.cameras import Camera
from .render.sensor import encode_jpeg, encode_png
from .time_step import Step, View

MIN_INTERACTING_JOINTS = 30
DEPTH_STEP_MM = 0.1
AIH_SIZE = 256
# Images and masks are written with durable=False: flushing thousands of small files one by one is slow, and a chunk
# that a power failure cut short can be generated again.


def dump_json(value: Any) -> bytes:
    """Compact JSON bytes."""
    return json.dumps(value, separators=(",", ":")).encode()


def skeleton_text() -> str:
    """The text of skeleton.txt (docs/spec/datasets.md, section 1.8)."""
    rows = ["# joint_name joint_id joint_parent_id"]
    for j, parent in enumerate(PARENTS):
        side = "rl"[j // NUM_HAND_JOINTS]
        rows.append(f"{side}_{HAND_JOINT_NAMES[j % NUM_HAND_JOINTS]} {j} {parent}")
    return "\n".join(rows) + "\n"


def joint_box(uv: np.ndarray, valid: np.ndarray) -> list[float]:
    """[x, y, w, h] px: the tight box of the valid joints, enlarged about its center; zeros when none is valid."""
    if not valid.any():
        return [0.0, 0.0, 0.0, 0.0]
    low, high = uv[valid].min(axis=0), uv[valid].max(axis=0)
    size = (high - low) * BBOX_ENLARGE
    x, y = (low + high) / 2 - size / 2
    return [round(float(v), 4) for v in (x, y, size[0], size[1])]


def annotate(
    step: Step, camera: Camera, image_id: int, capture: int, subject: int, seq_name: str, frame: int
) -> tuple[dict, dict]:
    """The `images` and `annotations` entries of one view (docs/spec/datasets.md, section 1.3)."""
    width, height = camera.size
    uv = pixels(step, camera)
    valid = np.repeat(step.present, NUM_HAND_JOINTS) & inside(uv, camera.size)
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


def joint_3d_entry(step: Step) -> dict:
    """One time step's entry of joint_3d.json (docs/spec/datasets.md, section 1.5)."""
    valid = np.repeat(step.present, NUM_HAND_JOINTS)
    return {
        "world_coord": [[round(float(c), 4) for c in xyz] for xyz in step.joints],
        "joint_valid": [[int(v)] for v in valid],
        "hand_type": step.hand_type,
        "hand_type_valid": 1,
    }


def camera_entry(cameras: list[Camera]) -> dict:
    """One capture's entry of camera.json (docs/spec/datasets.md, section 1.4)."""
    return {
        "campos": {c.name: c.position.tolist() for c in cameras},
        "camrot": {c.name: c.rotation.tolist() for c in cameras},
        "focal": {c.name: c.focal.tolist() for c in cameras},
        "princpt": {c.name: c.principal_pt.tolist() for c in cameras},
    }


def write_view(root: Path, split: str, file_name: str, view: View, depth: bool) -> None:
    """Write one view's image, mask file (bits as in `renderer`) and, if asked, depth (16 bit, 0.1 mm)."""
    write_bytes(root / "images" / split / file_name, encode_jpeg(view.image, view.quality), durable=False)
    png = Path(file_name).with_suffix(".png")
    write_bytes(root / "masks" / split / png, encode_png(view.mask), durable=False)
    if depth:
        steps = np.clip(np.rint(view.depth / DEPTH_STEP_MM), 0, 65535).astype(np.uint16)
        write_bytes(root / "depth" / split / png, encode_png(steps), durable=False)


def read_masks(path: str | Path) -> dict[str, np.ndarray]:
    """Masks of one view by name, each (H, W) bool: {right,left}[_limb]_{amodal,visible}."""
    bits = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    names = ("amodal", "visible")
    return {
        f"{side}{part}_{kind}": (bits & getattr(renderer, f"{side}{part}_{kind}".upper())) > 0
        for side in ("right", "left")
        for part in ("", "_limb")
        for kind in names
    }


def write_aih(root: Path, split: str, annotation: dict, view: View, hand_type: str) -> None:
    """Write one view in the AIH layout: interacting hands as AIH_render, single hands as sources of AIH_syn.

    The layout is docs/spec/hdr.md, section 5.1. Masks cover the whole limb, because the image without the other hand is
    also without its arm.
    """
    x, y, w, h = annotation["bbox"]
    if min(w, h) < 8:
        return
    affine = crop_affine(square_bbox(np.array([x, y, x + w, y + h])), (AIH_SIZE, AIH_SIZE))
    name = annotation["image_id"]

    def crop(image: np.ndarray, how: int) -> np.ndarray:
        return cv2.warpAffine(image, affine, (AIH_SIZE, AIH_SIZE), flags=how)

    bits = crop(view.mask, cv2.INTER_NEAREST)
    amodal = [(bits & renderer.RIGHT_LIMB_AMODAL) > 0, (bits & renderer.LEFT_LIMB_AMODAL) > 0]
    visible = ((bits & renderer.RIGHT_LIMB_VISIBLE) > 0) + 2 * ((bits & renderer.LEFT_LIMB_VISIBLE) > 0).astype(
        np.uint8
    )
    image = encode_jpeg(crop(view.image, cv2.INTER_LINEAR), view.quality)
    for i, s in enumerate("rl"):
        if hand_type == "interacting":
            base = root / "AIH_dataset" / "AIH_render" / "machine_annot" / split
            alone = encode_jpeg(crop(view.alone[i], cv2.INTER_LINEAR), view.quality)
            write_bytes(base / "images" / f"{s}_images" / "IH" / f"{name}.jpg", image, durable=False)
            write_bytes(base / "images" / f"{s}_images" / "DR_gt" / f"{name}.jpg", alone, durable=False)
            label = base / "labels" / f"in_{s}_images" / "rl_visible" / f"{name}.png"
            write_bytes(label, encode_png(visible), durable=False)
        elif hand_type[0] == s:
            base = root / "AIH_dataset" / "AIH_syn" / "machine_annot" / split
            write_bytes(base / "images" / f"{s}_images" / f"{name}.jpg", image, durable=False)
        else:
            continue
        label = base / "labels" / f"in_{s}_images" / f"{s}_amodal" / f"{name}.png"
        write_bytes(label, encode_png(amodal[i].astype(np.uint8)), durable=False)


def write_aih_lists(root: Path, split: str, images: list[dict], annotations: list[dict], seed: int) -> None:
    """Write AIH_syn's filtered lists and its copy-paste recipes (docs/spec/hdr.md, sections 5.1 and 5.2).

    The recipes are JSON: the original's pickled .npy runs code when it is loaded. Keys are those of the original.
    """
    base = root / "AIH_dataset" / "AIH_syn"
    stems = {"right": [], "left": []}
    for entry in annotations:
        folder = base / "machine_annot" / split / "images" / f"{entry['hand_type'][0]}_images"
        if entry["hand_type"] in stems and (folder / f"{entry['image_id']}.jpg").exists():
            stems[entry["hand_type"]].append(entry["image_id"])
    for side, ids in stems.items():
        text = "".join(f"{i}\n" for i in ids)
        write_bytes(base / "filtered_list" / f"machine_annot_{split}_sh_{side}_filtered.txt", text.encode())
    rng = np.random.default_rng((seed, 5, len(images)))
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
    write_bytes(base / "syn_cfgs" / f"all_machine_annot_{split}_syn_cfgs.json", dump_json(recipes))


def _aih_augmentation(rng: np.random.Generator, other: bool) -> list:
    """Draw [[tx, ty], scale, rotation in degrees, color gain (3,)]; a pasted hand is shifted a fifth as far.

    The distributions are docs/spec/hdr.md, section 5.2.
    """
    shift = np.clip(rng.standard_normal(2), -1, 1) * 0.15 * (0.2 if other else 1.0)
    scale = 1 + 0.25 * float(np.clip(rng.standard_normal(), -1, 1))
    turn = 45.0 * float(np.clip(rng.standard_normal(), -2, 2)) if rng.random() < 0.6 else 0.0
    return [shift.round(6).tolist(), round(scale, 6), round(turn, 6), [1.0, 1.0, 1.0]]
