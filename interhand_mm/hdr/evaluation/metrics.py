"""Metrics of amodal masks, restored images and single-hand poses, as thin shells over `functional`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import EvaluationError
from ...evaluation.functional.pose_3d import GROUPS, wrist_relative_mm
from ...evaluation.metrics.base import RunningMetric
from ...registry import METRICS
from ...structures.joints import MIDDLE_BASE, NUM_HAND_JOINTS, RIGHT_WRIST, SIDES
from ..masks import MASK_NAMES, composite, dilate, edit_masks, of_target
from .baselines import FILL_BASELINES, MASK_BASELINES
from .functional import bone_scaled, image_scores, image_sums, iou, mask_confusion, root_aligned

_REGIONS = ("hole", "removal", "edited", "hand")
_KINDS = ("restored", "composite")


def sample_array(sample: dict[str, Any], key: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return an entry of a sample as an array, after a check of its shape. None in the shape allows any length."""
    if key not in sample:
        raise EvaluationError(f"sample {sample.get('sample_idx')} has no '{key}'", want="a network that predicts it")
    value = sample[key]
    value = value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
    if value.ndim != len(shape) or any(w not in (None, h) for w, h in zip(shape, value.shape, strict=True)):
        raise EvaluationError(
            f"'{key}' of sample {sample.get('sample_idx')} has the wrong shape", got=value.shape, want=shape
        )
    return value


def _baseline(metric: str, name: str | None, known: dict[str, Any]) -> Any:
    """Return the function of a baseline, or None."""
    if name is not None and name not in known:
        raise EvaluationError(f"{metric}: the baseline is unknown", got=name, want=f"None or one of {', '.join(known)}")
    return None if name is None else known[name]


@METRICS.register_module()
class AmodalIoU(RunningMetric):
    """Intersection over union of the four masks, 0 to 1, with the pixels of all images pooled.

    A sample contains the truth `masks` (4, H, W) and `masks_valid` (4,), and the prediction `pred_masks` (4, H, W), 0
    or 1. Unknown masks do not count. The numbers are:

    - "IoU/right_amodal" and so on for the four masks.
    - "IoU_hidden/right" for the hidden part alone (amodal without visible), which the network has to guess.
    - "mIoU/..." as the mean with the background's IoU, as segmentation libraries report it.
    - "Phantom/right" for the share of images without that hand in which one was predicted.

    Args:
        baseline: Baseline that replaces the prediction: "visible" predicts that nothing is hidden, so its IoU of the
            hidden part is 0; "hull" predicts the convex hull of the visible mask. Both use the TRUE visible mask,
            which no network receives.
        phantom_area: Share of the image that a mask must cover to count as a hand.
        **kwargs: Arguments of `RunningMetric`.
    """

    def __init__(self, baseline: str | None = None, phantom_area: float = 0.01, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.baseline, self.phantom_area = _baseline("AmodalIoU", baseline, MASK_BASELINES), phantom_area

    def stack(self, data_samples: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Count pixels (B, 6, 4), and absent and invented hands (B, 2, 2), per sample because images differ in size."""
        rows, absent = [], []
        for sample in data_samples:
            truth = sample_array(sample, "masks", (len(MASK_NAMES), None, None))
            predicted = self.baseline(truth) if self.baseline else sample_array(sample, "pred_masks", truth.shape)
            valid = sample_array(sample, "masks_valid", (len(MASK_NAMES),)) > 0
            hidden = [np.stack([m[i] * (1 - m[i + 1]) for i in (0, 2)]) for m in (predicted > 0, truth > 0)]
            counts = mask_confusion(np.concatenate([predicted, hidden[0]]), np.concatenate([truth, hidden[1]]))
            rows.append(counts * np.concatenate([valid, valid[::2] & valid[1::2]])[:, None])
            none = valid[::2] & ~truth[::2].any(axis=(1, 2))
            absent.append(np.stack([none, none & ((predicted[::2] > 0).mean(axis=(1, 2)) >= self.phantom_area)], 1))
        return {"counts": np.stack(rows), "absent": np.stack(absent)}

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Return the sums of the pixel counts (6, 4) and of the samples (2, 2), flattened."""
        return np.concatenate([batch[key].sum(0).ravel() for key in ("counts", "absent")])

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """Return the numbers; NaN for a mask that is neither annotated nor predicted, and where no hand is absent."""
        names = [*(f"/{name}" for name in MASK_NAMES), *(f"_hidden/{side}" for side in SIDES)]
        numbers = {}
        for name, counts in zip(names, sums[:24].reshape(-1, 4), strict=True):
            numbers[f"IoU{name}"], numbers[f"mIoU{name}"] = iou(counts)
        for side, (absent, seen) in zip(SIDES, sums[24:].reshape(2, 2), strict=True):
            numbers[f"Phantom/{side}"] = float(seen / absent) if absent else float("nan")
        return numbers, {"counts": {"pixels": int(sums[:24].sum()), "absent_hands": int(sums[24::2].sum())}}


@METRICS.register_module()
class RestorationScore(RunningMetric):
    """L1, PSNR and SSIM of an image of the target hand alone, with the pixels of all images pooled.

    A sample contains the truth (`image` (3, H, W), `masks`, `masks_valid`, `clean`, `clean_valid` and `target`; see
    `AIHDataset`) and the network's output `pred_clean` (3, H, W), BGR, 0 to 255. The numbers have names such as
    "L1_restored/hole". They measure the output as it is (*restored*) and composed into the image (*composite*), over
    the *hole* (where the target is hidden), the *removal* (where the other hand lies beside it), both of them
    (*edited*), and the *hand* (all of the target).

    Args:
        dilation_px: Odd diameter in px by which the edited region grows before composing; 1 is none.
        edited: "pred" for the region that the network edited, `pred_edited` (H, W), or "truth" for that of the true
            masks.
        baseline: Baseline that replaces the output, using the true masks: "mean" for the mean colors of the visible
            hand and of the background, or "telea" for OpenCV's inpainting.
        **kwargs: Arguments of `RunningMetric`.
    """

    def __init__(self, dilation_px: int = 1, edited: str = "truth", baseline: str | None = None, **kwargs: Any) -> None:
        if edited not in ("truth", "pred"):
            raise EvaluationError("RestorationScore.edited is unknown", got=edited, want="truth or pred")
        super().__init__(**kwargs)
        self.dilation_px, self.edited = dilation_px, edited
        self.baseline = _baseline("RestorationScore", baseline, FILL_BASELINES)

    def stack(self, data_samples: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Return the sums of every sample, (B, 2, 4, 4)."""
        return {"sums": np.stack([self._sample_sums(sample) for sample in data_samples])}

    def _sample_sums(self, sample: dict[str, Any]) -> np.ndarray:
        sums, target = np.zeros((len(_KINDS), len(_REGIONS), 4)), int(sample["target"])
        if not sample_array(sample, "clean_valid", (2,))[target]:
            return sums
        image = sample_array(sample, "image", (3, None, None))
        masks = sample_array(sample, "masks", (len(MASK_NAMES), *image.shape[1:])).astype(np.uint8)
        clean = sample_array(sample, "clean", (2, *image.shape))[target]
        amodal, visible, other_amodal, other_visible = of_target(masks, target)
        known = sample_array(sample, "masks_valid", (len(MASK_NAMES),))[2 * (1 - target)] > 0
        edit = edit_masks(amodal, visible, other_amodal, None if known else other_visible)
        region = edit.edited if self.edited == "truth" else sample_array(sample, "pred_edited", image.shape[1:])
        fill = self.baseline(image, edit) if self.baseline else sample_array(sample, "pred_clean", image.shape)
        restored = fill.astype(np.float64)
        composed = composite(image.astype(np.float64), restored, dilate(region > 0, self.dilation_px))
        truth = clean.transpose(1, 2, 0)
        for k, shown in enumerate((restored, composed)):
            for r, where in enumerate((edit.hole, edit.removal, edit.edited, amodal)):
                sums[k, r] = image_sums(shown.transpose(1, 2, 0), truth, where)
        return sums

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Sums (2, 4, 4), flattened."""
        return batch["sums"].sum(0).ravel()

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """See `functional.image_scores`; NaN for a region that no sample has."""
        table, numbers = sums.reshape(len(_KINDS), len(_REGIONS), 4), {}
        for k, kind in enumerate(_KINDS):
            for r, region in enumerate(_REGIONS):
                scores = image_scores(table[k, r])
                numbers.update({f"{name}_{kind}/{region}": value for name, value in scores.items()})
        return numbers, {"counts": {f"{region}_pixels": int(table[0, r, 0]) for r, region in enumerate(_REGIONS)}}


@METRICS.register_module()
class HandEPE(RunningMetric):
    """End-point error of each hand in mm, with the joints of all hands pooled, after two alignments.

    "EPE_root/..." moves the predicted wrist onto the true one. "EPE_root_bone/...", HDR's published alignment, also
    scales the hand by the true length of the bone from the wrist to the middle finger (docs/spec/hdr.md, section 6),
    which is a weaker test.

    The predictions in `pred_instances` are `keypoints_mm` (1, J, 3) in camera axes with any origin; or `keypoints_norm`
    in bone units, which only gives the second number; or else `keypoints`, which are lifted as in `MPJPE`. J is 42, or
    21 where a sample is one hand; the truth of a mirrored crop is mirrored too. A hand counts if its wrist is
    annotated, and for the second number also its reference joint.
    """

    def stack(self, data_samples: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Stack predicted and true joints (B, J, 3), their validity, and whether they are in mm."""
        first = data_samples[0]["gt_instances"]["keypoints_cam"].shape
        shapes = {"keypoints_cam": first, "keypoints_visible": first[:2], "hand_type": (1, len(SIDES))}
        batch = {
            key: np.stack([sample_array(s["gt_instances"], key, shape)[0] for s in data_samples])
            for key, shape in shapes.items()
        }
        predicted = [s["pred_instances"] for s in data_samples]
        key = next((key for key in ("keypoints_mm", "keypoints_norm") if key in predicted[0]), "keypoints")
        batch["joints"] = np.stack([sample_array(p, key, first)[0] for p in predicted])
        if key == "keypoints":
            scalars = [np.stack([s[key] for s in data_samples]) for key in ("abs_depth", "focal", "principal_pt")]
            batch["joints"] = wrist_relative_mm(batch["joints"], *scalars)
        batch["in_mm"] = np.array(key != "keypoints_norm")
        return batch

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Return sums of errors and numbers of joints for both alignments and each group: (2, G, 2), flattened."""
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
        """Return a mask over the hands (B * hands,) for each of `group_names`."""
        hands = batch["joints"].shape[1] // NUM_HAND_JOINTS
        interacting = np.repeat(batch["hand_type"].min(-1) > 0, hands)
        return [~interacting, interacting]

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """Return the mean errors in mm of all hands and of every group; NaN for a group without joints."""
        table, numbers = sums.reshape(2, len(self.group_names), 2), {}
        for name, groups in zip(("EPE_root", "EPE_root_bone"), table, strict=True):
            for group, (total, count) in zip(("all", *self.group_names), (groups.sum(0), *groups), strict=True):
                numbers[f"{name}/{group}"] = float(total / count) if count else float("nan")
        return numbers, {"counts": {"joints": int(table[:, :, 1].sum(-1).max())}}
