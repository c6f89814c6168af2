"""A miniature of AIH as published: blunt painted hands, every mask exact; recipes pickled as the authors' are."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE = 256
NUM = {"right": 3, "left": 2}  # crops a side: lists need not be of one length
STEMS = {"right": (4, 11, 25), "left": (7, 30)}


def hand_mask(side: str, angle_deg: float = 0.0) -> np.ndarray:
    """(256, 256) uint8: a palm with four fingers and, towards the middle of the body, a thumb."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.circle(mask, (128, 160), 44, 1, -1)
    for x in (95, 117, 139, 161):
        cv2.line(mask, (x, 150), (x, 60), 1, 17)
    cv2.line(mask, (120, 170), (55, 110), 1, 18)
    if side == "left":
        mask = mask[:, ::-1]
    turn = cv2.getRotationMatrix2D((128, 128), angle_deg, 1.0)
    return cv2.warpAffine(np.ascontiguousarray(mask), turn, (SIZE, SIZE), flags=cv2.INTER_NEAREST)


def picture(mask: np.ndarray, color: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """(256, 256, 3) uint8 BGR: the mask in a colour before a smooth background."""
    behind = cv2.resize(rng.integers(20, 120, (5, 5, 3), dtype=np.uint8), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    return np.where(mask[..., None] > 0, np.array(color, np.uint8), behind)


def _write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def recipe(side: str, row: int, other: int, **changes) -> dict:
    """One recipe with the published keys and types."""
    move = [[0.05, -0.02], np.float64(1.1), 12.5, np.array([1.1, 0.9, 1.0])]
    still = [[0.0, 0.0], 1.0, 0.0, np.ones(3)]
    own, far = ("r_aug_list", "l_aug_list") if side == "right" else ("l_aug_list", "r_aug_list")
    made = {
        "loop_side": side, "loop_side_idx": row, "another_side_idx": np.int64(other),
        own: still, far: move, "occlusion_rate": np.float32(0.4),
    }  # fmt: skip
    return {**made, **changes}


def write_aih_syn(root: Path, subset: str = "machine_annot", split: str = "train", recipes: list | None = None) -> Path:
    """Write AIH_Syn's crops, lists and pickled recipes below root/AIH_dataset; returns that folder."""
    base = root / "AIH_dataset" / "AIH_syn"
    rng = np.random.default_rng(3)
    for side, stems in STEMS.items():
        s = side[0]
        for stem in stems:
            mask = hand_mask(side, 4.0 * stem)
            color = (90, 120, 200) if side == "right" else (170, 190, 240)
            _write(base / subset / split / "images" / f"{s}_images" / f"{stem}.jpg", picture(mask, color, rng))
            _write(base / subset / split / "labels" / f"in_{s}_images" / f"{s}_amodal" / f"{stem}.png", mask)
        listed = base / "filtered_list" / f"{subset}_{split}_sh_{side}_filtered.txt"
        listed.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(listed, np.array(stems))  # as published read: float text, cast to int
    if recipes is None:
        recipes = [recipe("right", 0, 1), recipe("left", 1, 2), recipe("right", 2, -1000)]
    (base / "syn_cfgs").mkdir(exist_ok=True)
    np.save(base / "syn_cfgs" / f"all_{subset}_{split}_syn_cfgs.npy", np.array(recipes, object))
    return root / "AIH_dataset"


def write_aih_render(root: Path, subset: str = "machine_annot", split: str = "train", num: int = 2) -> Path:
    """Write AIH_Render triples of which the left hand is in front; both sides of a name show the same view."""
    base = root / "AIH_dataset" / "AIH_render" / subset / split
    rng = np.random.default_rng(4)
    for name in range(num):
        masks = {"r": hand_mask("right", 10.0), "l": np.roll(hand_mask("left", -10.0), 40 + 20 * name, axis=1)}
        behind = picture(np.zeros((SIZE, SIZE), np.uint8), (0, 0, 0), rng)
        alone = {
            s: np.where(masks[s][..., None] > 0, np.array(color, np.uint8), behind)
            for s, color in (("r", (90, 120, 200)), ("l", (170, 190, 240)))
        }
        both = np.where(masks["l"][..., None] > 0, alone["l"], alone["r"])
        visible = np.where(masks["l"] > 0, 2, masks["r"]).astype(np.uint8)
        for s in "rl":
            _write(base / "images" / f"{s}_images" / "IH" / f"{name}.jpg", both)
            _write(base / "images" / f"{s}_images" / "DR_gt" / f"{name}.jpg", alone[s])
            _write(base / "labels" / f"in_{s}_images" / f"{s}_amodal" / f"{name}.png", masks[s])
            _write(base / "labels" / f"in_{s}_images" / "rl_visible" / f"{name}.png", visible)
    return root / "AIH_dataset"
