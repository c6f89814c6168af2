"""FreiHAND's own metrics, and the file for its evaluation server (docs/spec/datasets.md, section 5)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import all_gather_object, is_main_process
from mmengine.evaluator import BaseMetric

from ...errors import ConfigError, EvaluationError
from ...registry import METRICS
from ...structures.camera import lift_to_camera, root_depth_from_bones
from ...structures.joints import FREIHAND_SCALE_BONE, NUM_HAND_JOINTS, TO_OPENPOSE
from ...utils.files import write_text
from ..functional import single_hand as S
from .base import RunningMetric, stack_batch

NUM_VERTICES = 778
KINDS = ("abs", "PA")
_DEPTHS = ("gt", "scale")


def absolute_joints_mm(batch: dict[str, np.ndarray], depth: str) -> np.ndarray:
    """Return the predicted joints of the annotated hand in the camera frame.

    Args:
        batch: Batch from `stack_batch`, with `bone_mm` (B,) if `depth` is "scale".
        depth: "gt" for the annotated depth of the wrist; "scale" for the depth at which the predicted scale bone has
            its published length.

    Returns:
        (B, 21, 3) float64 mm.
    """
    side = batch["hand_type"].argmax(-1)
    points = S.select_present_hand(batch["pred_keypoints"], side).astype(np.float64)
    if depth == "gt":
        wrist = batch["abs_depth"][np.arange(len(side)), side].astype(np.float64)
    else:
        bones, lengths = np.array([FREIHAND_SCALE_BONE]), batch["bone_mm"][:, None]
        wrist = root_depth_from_bones(points, bones, lengths, batch["focal"], batch["principal_pt"])
    return lift_to_camera(points, wrist[:, None], batch["focal"], batch["principal_pt"])


def _check_depth(depth: str, owner: str) -> str:
    if depth not in _DEPTHS:
        raise ConfigError(f"{owner}: depth is unknown", got=depth, want=" or ".join(_DEPTHS))
    return depth


def _stack(data_samples: Sequence[dict[str, Any]], depth: str) -> dict[str, np.ndarray]:
    batch = stack_batch(data_samples)
    if depth == "scale":
        missing = next((s for s in data_samples if "bone_mm" not in s), None)
        if missing is not None:
            raise EvaluationError(
                f"sample {missing.get('sample_idx')} has no bone length",
                want="a FreiHANDDataset with training_scale.json or evaluation_scale.json",
                fix="add the file to the data set, or set depth='gt'",
            )
        batch["bone_mm"] = np.array([s["bone_mm"] for s in data_samples], np.float64)
    return batch


@METRICS.register_module()
class FreiHANDScore(RunningMetric):
    """Keypoint error and area under the PCK curve, in the camera frame and after Procrustes alignment.

    "EPE_abs" and "EPE_PA" are means over the 21 joints' mean errors in mm (the official script prints cm). "AUC_abs"
    and "AUC_PA" use its 100 thresholds from 0 to 50 mm. Only samples with 21 valid joints are aligned.

    Args:
        depth: Depth of the wrist for "abs": "scale" (from the published bone length) or "gt".
        **kwargs: Arguments of `RunningMetric`.
    """

    def __init__(self, depth: str = "scale", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.depth = _check_depth(depth, "FreiHANDScore")

    def stack(self, data_samples: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Return the arrays of a batch, with `bone_mm` (B,) if needed."""
        return _stack(data_samples, self.depth)

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Return errors (21,), counts (21,) and hits (T, 21) of each kind, flattened."""
        side = batch["hand_type"].argmax(-1)
        visible = S.select_present_hand(batch["keypoints_visible"], side) > 0
        truth = S.select_present_hand(batch["keypoints_cam"], side).astype(np.float64)
        joints = absolute_joints_mm(batch, self.depth)
        whole = visible & visible.all(axis=1, keepdims=True)
        sums = []
        for placed, counted in ((joints, visible), (S.procrustes_aligned(joints, truth), whole)):
            errors = np.linalg.norm(placed - truth, axis=-1)
            hits = S.count_hits(errors, counted, S.FREIHAND_MM)
            sums += [np.where(counted, errors, 0.0).sum(0), counted.sum(0), hits.ravel()]
        return np.concatenate(sums)

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """Return means in mm and areas between 0 and 1; NaN without ground truth."""
        numbers, counts = {}, {}
        for kind, table in zip(KINDS, sums.reshape(2, len(S.FREIHAND_MM) + 2, NUM_HAND_JOINTS), strict=True):
            seen = table[1] > 0
            numbers[f"EPE_{kind}"] = float((table[0, seen] / table[1, seen]).mean()) if seen.any() else float("nan")
            numbers[f"AUC_{kind}"] = S.area_under(S.pck_curve(table[2:], table[1]), S.FREIHAND_MM)
            counts[f"joints_{kind}"] = int(table[1].sum())
        return numbers, {"counts": counts}


@METRICS.register_module()
class FreiHANDSubmission(BaseMetric):
    """Write pred.json for the evaluation server: ``[xyz, verts]`` in meters, in FreiHAND's joint order.

    No mesh is predicted. Its 778 vertices are written as zeros, so the mesh scores of the server mean nothing.

    Args:
        out_file: Path of pred.json. The tools put a relative one into the work directory.
        depth: Depth of the wrist; see `FreiHANDScore`. The ground truth is hidden on the server, so use "scale".
    """

    def __init__(self, out_file: str, depth: str = "scale") -> None:
        super().__init__()
        self.out_file, self.depth = Path(out_file), _check_depth(depth, "FreiHANDSubmission")

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep the joints of a batch."""
        joints = absolute_joints_mm(_stack(data_samples, self.depth), self.depth)[:, TO_OPENPOSE] / 1000.0
        for sample, xyz in zip(data_samples, joints, strict=True):
            self.results.append((int(sample["sample_idx"]), xyz.round(6).tolist()))

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather the samples of all processes and write each once, in the order of the data set."""
        rows = dict(row for part in all_gather_object(self.results) for row in part)
        self.results.clear()
        if len(rows) != size:
            raise EvaluationError("FreiHANDSubmission has not seen every sample", got=len(rows), want=size)
        if is_main_process():
            mesh = [[0.0, 0.0, 0.0]] * NUM_VERTICES
            content = [[rows[index] for index in sorted(rows)], [mesh] * size]
            write_text(self.out_file, json.dumps(content))
        return {}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return no numbers."""
        return {}
