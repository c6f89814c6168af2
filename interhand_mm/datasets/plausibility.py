"""Find annotations that are numbers of the right type but cannot be true: wrong units, cameras or boxes.

Such annotations train without an error, and the metrics look like numbers too. A few hundred samples, without their
images, are enough to notice them.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np
from mmengine.logging import print_log

from ..errors import AnnotationError
from ..structures.joints import HANDS
from .base import HandDataset
from .draws import leaf_datasets

_SAMPLES = 300  # takes a second at most; a fault of 1 % of the samples is missed in 5 % of the cases
# The span is the largest distance between two joints of a hand. A fist of a small child spans about 60 mm, a spread
# hand of a large man 250 mm. In centimeters or inches all hands would be off by ten at least, so the median decides.
SPAN_MM = (60.0, 300.0)
_OTHER_UNIT_MM = (30.0, 600.0)
_WHOLE_HAND = 15  # a hand with fewer valid joints may truly span less
_ODD_SPANS = 0.01
# Annotated boxes are the tight boxes of the joints, enlarged, so no joint is outside. Detected boxes miss a few joints.
_OUTSIDE, _OUTSIDE_IMPOSSIBLE = 0.05, 0.5
# The joints are in the middle of an annotated box and fill 0.67 of the square that is cropped. Where corners are read
# as width and height, the middle is off by 0.12 to 0.21 on the samples that were tried.
_BOX_OFFSET, _BOX_FILL = 0.08, 0.35
_BEHIND_IMPOSSIBLE = 0.01  # fewer may be some broken frames of a set that can be used
_LABELED = 0.5  # in the published sets nearly all samples have valid joints

_VALIDITY = "joint_valid is 1 for annotated joints, and a joint is used only if its wrist is valid too"
_UNITS = "joints and camera positions are in millimeters"
_CAMERA = "x_camera = camrot (x_world - campos), so campos is a position; x right, y down, z forward"
_BOX = "a box is x, y, width, height in px: the tight box of the joints, enlarged by 1.2"


class Plausibility(NamedTuple):
    """Numbers about the annotations of some samples. NaN where there is nothing to count.

    Attributes:
        samples: Number of samples that were looked at.
        labeled: Share of the samples with a valid joint.
        in_front: Share of the valid joints that lie in front of the camera.
        in_box: Share of the valid joints that lie in the square that is cropped.
        box_offset: Median distance between the middle of the joints and the middle of the square, by its side.
        box_fill: Median extent of the joints, by the side of the square.
        span_mm: Median span of a hand whose depths are annotated.
        small, large: Shares of these hands that span less or more than `SPAN_MM`.
        box: Source of the boxes. Offset and fill are judged for annotated boxes ("gt") only.
    """

    samples: int
    labeled: float
    in_front: float
    in_box: float
    box_offset: float
    box_fill: float
    span_mm: float
    small: float
    large: float
    box: str


class Finding(NamedTuple):
    """One thing that cannot or may not be true, and what to look at."""

    what: str
    fix: str


def measure(dataset: HandDataset, limit: int = _SAMPLES) -> Plausibility:
    """Return numbers about at most `limit` samples of a data set, spread evenly. No image is read."""
    rows = np.unique(np.linspace(0, max(len(dataset) - 1, 0), limit).astype(int))[: len(dataset)]
    front, inside, offsets, fills, spans = [], [], [], [], []
    for row in rows:
        sample = dataset.get_data_info(int(row))
        visible = sample["keypoints_visible"][0] > 0
        if not visible.any():
            continue
        joints, points = sample["keypoints_cam"][0], sample["keypoints"][0, visible, :2]
        low, high = sample["bbox"][:2], sample["bbox"][2:]
        side = max(float((high - low).max()), 1e-6)
        front.append(joints[visible, 2] > 0)
        inside.append(((points >= low) & (points <= high)).all(axis=-1))
        tight = np.stack([points.min(axis=0), points.max(axis=0)])
        offsets.append(np.abs(tight.mean(axis=0) - (low + high) / 2).max() / side)
        fills.append(np.ptp(tight, axis=0).max() / side)
        if sample["depth_valid"] > 0:
            hands = [joints[own][visible[own]] for own in HANDS]
            spans += [_span(hand) for hand in hands if len(hand) >= _WHOLE_HAND]
    spans_mm = np.array(spans)
    return Plausibility(
        samples=len(rows),
        labeled=len(fills) / len(rows) if len(rows) else np.nan,
        in_front=_mean(np.concatenate(front)) if front else np.nan,
        in_box=_mean(np.concatenate(inside)) if inside else np.nan,
        box_offset=float(np.median(offsets)) if offsets else np.nan,
        box_fill=float(np.median(fills)) if fills else np.nan,
        span_mm=float(np.median(spans_mm)) if spans else np.nan,
        small=_mean(spans_mm < SPAN_MM[0]) if spans else np.nan,
        large=_mean(spans_mm > SPAN_MM[1]) if spans else np.nan,
        box=str(getattr(dataset, "protocol", {}).get("box", "gt")),
    )


def _span(joints: np.ndarray) -> float:
    return float(np.linalg.norm(joints[:, None] - joints[None], axis=-1).max())


def _mean(flags: np.ndarray) -> float:
    return float(np.mean(flags))


def judge(found: Plausibility) -> tuple[list[Finding], list[Finding]]:
    """Return what is impossible and what is doubtful about the numbers of `measure`."""
    annotated, behind, outside = found.box == "gt", 1 - found.in_front, 1 - found.in_box
    odd_unit = found.span_mm < _OTHER_UNIT_MM[0] or found.span_mm > _OTHER_UNIT_MM[1]
    impossible = [
        (found.labeled == 0, "no joint is valid", _VALIDITY),
        (behind > _BEHIND_IMPOSSIBLE, f"{behind:.0%} of the valid joints lie behind the camera", _CAMERA),
        (
            outside > _OUTSIDE_IMPOSSIBLE,
            f"{outside:.0%} of the valid joints lie outside their box",
            f"{_CAMERA}; {_BOX}",
        ),
        (odd_unit, f"the median hand spans {found.span_mm:.2g} mm", _UNITS),
    ]
    off, fill = f"{found.box_offset:.2f}", f"{found.box_fill:.2f}"
    doubtful = [
        (0 < found.labeled < _LABELED, f"{1 - found.labeled:.0%} of the samples have no valid joint", _VALIDITY),
        (0 < behind <= _BEHIND_IMPOSSIBLE, f"{behind:.2%} of the valid joints lie behind the camera", _CAMERA),
        (_OUTSIDE < outside <= _OUTSIDE_IMPOSSIBLE, f"{outside:.0%} of the valid joints lie outside their box", _BOX),
        (annotated and found.box_offset > _BOX_OFFSET, f"boxes are {off} of their side off the joints' middle", _BOX),
        (annotated and found.box_fill < _BOX_FILL, f"the joints fill {fill} of the cropped square", _BOX),
        (found.small > _ODD_SPANS, f"{found.small:.0%} of the hands span less than {SPAN_MM[0]:.0f} mm", _UNITS),
        (found.large > _ODD_SPANS, f"{found.large:.0%} of the hands span more than {SPAN_MM[1]:.0f} mm", _UNITS),
    ]
    first, second = ([Finding(what, fix) for wrong, what, fix in rows if wrong] for rows in (impossible, doubtful))
    return first, second


def check_plausible(dataset: Any) -> None:
    """Look at the annotations of every hand data set in `dataset`; log a warning where they are doubtful.

    Args:
        dataset: Data set, or a concatenation, mix or repetition of data sets. Other data sets are ignored.

    Raises:
        AnnotationError: The annotations cannot be true.
    """
    for part in leaf_datasets(dataset):
        # A plugin's data sets may have masks and no joints.
        if not isinstance(part, HandDataset) or not len(part) or "keypoints" not in part.get_data_info(0):
            continue
        found = measure(part)
        name = f"{part.metainfo.get('dataset_name', type(part).__name__)}, {found.samples} of {len(part)} samples"
        impossible, doubtful = judge(found)
        if impossible:
            raise AnnotationError(
                f"annotations of {name}: " + "; ".join(finding.what for finding in impossible),
                want=f"joints in their box and before the camera, hands of {SPAN_MM[0]:.0f} to {SPAN_MM[1]:.0f} mm",
                fix="; ".join(dict.fromkeys(finding.fix for finding in impossible)),
            )
        for finding in doubtful:
            print_log(f"annotations of {name}: {finding.what}. Check: {finding.fix}", "current", logging.WARNING)
