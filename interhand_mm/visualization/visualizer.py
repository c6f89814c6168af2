"""The registered visualizer: predictions beside the truth, to every backend of the config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from mmengine.dist import master_only
from mmengine.visualization import Visualizer

from ..evaluation.functional.pose_3d import joint_errors_mm, wrist_relative_mm
from ..registry import VISUALIZERS
from ..structures.camera import lift_to_camera
from ..structures.joints import LEFT_WRIST, RIGHT_WRIST
from .overlay import contact_sheet, draw_hands, draw_label
from .plot3d import plot_hands

_TILE_PX = 288


@VISUALIZERS.register_module()
class InterHandVisualizer(Visualizer):
    """mmengine's visualizer (files, TensorBoard, ... by `vis_backends`) for crops with two hands."""

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
        """Draw one sample; see `sample_tiles`.

        Args:
            name: Of the picture in the backends.
            image: (H, W, 3) uint8 RGB, as mmengine has it: the crop that the network was given.
            data_sample: With `gt_instances` and, after a prediction, `pred_instances`.
            draw_gt: Draw the truth.
            draw_pred: Draw the prediction, where there is one.
            show: Open a window.
            wait_time: Of the window, s.
            step: Of the picture in the backends.
        """
        tiles = sample_tiles(image[..., ::-1], data_sample, draw_gt, draw_pred and "pred_instances" in data_sample)
        picture = contact_sheet(tiles, columns=len(tiles))[..., ::-1]
        if show:
            self.show(picture, win_name=name, wait_time=wait_time)
        self.add_image(name, picture, step)

    @master_only
    def add_sheet(self, name: str, crops: Sequence[np.ndarray], data_samples: Sequence[Any], step: int = 0) -> None:
        """Draw several predicted samples into one picture, two a row.

        Args:
            name: Of the picture in the backends.
            crops: (H, W, 3) uint8 BGR each, as the network was given them.
            data_samples: As many, with truth and prediction.
            step: Of the picture in the backends.
        """
        rows = [np.hstack(sample_tiles(*pair)) for pair in zip(crops, data_samples, strict=True)]
        self.add_image(name, contact_sheet(rows, columns=min(2, len(rows)), gap=8)[..., ::-1], step)


def sample_tiles(crop: np.ndarray, sample: Any, draw_gt: bool = True, draw_pred: bool = True) -> list[np.ndarray]:
    """Square tiles of one sample: the truth on the crop, the prediction on it, and both in 3D.

    Annotated joints are drawn, whatever hands the network thinks are there: its label tells that. In 3D the
    prediction stands at the true depth of the right wrist (of a single hand, its own) and the truth is gray.

    Args:
        crop: (H, W, 3) uint8 BGR.
        sample: As `PackHandInputs` makes it, predicted or not.
        draw_gt: Draw the truth.
        draw_pred: Draw the prediction.

    Returns:
        (288, 288, 3) uint8 BGR each: three, or two where one of them is left out.
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
    told = f"R {right:.2f} · L {left:.2f} · {error:.1f} mm".replace(" 0.", " .", 2)
    tiles.append(_on_crop(crop, sample, points, visible, told))
    lifted = np.where(visible[:, None], lift(sample), np.nan)
    size = (_TILE_PX, _TILE_PX)
    return [*tiles, plot_hands(lifted, truth_mm if draw_gt else None, size, title="gray: truth" if draw_gt else "")]


def lift(sample: Any) -> np.ndarray:
    """Predicted joints in the camera's frame at the true depth, (42, 3) mm.

    The left wrist of two hands lies at the predicted relative depth behind the right one, as in MRRPE.
    """
    wrists = np.array(sample.abs_depth, np.float64)
    if sample.gt_instances.hand_type[0].min() > 0:
        wrists[1] = wrists[0] + float(sample.pred_instances.rel_root_depth[0])
    return lift_to_camera(sample.pred_instances.keypoints[0], wrists, sample.focal, sample.principal_pt)


def _mean_error_mm(sample: Any, visible: np.ndarray) -> float:
    """Mean wrist-relative error of the annotated joints but the wrists; NaN where there is none."""
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
    enlarged = cv2.resize(crop, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_LINEAR)
    return draw_label(draw_hands(enlarged, uv, visible), label)
