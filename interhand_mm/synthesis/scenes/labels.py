"""Annotation files of scenes: InterHand2.6M's three files, and COCO detection files beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...structures.joints import NUM_HAND_JOINTS, SIDES
from ...utils.coco import coco_detection
from .. import writer
from .paste import PastedHands

# A hand with fewer joints in the frame is marked `iscrowd`: detecting it counts neither for nor against a detector.
MIN_JOINTS = 6
COCO_CATEGORIES = {"sides": ("right_hand", "left_hand"), "hand": ("hand",)}


def annotate_pasted(
    pasted: PastedHands, ann_id: int, scene: dict[str, Any], capture: int
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the `images`, `annotations` and camera entries of one pasted interaction.

    The formats are docs/spec/datasets.md, sections 1.3 and 1.4.

    Args:
        pasted: One or two hands in the scene.
        ann_id: Id of the annotation, also the name of its camera and its frame index.
        scene: file_name, width and height of the scene.
        capture: Number of the capture.
    """
    hands, name = pasted.hands, f"{ann_id}"
    image = {
        **{key: scene[key] for key in ("file_name", "width", "height")},
        **{"id": ann_id, "capture": capture, "subject": 0, "seq_name": "scenes", "camera": name, "frame_idx": ann_id},
    }
    annotation = {
        "id": ann_id,
        "image_id": ann_id,
        "bbox": writer.joint_box(pasted.uv, pasted.valid),
        "joint_valid": [[int(v)] for v in pasted.valid],
        "hand_type": hands.hand_type,
        "hand_type_valid": hands.hand_type_valid,
    }
    camera = {
        **{key: hands.camera[key] for key in ("campos", "camrot")},
        "focal": (pasted.scale * np.asarray(hands.camera["focal"])).tolist(),
        "princpt": (pasted.scale * np.asarray(hands.camera["princpt"]) + pasted.offset).tolist(),
    }
    return image, annotation, camera


def hand_boxes(pasted: PastedHands, ann_id: int) -> list[dict[str, Any]]:
    """Return one box per hand: side (0 right, 1 left), bbox [x, y, w, h] px, iscrowd and the annotation's id.

    The bbox has InterHand2.6M's definition: the tight box of the hand's joints in the frame, enlarged by 1.2.
    """
    found = []
    for joints in pasted.hands.hands:
        valid = pasted.valid[joints]
        if valid.any():
            box = writer.joint_box(pasted.uv[joints], valid)
            ignore = int(valid.sum() < MIN_JOINTS or min(box[2:]) < 1)
            found.append(dict(side=joints.start // NUM_HAND_JOINTS, bbox=box, iscrowd=ignore, interaction=ann_id))
    return found


def write_scene_annotations(out: Path, split: str, contents: list[dict[str, Any]]) -> None:
    """Write the annotation files of a split.

    Args:
        out: Folder of the scenes.
        split: "train", "val" or "test".
        contents: Contents of the chunks' files, in order.
    """

    def joined(key: str) -> list:
        return [entry for content in contents for entry in content[key]]

    files = {
        "data": {"images": joined("images"), "annotations": joined("annotations")},
        "camera": {str(i): content["camera"] for i, content in enumerate(contents)},
        "joint_3d": {str(i): content["joint_3d"] for i, content in enumerate(contents)},
    }
    base = out / "annotations"
    for name, value in files.items():
        writer.write_bytes(base / split / f"InterHand2.6M_{split}_{name}.json", writer.dump_json(value))
    scenes = joined("scenes")
    boxes = [coco_box(scene["id"], hand) for scene in scenes for hand in scene["hands"]]
    for kind, names in COCO_CATEGORIES.items():
        path = base / "coco" / f"{kind}_{split}.json"
        writer.write_bytes(path, writer.dump_json(coco_detection(scenes, boxes, names)))


def coco_box(image_id: int, hand: dict[str, Any]) -> dict[str, Any]:
    """Return a box of `hand_boxes` as `coco_detection` expects it."""
    return {
        "image_id": image_id,
        "category": hand["side"],
        "bbox": hand["bbox"],
        "area": hand["bbox"][2] * hand["bbox"][3],
        "iscrowd": hand["iscrowd"],
        "side": SIDES[hand["side"]],
        "interaction": hand["interaction"],
    }
