"""Amodal masks, restored pictures and single-hand pose, as thin shells over `functional`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import EvaluationError
from ...evaluation.functional.pose_3d import GROUPS, wrist_relative_mm
from ...evaluation.metrics.base import RunningMetric
from ...registry import METRICS
from ...structures.joints import NUM_HAND_JOINTS, RIGHT_WRIST, SIDES
from ..masks import MASK_NAMES, composite, dilate, edit_masks, of_target
from .baselines import FILL_BASELINES, MASK_BASELINES
from .functional import bone_scaled, image_scores, image_sums, iou, mask_confusion, root_aligned

MIDDLE_BASE = 11  # in HAND_JOINT_NAMES; the reference bone goes from the wrist to it
REGIONS = ("hole", "removal", "edited", "hand")
KINDS = ("restored", "composite")


def _array(sample: dict[str, Any], key: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """A sample's entry as an array, its shape checked (None: any length)."""
    if key not in sample:
        raise EvaluationError(f"sample {sample.get('sample_idx')}: no '{key}'", want="a network that predicts it")
    value = sample[key]
    value = value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
    if value.ndim != len(shape) or any(w not in (None, h) for w, h in zip(shape, value.shape, strict=True)):
        raise EvaluationError(f"sample {sample.get('sample_idx')}: '{key}'", got=value.shape, want=shape)
    return value


def _baseline(metric: str, name: str | None, known: dict[str, Any]) -> Any:
    """The function of a baseline's name, None for None."""
    if name is not None and name not in known:
        raise EvaluationError(f"{metric}: baseline", got=name, want=f"None or one of {', '.join(known)}")
    return None if name is None else known[name]


@METRICS.register_module()
class AmodalIoU(RunningMetric):
    """Intersection over union of the four masks, pixels pooled over the set; 0 to 1.

    A sample brings `masks`, `masks_valid` (truth) and `pred_masks` (4, H, W), 0 or 1, in the truth's size. Numbers:
    "IoU/right_amodal" and so on, "IoU_hidden/right" (amodal without visible, on its own: what had to be guessed),
    "mIoU/..." with the background's, as segmentation libraries print it, and "Phantom/right": the share of pictures
    without that hand in which one was seen all the same. Masks that are not known do not count.

    Args:
        baseline: In place of a prediction: "visible", that nothing is hidden (0 on the hidden part, by definition),
            or "hull", the convex hull of what is visible; of the TRUE visible mask, which no network is given.
        phantom_area: Share of the picture from which on a mask says that there is a hand.
        **kwargs: See `RunningMetric`.
    """

    def __init__(self, baseline: str | None = None, phantom_area: float = 0.01, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.baseline, self.phantom_area = _baseline("AmodalIoU", baseline, MASK_BASELINES), phantom_area

    def stack(self, data_samples: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Of every sample, since pictures may differ in size: pixel counts (B, 6, 4); absent and made up (B, 2, 2)."""
        rows, absent = [], []
        for sample in data_samples:
            truth = _array(sample, "masks", (len(MASK_NAMES), None, None))
            predicted = self.baseline(truth) if self.baseline else _array(sample, "pred_masks", truth.shape)
            valid = _array(sample, "masks_valid", (len(MASK_NAMES),)) > 0
            hidden = [np.stack([m[i] * (1 - m[i + 1]) for i in (0, 2)]) for m in (predicted > 0, truth > 0)]
            counts = mask_confusion(np.concatenate([predicted, hidden[0]]), np.concatenate([truth, hidden[1]]))
            rows.append(counts * np.concatenate([valid, valid[::2] & valid[1::2]])[:, None])
            none = valid[::2] & ~truth[::2].any(axis=(1, 2))
            absent.append(np.stack([none, none & ((predicted[::2] > 0).mean(axis=(1, 2)) >= self.phantom_area)], 1))
        return {"counts": np.stack(rows), "absent": np.stack(absent)}

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Pixel counts (6, 4) and samples (2, 2), flattened."""
        return np.concatenate([batch[key].sum(0).ravel() for key in ("counts", "absent")])

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """See `functional.iou`; NaN for a mask that neither is there nor was predicted, and where no hand is absent."""
        names = [*(f"/{name}" for name in MASK_NAMES), *(f"_hidden/{side}" for side in SIDES)]
        numbers = {}
        for name, counts in zip(names, sums[:24].reshape(-1, 4), strict=True):
            numbers[f"IoU{name}"], numbers[f"mIoU{name}"] = iou(counts)
        for side, (absent, seen) in zip(SIDES, sums[24:].reshape(2, 2), strict=True):
            numbers[f"Phantom/{side}"] = float(seen / absent) if absent else float("nan")
        return numbers, {"counts": {"pixels": int(sums[:24].sum()), "absent_hands": int(sums[24::2].sum())}}


@METRICS.register_module()
class RestorationScore(RunningMetric):
    """L1, PSNR and SSIM of a picture of the target hand alone; pixels pooled over the set.

    A sample brings `image` (3, H, W), `masks`, `masks_valid`, `clean`, `clean_valid`, `target` (truth, see
    `AIHDataset`) and `pred_clean` (3, H, W), 0 to 255 BGR, the network's output. Numbers: "L1_restored/hole" and so
    on: the output as it is (*restored*) and composed into the picture (*composite*), over the *hole* (the target
    hidden), the *removal* (other hand beside it), both of them (*edited*) and the *hand* (all of the target).

    Args:
        dilation_px: Of the edited region when composing (1 is none).
        edited: "pred", the region that the network edited, `pred_edited` (H, W), or "truth", from the true masks.
        baseline: In place of the output, from the true masks: "mean", the mean color of what shows of the hand and
            of the background, or "telea", OpenCV's inpainting.
        **kwargs: See `RunningMetric`.
    """

    def __init__(self, dilation_px: int = 1, edited: str = "truth", baseline: str | None = None, **kwargs: Any) -> None:
        if edited not in ("truth", "pred"):
            raise EvaluationError("RestorationScore: edited", got=edited, want="truth or pred")
        super().__init__(**kwargs)
        self.dilation_px, self.edited = dilation_px, edited
        self.baseline = _baseline("RestorationScore", baseline, FILL_BASELINES)

    def stack(self, data_samples: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Sums of every sample: (B, 2, 4, 4)."""
        return {"sums": np.stack([self._sample_sums(sample) for sample in data_samples])}

    def _sample_sums(self, sample: dict[str, Any]) -> np.ndarray:
        sums, target = np.zeros((len(KINDS), len(REGIONS), 4)), int(sample["target"])
        if not _array(sample, "clean_valid", (2,))[target]:
            return sums
        image = _array(sample, "image", (3, None, None))
        masks = _array(sample, "masks", (len(MASK_NAMES), *image.shape[1:])).astype(np.uint8)
        clean = _array(sample, "clean", (2, *image.shape))[target]
        amodal, visible, other_amodal, other_visible = of_target(masks, target)
        known = _array(sample, "masks_valid", (len(MASK_NAMES),))[2 * (1 - target)] > 0
        edit = edit_masks(amodal, visible, other_amodal, None if known else other_visible)
        region = edit.edited if self.edited == "truth" else _array(sample, "pred_edited", image.shape[1:])
        fill = self.baseline(image, edit) if self.baseline else _array(sample, "pred_clean", image.shape)
        restored = fill.astype(np.float64)
        composed = composite(image.astype(np.float64), restored, dilate(region > 0, self.dilation_px))
        truth = clean.transpose(1, 2, 0)
        for k, picture in enumerate((restored, composed)):
            for r, where in enumerate((edit.hole, edit.removal, edit.edited, amodal)):
                sums[k, r] = image_sums(picture.transpose(1, 2, 0), truth, where)
        return sums

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Sums (2, 4, 4), flattened."""
        return batch["sums"].sum(0).ravel()

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """See `functional.image_scores`; NaN for a region that no sample has."""
        table, numbers = sums.reshape(len(KINDS), len(REGIONS), 4), {}
        for k, kind in enumerate(KINDS):
            for r, region in enumerate(REGIONS):
                scores = image_scores(table[k, r])
                numbers.update({f"{name}_{kind}/{region}": value for name, value in scores.items()})
        return numbers, {"counts": {f"{region}_pixels": int(table[0, r, 0]) for r, region in enumerate(REGIONS)}}


@METRICS.register_module()
class HandEPE(RunningMetric):
    """End-point error of each hand on its own, mm, joints pooled: root-aligned, and HDR's published alignment.

    "EPE_root/..." moves the predicted wrist onto the true one. "EPE_root_bone/..." also scales the hand by the true
    length of the bone from wrist to middle finger (docs/spec/hdr.md, section 6), a weaker test.
    Predictions are, of `pred_instances`, `keypoints_mm` (1, J, 3) in camera axes with any origin; or `keypoints_norm`
    in bone units, which gives the second number alone; or else `keypoints`, lifted as `MPJPE` does. J is 42, or 21
    where a sample is one hand (mirrored truth for a mirrored crop). A hand counts if its wrist and, for the second
    number, its reference joint are annotated.
    """

    def stack(self, data_samples: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Predicted and true joints of every sample, (B, J, 3), their validity, and whether they are in mm."""
        first = data_samples[0]["gt_instances"]["keypoints_cam"].shape
        shapes = {"keypoints_cam": first, "keypoints_visible": first[:2], "hand_type": (1, len(SIDES))}
        batch = {
            key: np.stack([_array(s["gt_instances"], key, shape)[0] for s in data_samples])
            for key, shape in shapes.items()
        }
        predicted = [s["pred_instances"] for s in data_samples]
        key = next((key for key in ("keypoints_mm", "keypoints_norm") if key in predicted[0]), "keypoints")
        batch["joints"] = np.stack([_array(p, key, first)[0] for p in predicted])
        if key == "keypoints":
            scalars = [np.stack([s[key] for s in data_samples]) for key in ("abs_depth", "focal", "principal_pt")]
            batch["joints"] = wrist_relative_mm(batch["joints"], *scalars)
        batch["in_mm"] = np.array(key != "keypoints_norm")
        return batch

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """For either alignment and each group, sum of errors and number of joints: (2, G, 2), flattened."""
        joints, truth = (batch[key].reshape(-1, NUM_HAND_JOINTS, 3) for key in ("joints", "keypoints_cam"))
        visible = batch["keypoints_visible"].reshape(-1, NUM_HAND_JOINTS) > 0
        groups = self.groups(batch)
        valid = visible & visible[:, RIGHT_WRIST, None]
        aligned = (
            (root_aligned(joints, truth, RIGHT_WRIST), valid & batch["in_mm"]),
            (bone_scaled(joints, truth, RIGHT_WRIST, MIDDLE_BASE), valid & visible[:, MIDDLE_BASE, None]),
        )
        sums = np.zeros((2, len(groups), 2))
        for k, (placed, counted) in enumerate(aligned):
            errors = np.where(counted, np.linalg.norm(placed - truth, axis=-1), 0.0)
            for g, members in enumerate(groups):
                sums[k, g] = errors[members].sum(), counted[members].sum()
        return sums.ravel()

    group_names: tuple[str, ...] = GROUPS

    def groups(self, batch: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Which hands (B * hands,) belong to each of `group_names`."""
        hands = batch["joints"].shape[1] // NUM_HAND_JOINTS
        interacting = np.repeat(batch["hand_type"].min(-1) > 0, hands)
        return [~interacting, interacting]

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """Means in mm of all hands and of every group; NaN without joints."""
        table, numbers = sums.reshape(2, len(self.group_names), 2), {}
        for name, groups in zip(("EPE_root", "EPE_root_bone"), table, strict=True):
            for group, (total, count) in zip(("all", *self.group_names), (groups.sum(0), *groups), strict=True):
                numbers[f"{name}/{group}"] = float(total / count) if count else float("nan")
        return numbers, {"counts": {"joints": int(table[:, :, 1].sum(-1).max())}}
