"""A static 3D plot of both hands, for reports and training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..structures.joints import BONES, COLORS, LEFT_WRIST, NUM_HAND_JOINTS, NUM_JOINTS, RIGHT_WRIST

_MIN_HALF_MM = 60.0  # minimum of half the side of the plotted cube, about half a hand
_MARGIN = 1.08
_DPI = 100
_GRID_MM = 50.0
_TRUTH = (0.62, 0.65, 0.70)


def plot_hands(
    keypoints_mm: np.ndarray,
    truth_mm: np.ndarray | None = None,
    size_px: tuple[int, int] = (320, 320),
    elevation_deg: float = 18.0,
    azimuth_deg: float = -65.0,
    title: str = "",
) -> np.ndarray:
    """Plot hands in the camera frame, y down. The three axes have the same scale, and grid lines are 50 mm apart.

    Args:
        keypoints_mm: (42, 3) mm, or (N, 42, 3) for several crops. Joints that are NaN are left out.
        truth_mm: Ground truth of the same shape, drawn in gray behind the hands.
        size_px: (width, height) of the image.
        elevation_deg: Elevation of the viewpoint above the hands.
        azimuth_deg: Azimuth of the viewpoint. -90 is the view of the camera; larger values turn to its right.
        title: Title above the plot.

    Returns:
        (height, width, 3) uint8 BGR.
    """
    # pyplot would keep the figure in its global state, mixed with those of the caller, and never free it.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size_px[0] / _DPI, size_px[1] / _DPI), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    axes: Any = figure.add_axes((0, 0, 1, 0.94 if title else 1), projection="3d")
    crops = [
        np.asarray(part, np.float64).reshape(-1, NUM_JOINTS, 3) for part in (truth_mm, keypoints_mm) if part is not None
    ]
    for points in crops[0] if truth_mm is not None else ():
        _draw(axes, points, truth=True)
    for points in crops[-1]:
        _draw(axes, points, truth=False)
    _frame(axes, np.concatenate(crops))
    axes.view_init(elev=elevation_deg, azim=azimuth_deg)
    if title:
        figure.suptitle(title, fontsize=9, y=0.985)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., 2::-1])


def _draw(axes: Any, points: np.ndarray, truth: bool) -> None:
    """Draw the hands of one crop. Matplotlib's axes are x right, y away and z up: x, z and -y of the camera."""
    seen = np.isfinite(points).all(axis=-1)
    x, y, z = points[:, 0], points[:, 2], -points[:, 1]
    for bone in BONES:
        if seen[list(bone)].all():
            color = _TRUTH if truth else np.array(COLORS[bone[0]]) / 255
            axes.plot(x[list(bone)], y[list(bone)], z[list(bone)], color=color, linewidth=1.4 if truth else 2.2)
    for letter, first, wrist in (("R", 0, RIGHT_WRIST), ("L", NUM_HAND_JOINTS, LEFT_WRIST)):
        own = [j for j in range(first, first + NUM_HAND_JOINTS) if seen[j]]
        if not truth:
            colors = np.array([COLORS[j] for j in own]).reshape(-1, 3) / 255
            axes.scatter(x[own], y[own], z[own], c=colors, s=9, marker="D" if first else "o", depthshade=False)
            if seen[wrist]:
                axes.text(x[wrist], y[wrist], z[wrist], letter, fontsize=10, fontweight="bold", va="top", ha="center")


def _frame(axes: Any, crops: Sequence[np.ndarray] | np.ndarray) -> None:
    """Set the axes to a cube around all points, and style them."""
    from matplotlib.ticker import MultipleLocator, NullFormatter

    points = np.reshape(crops, (-1, 3))
    points = points[np.isfinite(points).all(axis=-1)]
    center, half = np.zeros(3), _MIN_HALF_MM
    if len(points):
        center = (points.min(axis=0) + points.max(axis=0)) / 2
        half = max(half, float((points.max(axis=0) - points.min(axis=0)).max()) / 2) * _MARGIN
    axes.set_xlim(center[0] - half, center[0] + half)
    axes.set_ylim(center[2] - half, center[2] + half)
    axes.set_zlim(-center[1] - half, -center[1] + half)
    axes.set_box_aspect((1, 1, 1), zoom=1.15)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((0.96, 0.97, 0.98, 1.0))
        axis.set_major_locator(MultipleLocator(_GRID_MM))
        axis.set_major_formatter(NullFormatter())
        axis._axinfo["grid"].update(color=(0.86, 0.88, 0.91), linewidth=0.6)  # 3D axes have no public setter for this
        axis._axinfo["tick"].update(inward_factor=0.0, outward_factor=0.0)
        axis.line.set_color((0.8, 0.82, 0.85))
