"""Testing a detector, and its boxes as the crops of a pose data set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.logging import MMLogger
from tqdm import tqdm

from ..checkpoints.io import check_fits, check_shapes, read_checkpoint, sha256
from ..datasets.annotations.index import HandIndex, find_annotations, open_index
from ..engine.runner import bare_model, build_runner
from ..errors import AnnotationError, CheckpointError
from ..inference.detector import HandDetector
from ..inference.grouping import crop_bbox, group_hands, match_boxes
from ..structures.camera import square_bbox
from ..utils.images import read_image
from ..utils.provenance import provenance, write_json

# CocoMetric's names -> ours. AP is the mean over IoU .50 to .95; S, M, L are COCO's areas.
_NAMES = {
    "coco/bbox_mAP": "AP", "coco/bbox_mAP_50": "AP50", "coco/bbox_mAP_75": "AP75",
    "coco/bbox_mAP_s": "AP_small", "coco/bbox_mAP_m": "AP_medium", "coco/bbox_mAP_l": "AP_large",
}  # fmt: skip
_MEND = "pass --data-root; tools/make_scenes.py writes such a folder"


def run_detector_test(cfg: Config, checkpoint: str, launcher: str = "none", out: str | None = None) -> dict[str, Any]:
    """Test a detector on its `test_dataloader`.

    Args:
        cfg: From `load_config`.
        checkpoint: Its weights.
        launcher: "none", "pytorch" or "slurm".
        out: metrics.json; None writes it into the work_dir.

    Returns:
        What metrics.json holds: metrics (AP, AP50, AP75, AP_small, ...), counts, provenance.
    """
    cfg.train_dataloader = cfg.train_cfg = cfg.optim_wrapper = cfg.param_scheduler = None
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    # The file's weights are the averaged ones already; the hook would look for the raw ones beside them.
    cfg.custom_hooks = [hook for hook in cfg.get("custom_hooks") or [] if hook["type"].split(".")[-1] != "EMAHook"]
    check_coco(cfg)
    weights = read_checkpoint(checkpoint)
    cfg.load_from, cfg.resume = str(checkpoint), False
    runner = build_runner(cfg, launcher)
    check_fits(weights, bare_model(runner.model), checkpoint)
    numbers = runner.test()
    dataset = runner.test_dataloader.dataset
    report = {
        "metrics": _metrics(numbers),
        "counts": {
            "images": len(dataset),
            "hands": sum(len(dataset.get_data_info(i)["instances"]) for i in range(len(dataset))),
        },
        "provenance": provenance(
            config=str(cfg.filename), checkpoint=str(checkpoint), checkpoint_sha256=sha256(checkpoint), seed=runner.seed
        ),
    }
    if is_main_process():
        target = Path(out) if out else Path(cfg.work_dir) / "metrics.json"
        write_json(target, report)
        text = "  ".join(f"{name} {value:.3f}" for name, value in report["metrics"].items())
        MMLogger.get_current_instance().info(f"{report['counts']['hands']} hands: {text}\nwritten to {target}")
    return report


def _metrics(numbers: dict[str, float]) -> dict[str, float]:
    """Ours from CocoMetric's: 0 where it says nothing (nothing was detected), NaN where it says -1 (no such hands)."""
    found = {short: float(numbers.get(name, 0.0)) for name, short in _NAMES.items()}
    return {name: value if value >= 0 else float("nan") for name, value in found.items()}


def check_coco(cfg: Config) -> None:
    """Raise unless every data set's COCO file is there and has the config's classes; mmdet would find no hands.

    Raises:
        AnnotationError: A file is missing, not COCO's, or lacks a class.
    """
    for loader in ("train_dataloader", "test_dataloader"):
        dataset = (cfg.get(loader) or {}).get("dataset") or {}
        if "ann_file" not in dataset:
            continue
        path = Path(dataset.get("data_root") or "") / dataset["ann_file"]
        try:
            names = {category["name"] for category in json.loads(path.read_bytes())["categories"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AnnotationError(
                f"not a COCO file: {path}", got=f"{type(error).__name__}: {error}", mend=_MEND
            ) from error
        classes = (dataset.get("metainfo") or {}).get("classes", ())
        if absent := set([classes] if isinstance(classes, str) else classes) - names:
            raise AnnotationError(f"{path} lacks classes of the config", got=sorted(names), want=sorted(absent))


def check_start(checkpoint: dict[str, Any], model: torch.nn.Module, path: str | Path) -> None:
    """Raise unless a network can start from these weights: the backbone must fit; the head may be another's.

    Raises:
        CheckpointError: No weights, or the backbone is another one's.
    """
    state = checkpoint.get("state_dict", checkpoint)
    found = {n: t.shape for n, t in state.items() if torch.is_tensor(t) and n.startswith("backbone.")}
    if not found:
        raise CheckpointError(f"{path}: no weights of a backbone", got=f"keys {sorted(map(str, state))[:5]}")
    wanted = {n: t.shape for n, t in model.state_dict().items() if n.startswith("backbone.")}
    check_shapes(found, wanted, f"the backbone in {path}")


def detect_split(
    detector: HandDetector, data_root: str, split: str, annot_subset: str = "all", progress: bool = True
) -> dict[str, Any]:
    """Detect, group and match the hands of an InterHand2.6M-format split.

    In each image the groups' boxes are matched one to one to the annotations' boxes, both as the square that is
    cropped, where they overlap by at least `grouping.MIN_MATCH_IOU`.

    Args:
        detector: What detects.
        data_root: Folder with images/ and annotations/.
        split: "train", "val" or "test".
        annot_subset: Of the older layout.
        progress: Show a bar.

    Returns:
        boxes: [{annot_id, bbox [x, y, w, h] px square and enlarged, score, hands}], missed: ids of annotations that
        no group matched, counts: images, annotations, found, missed, hands, groups, unmatched_groups.
    """
    index = open_index(find_annotations(data_root, split, annot_subset))
    folder = Path(data_root) / "images" / split
    boxes: list[dict[str, Any]] = []
    counts = dict(images=0, annotations=len(index), found=0, missed=0, hands=0, groups=0, unmatched_groups=0)
    for batch in tqdm(list(_batches(index, detector.batch_size)), desc="detecting", disable=not progress):
        found = detector([read_image(folder / name) for name, _ in batch])
        for (_, rows), hands in zip(batch, found, strict=True):
            groups = group_hands(hands.boxes, hands.scores, hands.sides)
            crops = [crop_bbox(hands.boxes[group]) for group in groups]
            matched = match_boxes(crops, np.array([_annotated_crop(index, row) for row in rows]))
            for number, g in matched.items():
                boxes.append(_record(index, rows[number], crops[g], hands.scores[groups[g]]))
            counts["images"] += 1
            counts["hands"] += len(hands.boxes)
            counts["groups"] += len(groups)
            counts["unmatched_groups"] += len(groups) - len(matched)
    missed = np.setdiff1d(index.ann_id, [record["annot_id"] for record in boxes]).tolist()
    counts.update(found=len(boxes), missed=len(missed))
    return {"boxes": boxes, "missed": missed, "counts": counts}


def _batches(index: HandIndex, size: int) -> Iterator[list[tuple[str, list[int]]]]:
    """Images in batches, each with the rows of its annotations."""
    rows: dict[str, list[int]] = {}
    for row in range(len(index)):
        rows.setdefault(index.file_name(row), []).append(row)
    images = list(rows.items())
    for start in range(0, len(images), size):
        yield images[start : start + size]


def _annotated_crop(index: HandIndex, row: int) -> np.ndarray:
    x, y, w, h = index.bbox[row].astype(np.float64)
    return square_bbox(np.array([x, y, x + w, y + h]))


def _record(index: HandIndex, row: int, crop: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    x1, y1, x2, y2 = (round(float(value), 3) for value in crop)
    bbox = [x1, y1, round(x2 - x1, 3), round(y2 - y1, 3)]
    return {
        "annot_id": int(index.ann_id[row]), "bbox": bbox, "score": round(float(scores.min()), 4), "hands": len(scores)
    }  # fmt: skip


def write_boxes(path: str | Path, found: dict[str, Any], **origin: Any) -> None:
    """Write what `detect_split` found, with its provenance; `--boxes` of `tools/test.py` reads it."""
    write_json(path, {**found, "provenance": provenance(**origin)})
