"""Miniatures of RHD, STB and FreiHAND in their published layouts, made of a few rendered hands."""

from __future__ import annotations

import json
import pickle
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

from interhand_mm.datasets import InterHandDataset
from interhand_mm.structures.camera import camera_to_pixel
from interhand_mm.structures.joints import FINGERS, HAND_JOINT_NAMES
from interhand_mm.synthesis.generate import generate
from interhand_mm.synthesis.plan import Options
from interhand_mm.synthesis.writer import read_masks

# Orders of one hand as the sets document them, by name (4 is a tip); nothing of the package's tables is used here.
RHD_NAMES = ["wrist", *(f"{finger}{digit}" for finger in FINGERS for digit in (4, 3, 2, 1))]
STB_NAMES = ["wrist", *(f"{finger}{digit}" for finger in FINGERS[::-1] for digit in (1, 2, 3, 4))]  # "wrist": the palm
FREIHAND_NAMES = ["wrist", *(f"{finger}{digit}" for finger in FINGERS for digit in (1, 2, 3, 4))]

STB_CAMERA = (np.array([822.79041, 822.79041]), np.array([318.47345, 250.31296]))
STB_BASELINE_MM = 120.054
FREIHAND_SIZE, RHD_SIZE, STB_SIZE = (224, 224), (320, 320), (640, 480)


def in_order(values: np.ndarray, names: list[str]) -> np.ndarray:
    """Values (21, ...) of our order in another one."""
    return values[[HAND_JOINT_NAMES.index(name) for name in names]]


@dataclass(frozen=True)
class Hand:
    """One rendered hand: image BGR, mask bool, joints (21, 3) mm in our order, side 0 right or 1 left, camera px."""

    image: np.ndarray
    mask: np.ndarray
    joints: np.ndarray
    side: int
    focal: np.ndarray
    principal_pt: np.ndarray

    @property
    def pixels(self) -> np.ndarray:
        return camera_to_pixel(self.joints, self.focal, self.principal_pt)

    def mirrored(self) -> Hand:
        last = self.image.shape[1] - 1
        return replace(
            self,
            image=np.ascontiguousarray(self.image[:, ::-1]),
            mask=np.ascontiguousarray(self.mask[:, ::-1]),
            joints=self.joints * [-1, 1, 1],
            side=1 - self.side,
            principal_pt=np.array([last - self.principal_pt[0], self.principal_pt[1]]),
        )

    def as_side(self, side: int) -> Hand:
        return self if self.side == side else self.mirrored()

    def seen_by(self, size: tuple[int, int], focal: np.ndarray, principal_pt: np.ndarray) -> Hand:
        """The picture another camera at the same place takes."""
        scale = focal / self.focal
        shift = principal_pt - scale * self.principal_pt
        warp = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])
        return replace(
            self,
            image=cv2.warpAffine(self.image, warp, size),
            mask=cv2.warpAffine(self.mask.astype(np.uint8), warp, size, flags=cv2.INTER_NEAREST) > 0,
            focal=np.asarray(focal, float),
            principal_pt=np.asarray(principal_pt, float),
        )

    def filling(self, size: tuple[int, int]) -> Hand:
        """Enlarged about its joints to fill two thirds of a picture."""
        low, high = self.pixels.min(0), self.pixels.max(0)
        scale = 0.66 * min(size) / (high - low).max()
        middle = (low + high) / 2
        return self.seen_by(size, self.focal * scale, np.array(size) / 2 - scale * (middle - self.principal_pt))

    def before(self, color: tuple[int, int, int]) -> np.ndarray:
        return np.where(self.mask[..., None], self.image, np.array(color, np.uint8))


def render(root: Path, num: int = 4) -> list[Hand]:
    """Render single hands in InterHand2.6M's format and read them back."""
    generate(root, Options(num=num, seed=5, size="160x160", interacting=0.0, subjects=1), workers=1, progress=False)
    dataset = InterHandDataset(data_root=str(root))
    hands = []
    for i in range(num):
        sample = dataset.get_data_info(i)
        side = int(sample["hand_type"][0].argmax())
        path = Path(sample["img_path"])
        masks = read_masks(root / "masks" / path.relative_to(root / "images").with_suffix(".png"))
        hands.append(
            Hand(
                cv2.imread(str(path)),
                np.any(list(masks.values()), axis=0),
                sample["keypoints_cam"][0, 21 * side : 21 * side + 21].astype(np.float64),
                side,
                sample["focal"].astype(np.float64),
                sample["principal_pt"].astype(np.float64),
            )
        )
    return hands


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes as Python 2 wrote its `str`."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_str(self, value) -> None:
        data = value if isinstance(value, bytes) else value.encode("latin-1")
        self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = save_str


def dump_python2(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        Python2Pickler(file, protocol=2).dump(value)


def rhd_entry(hand: Hand, other_visible: int = 0) -> dict[str, np.ndarray]:
    """One image's entry of the original pickle; the other hand is a copy far to the side."""
    uv_vis, xyz = np.zeros((42, 3)), np.zeros((42, 3))
    other = hand.mirrored().joints + np.array([150.0, 0, 50.0])
    for side, joints, visible in ((hand.side, hand.joints, 21), (1 - hand.side, other, other_visible)):
        block = slice(0, 21) if side == 1 else slice(21, 42)
        pixels = camera_to_pixel(joints, hand.focal, hand.principal_pt)
        flags = (np.arange(21) < visible).astype(float)[:, None]
        uv_vis[block] = np.concatenate([in_order(pixels, RHD_NAMES), flags], axis=1)
        xyz[block] = in_order(joints, RHD_NAMES) / 1000
    (fx, fy), (cx, cy) = hand.focal, hand.principal_pt
    return {"uv_vis": uv_vis, "xyz": xyz, "K": np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])}


def write_rhd(root: Path, hands: list[Hand]) -> Path:
    """The original release, RHD_published_v2, as Python 2 pickled it."""
    for part in ("training", "evaluation"):
        entries = {}
        for number, hand in enumerate(hands):
            hand = hand.filling(RHD_SIZE)
            entries[number] = rhd_entry(hand)
            folder = root / "RHD_published_v2" / part
            write(folder / "color" / f"{number:05d}.png", hand.before((90, 60, 50)))
            write(folder / "mask" / f"{number:05d}.png", hand.mask.astype(np.uint8) * 5)
        dump_python2(root / "RHD_published_v2" / part / f"anno_{part}.pickle", entries)
    return root


def skeleton_text(names: list[str]) -> str:
    """`skeleton.txt` of two hands in an order of names: left, then right."""
    lines = ["# name id parent"]
    for start, side in ((0, "l"), (21, "r")):
        for joint, name in enumerate(names):
            digit = name[-1]
            parent = "wrist" if digit == "1" else f"{name[:-1]}{int(digit) - 1}" if digit.isdigit() else None
            lines.append(f"{side}_{name} {start + joint} {-1 if parent is None else start + names.index(parent)}")
    return "\n".join(lines) + "\n"


def write_parsed(path: Path, hands: list[tuple[Hand, str, str]], names: list[str]) -> None:
    """InterNet's JSON of (hand, file name, sequence); ids that are no indices."""
    images, annotations = [], []
    for i, (hand, name, sequence) in enumerate(hands):
        height, width = hand.image.shape[:2]
        camera = {"focal": hand.focal.tolist(), "princpt": hand.principal_pt.tolist()}
        image = {"id": 70 + i, "file_name": name, "width": width, "height": height, "cam_param": camera}
        images.append(image | ({"seq_name": sequence} if sequence else {}))
        low, high = hand.pixels.min(0), hand.pixels.max(0)
        middle, size = (low + high) / 2, (high - low) * 1.2
        annotations.append(
            {
                "id": 300 + i, "image_id": 70 + i, "bbox": [*(middle - size / 2), *size],
                "joint_img": in_order(hand.pixels, names).tolist(), "joint_cam": in_order(hand.joints, names).tolist(),
                "joint_valid": [1] * 21, "hand_type": ("right", "left")[hand.side],
            }
        )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations}))


def write_rhd_parsed(root: Path, hands: list[Hand], skeleton: bool = True) -> Path:
    """RHD as InterNet's authors parsed it, with RootNet's output of the test split."""
    rows = [(hand.filling(RHD_SIZE), f"{number:05d}.png", "") for number, hand in enumerate(hands)]
    for part in ("training", "evaluation"):
        for hand, name, _ in rows:
            write(root / "data" / part / "color" / name, hand.before((90, 60, 50)))
        write_parsed(root / "data" / f"RHD_{part}.json", rows, RHD_NAMES)
    if skeleton:
        (root / "data" / "skeleton.txt").write_text(skeleton_text(RHD_NAMES))
    rootnet = [
        {"annot_id": 300 + i, "bbox": [10.0 + i, 20.0, 200.0, 200.0], "abs_depth": 500.0 + i} for i in range(len(rows))
    ]
    (root / "rootnet_output").mkdir(parents=True)
    (root / "rootnet_output" / "rootnet_rhd_output.json").write_text(json.dumps(rootnet))
    return root


def stb_hands(hands: list[Hand]) -> list[Hand]:
    return [hand.as_side(1).seen_by(STB_SIZE, *STB_CAMERA) for hand in hands]


def write_stb(root: Path, hands: list[Hand]) -> Path:
    """The original release: two sequences, labels of both cameras, pictures of the stereo pair."""
    shown = stb_hands(hands)
    values = np.stack([in_order(hand.joints, STB_NAMES) for hand in shown]).transpose(2, 1, 0)
    for sequence in ("B1Counting", "B2Random"):
        for i, hand in enumerate(shown):
            apart = STB_CAMERA[0][0] * STB_BASELINE_MM / hand.joints[20, 2]
            right = hand.seen_by(STB_SIZE, hand.focal, hand.principal_pt - [apart, 0])
            for view, seen in (("BB_left", hand), ("BB_right", right)):
                write(root / "images" / sequence / f"{view}_{i}.png", seen.before((60, 70, 80)))
        for camera in ("BB", "SK"):
            (root / "labels").mkdir(parents=True, exist_ok=True)
            savemat(root / "labels" / f"{sequence}_{camera}.mat", {"handPara": values})
    return root


def write_stb_parsed(root: Path, hands: list[Hand], names: list[str] = STB_NAMES) -> Path:
    """STB as InterNet's authors parsed it."""
    rows = [(hand, f"SK_color_{i}.png", "B1Counting") for i, hand in enumerate(stb_hands(hands))]
    for hand, name, sequence in rows:
        write(root / "data" / "images" / sequence / name, hand.before((60, 70, 80)))
    for split in ("train", "test"):
        write_parsed(root / "data" / f"STB_{split}.json", rows, names)
    (root / "data" / "skeleton.txt").write_text(skeleton_text(names))
    return root


def write_freihand(root: Path, hands: list[Hand], truth: bool = True) -> Path:
    """v2: four versions of every training image; the evaluation lists, with the later released truth or without."""
    shown = [hand.as_side(0).filling(FREIHAND_SIZE) for hand in hands]
    colors = [(60, 160, 60), (110, 90, 70), (40, 50, 120), (150, 150, 140)]
    for i, hand in enumerate(shown):
        for version, color in enumerate(colors):
            write(root / "training" / "rgb" / f"{version * len(shown) + i:08d}.jpg", hand.before(color))
        write(root / "training" / "mask" / f"{i:08d}.jpg", hand.mask.astype(np.uint8) * 255)
        write(root / "evaluation" / "rgb" / f"{i:08d}.jpg", hand.before(colors[3]))
    xyz = np.stack([in_order(hand.joints, FREIHAND_NAMES) for hand in shown]) / 1000
    lists = {
        "K": [[[h.focal[0], 0, h.principal_pt[0]], [0, h.focal[1], h.principal_pt[1]], [0, 0, 1]] for h in shown],
        "xyz": xyz.tolist(),
        "scale": np.linalg.norm(xyz[:, 9] - xyz[:, 10], axis=-1).tolist(),
        "mano": [[[0.0] * 61]] * len(shown),
        "verts": [[[0.0, 0.0, 0.6]] * 778] * len(shown),
    }
    for name, values in lists.items():
        (root / f"training_{name}.json").write_text(json.dumps(values))
        if truth or name in ("K", "scale"):
            (root / f"evaluation_{name}.json").write_text(json.dumps(values))
    return root
