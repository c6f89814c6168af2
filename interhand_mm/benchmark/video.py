"""Benchmark of the demo on a video: the time of each stage."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..inference.inferencer import Detector, InterHandInferencer
from ..inference.io.writers import Mp4File
from ..inference.options import InferenceOptions
from ..inference.run import run_demo
from ..inference.timing import TIMED_STAGES
from ..utils.provenance import provenance


def benchmark_video(
    pose_config: str,
    pose_checkpoint: str,
    clip: str | Path | None = None,
    frames: int = 60,
    detector: Detector | None = None,
    options: InferenceOptions = InferenceOptions(),
) -> dict[str, Any]:
    """Run the demo on a video into a temporary folder, including overlay, JSON and 3D page.

    Args:
        pose_config: Pose config.
        pose_checkpoint: Checkpoint of the config, or the exported file for another backend than torch.
        clip: Video; None draws one with 640 x 480 px.
        frames: Number of frames of the drawn video.
        detector: Hand detector. Without one, `options.bbox` is used, and for the drawn video a fixed box.
        options: Options of the inferencer.

    Returns:
        "rows": {stage: {"ms", "share"}} per frame, and "ratios" of each stage to the network ("pose").

    Raises:
        ConfigError: The detector found no hand. The drawn video shows an ellipse, which is not a hand.
    """
    if detector is None and options.bbox is None and clip is None:
        options = replace(options, bbox=(120, 40, 520, 440))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(clip) if clip is not None else make_clip(Path(folder) / "clip.mp4", frames)
        inferencer = InterHandInferencer(pose_config, pose_checkpoint, detector, options)
        run_demo(inferencer, str(source), Path(folder) / "warm")
        watch = inferencer.watch
        watch.seconds, watch.frames = dict.fromkeys(TIMED_STAGES, 0.0), 0
        run_demo(inferencer, str(source), Path(folder) / "out")
    total, count = sum(watch.seconds.values()), max(watch.frames, 1)
    rows = {name: {"ms": 1000 * value / count, "share": value / total} for name, value in watch.seconds.items()}
    if not rows["pose"]["ms"]:
        raise ConfigError(f"no hands were detected in {clip or 'the drawn clip'}", fix="--input a clip with hands")
    return {
        "benchmark": "video",
        "title": f"demo, {count} frames, {count / total:.1f} frames a second; times the network's",
        "base": "pose",
        "rows": rows,
        "ratios": {name: row["ms"] / rows["pose"]["ms"] for name, row in rows.items() if name != "pose"},
        "provenance": provenance(),
    }


def make_clip(path: Path, frames: int) -> Path:
    """Write an H.264 video of 640 x 480 px at 30 fps: a pale ellipse that moves over a gray gradient.

    Args:
        path: MP4 file.
        frames: Number of frames.
    """
    writer = Mp4File(path, 30.0)
    y, x = np.mgrid[:480, :640]
    for i in range(frames):
        inside = ((x - 320 - 40 * np.sin(i / 9)) / 110) ** 2 + ((y - 240) / 150) ** 2 < 1
        image = np.where(inside[..., None], (140, 160, 210), (x // 8 + 20)[..., None]).astype(np.uint8)
        writer.add(image, i / 30.0)
    writer.close()
    return path
