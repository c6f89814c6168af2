"""Annotations of scenes: InterHand2.6M's three files, and COCO's detection files beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...structures.joints import NUM_HAND_JOINTS, SIDES
from ...utils.files import write_bytes
from .. import writer
from .paste import Pasted

MIN_JOINTS = 6  # a hand with fewer in the frame is neither to be found nor to be held against a detector
CATEGORIES = {"sides": ("right_hand", "left_hand"), "hand": ("hand",)}


def annotate(pasted: Pasted, ann_id: int, scene: dict, capture: int) -> tuple[dict, dict, dict]:
    """Return the `images`, `annotations` and camera entries of one pasted interaction.

    The formats are docs/spec/datasets.md, sections 1.3 and 1.4.
    """
    source, name = pasted.source, f"{ann_id}"
    image = {
        **{key: scene[key] for key in ("file_name", "width", "height")},
        **{"id": ann_id, "capture": capture, "subject": 0, "seq_name": "scenes", "camera": name, "frame_idx": ann_id},
    }
    annotation = {
        "id": ann_id,
        "image_id": ann_id,
        "bbox": writer.joint_box(pasted.uv, pasted.valid),
        "joint_valid": [[int(v)] for v in pasted.valid],
        "hand_type": source.hand_type,
        "hand_type_valid": source.hand_type_valid,
    }
    camera = {
        **{key: source.camera[key] for key in ("campos", "camrot")},
        "focal": (pasted.scale * np.asarray(source.camera["focal"])).tolist(),
        "princpt": (pasted.scale * np.asarray(source.camera["princpt"]) + pasted.offset).tolist(),
    }
    return image, annotation, camera


def hand_boxes(pasted: Pasted, ann_id: int) -> list[dict[str, Any]]:
    """A box for each hand, [x, y, w, h] px: the tight box of its joints in the frame, enlarged as the data's are."""
    found = []
    for joints in pasted.source.hands:
        valid = pasted.valid[joints]
        if valid.any():
            box = writer.joint_box(pasted.uv[joints], valid)
            ignore = int(valid.sum() < MIN_JOINTS or min(box[2:]) < 1)
            found.append(dict(side=joints.start // NUM_HAND_JOINTS, bbox=box, iscrowd=ignore, interaction=ann_id))
    return found


def merge(out: Path, split: str, parts: list[dict]) -> None:
    """Write a split's annotation files from its chunks' parts."""

    def joined(key: str) -> list:
        return [entry for part in parts for entry in part[key]]

    files = {
        "data": {"images": joined("images"), "annotations": joined("annotations")},
        "camera": {str(i): part["camera"] for i, part in enumerate(parts)},
        "joint_3d": {str(i): part["joint_3d"] for i, part in enumerate(parts)},
    }
    base = out / "annotations"
    for name, value in files.items():
        write_bytes(base / split / f"InterHand2.6M_{split}_{name}.json", writer.dump_json(value))
    scenes = joined("scenes")
    for kind, names in CATEGORIES.items():
        write_bytes(base / "coco" / f"{kind}_{split}.json", writer.dump_json(coco(scenes, names)))


def coco(scenes: list[dict], names: tuple[str, ...]) -> dict[str, list]:
    """COCO's detection file with one category a side, or one for both.

    Args:
        scenes: id, file_name, width, height and hands, as `make_scenes_chunk` notes them.
        names: Of the categories: right and left, or the one.
    """
    hands = [(scene["id"], hand) for scene in scenes for hand in scene["hands"]]
    return {
        "images": [{key: scene[key] for key in ("id", "file_name", "width", "height")} for scene in scenes],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(names)],
        "annotations": [
            {
                **{"id": i + 1, "image_id": image_id, "category_id": 1 + (hand["side"] if len(names) > 1 else 0)},
                **{"bbox": hand["bbox"], "area": hand["bbox"][2] * hand["bbox"][3], "iscrowd": hand["iscrowd"]},
                **{"side": SIDES[hand["side"]], "interaction": hand["interaction"]},
            }
            for i, (image_id, hand) in enumerate(hands)
        ],
    }
