"""The registered visualizer: draws predictions beside the ground truth, for every backend of the config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dist import master_only
from mmengine.visualization import Visualizer

from ..evaluation.functional.pose_3d import joint_errors_mm, wrist_relative_mm
from ..registry import VISUALIZERS
from ..structures.camera import lift_to_camera, relative_to_wrists
from ..structures.joints import LEFT_WRIST, RIGHT_WRIST
from ..utils.images import resize_image
from .overlay import contact_sheet, draw_hands, draw_label
from .plot3d import plot_hands

_TILE_PX = 288


@VISUALIZERS.register_module()
class InterHandVisualizer(Visualizer):
    """mmengine visualizer for crops with two hands. `vis_backends` selects files, TensorBoard, and so on."""

    @master_only
    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: Any = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        step: int = 0,
    ) -> None:
        """Draw one sample, see `sample_tiles`.

        Args:
            name: Name of the image in the backends.
            image: (H, W, 3) uint8 RGB, as mmengine passes it: the crop that the network received.
            data_sample: Data sample with `gt_instances` and, after a prediction, `pred_instances`.
            draw_gt: Draw the ground truth.
            draw_pred: Draw the prediction, if there is one.
            show: Open a window.
            wait_time: Time in seconds for which the window stays open.
            step: Step of the image in the backends.
        """
        tiles = sample_tiles(image[..., ::-1], data_sample, draw_gt, draw_pred and "pred_instances" in data_sample)
        sheet = contact_sheet(tiles, columns=len(tiles))[..., ::-1]
        if show:
            self.show(sheet, win_name=name, wait_time=wait_time)
        self.add_image(name, sheet, step)

    @master_only
    def add_sheet(self, name: str, crops: Sequence[np.ndarray], data_samples: Sequence[Any], step: int = 0) -> None:
        """Draw several predicted samples into one image, two per row.

        Args:
            name: Name of the image in the backends.
            crops: The crops that the network received, each (H, W, 3) uint8 BGR.
            data_samples: One data sample per crop, with ground truth and prediction.
            step: Step of the image in the backends.
        """
        rows = [np.hstack(sample_tiles(*pair)) for pair in zip(crops, data_samples, strict=True)]
        self.add_image(name, contact_sheet(rows, columns=min(2, len(rows)), gap=8)[..., ::-1], step)


def sample_tiles(crop: np.ndarray, sample: Any, draw_gt: bool = True, draw_pred: bool = True) -> list[np.ndarray]:
    """Draw the square tiles of one sample: the ground truth on the crop, the prediction on the crop, and both in 3D.

    All annotated joints are drawn, whichever hands the network considers present; the label shows its probabilities.
    In 3D, the prediction has the true depth of the right wrist, or of the wrist of a single hand, and the ground truth
    is gray.

    Args:
        crop: (H, W, 3) uint8 BGR.
        sample: Data sample from `PackHandInputs`, with or without a prediction.
        draw_gt: Draw the ground truth.
        draw_pred: Draw the prediction.

    Returns:
        Three tiles (288, 288, 3) uint8 BGR, or two if one of them is left out.
    """
    truth, visible = sample.gt_instances, sample.gt_instances.keypoints_visible[0] > 0
    truth_mm = np.where(visible[:, None], truth.keypoints_cam[0], np.nan)
    tiles = []
    if draw_gt:
        kind = " and ".join(np.array(("right", "left"))[truth.hand_type[0] > 0]) or "no hand"
        tiles.append(_on_crop(crop, sample, truth.keypoints[0], visible, f"truth: {kind}"))
    if not draw_pred:
        return [*tiles, plot_hands(truth_mm, size_px=(_TILE_PX, _TILE_PX))]
    points = sample.pred_instances.keypoints[0]
    right, left = sample.pred_instances.hand_prob[0]
    error = _mean_error_mm(sample, visible)
    label = f"R {right:.2f} · L {left:.2f} · {error:.1f} mm".replace(" 0.", " .", 2)
    tiles.append(_on_crop(crop, sample, points, visible, label))
    lifted = np.where(visible[:, None], lift(sample), np.nan)
    size = (_TILE_PX, _TILE_PX)
    return [*tiles, plot_hands(lifted, truth_mm if draw_gt else None, size, title="gray: truth" if draw_gt else "")]


def lift(sample: Any) -> np.ndarray:
    """Return the predicted joints in the camera frame at the true depth, (42, 3) mm.

    With two hands, the left wrist is placed at the predicted relative depth behind the right one, as in MRRPE.
    """
    wrists = np.array(sample.abs_depth, np.float64)
    if sample.gt_instances.hand_type[0].min() > 0:
        wrists[1] = wrists[0] + float(sample.pred_instances.rel_root_depth[0])
    return lift_to_camera(
        relative_to_wrists(sample.pred_instances.keypoints[0]), wrists, sample.focal, sample.principal_pt
    )


def _mean_error_mm(sample: Any, visible: np.ndarray) -> float:
    """Return the mean wrist-relative error of the annotated joints except the wrists; NaN if there are none."""
    camera = (np.asarray(value)[None] for value in (sample.abs_depth, sample.focal, sample.principal_pt))
    relative = wrist_relative_mm(sample.pred_instances.keypoints, *camera)
    counted = visible.copy()
    counted[[RIGHT_WRIST, LEFT_WRIST]] = False
    errors = joint_errors_mm(relative, sample.gt_instances.keypoints_cam)[0][counted]
    return float(errors.mean()) if len(errors) else float("nan")


def _on_crop(crop: np.ndarray, sample: Any, points: np.ndarray, visible: np.ndarray, label: str) -> np.ndarray:
    height, width = crop.shape[:2]
    scale = np.array([_TILE_PX / width, _TILE_PX / height])
    uv = (sample.warp.to_crop(points[:, :2]) + 0.5) * scale - 0.5
    enlarged = resize_image(crop, (_TILE_PX, _TILE_PX))
    return draw_label(draw_hands(enlarged, uv, visible), label)
