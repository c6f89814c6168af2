"""Benchmark of HDR's three networks: ms per image in full and small size, on one thread and on several."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from ..engine.runner import build_model
from ..utils.config import load_config
from ..utils.paths import CONFIGS
from ..utils.provenance import provenance

SIZES = {
    "full": {"segmentor": "segmentor_mit-b5", "inpaintor": "inpaintor_pconv-unet", "pose": "pose_detnet"},
    "small": {"segmentor": "small_segmentor", "inpaintor": "small_inpaintor", "pose": "small_pose"},
}
PIXELS = {"full": 256, "small": 128}
_WARM_UP = 2


def benchmark_hdr(
    count: int, threads: tuple[int, ...] = (1, 2), sizes: tuple[str, ...] = tuple(SIZES)
) -> dict[str, Any]:
    """Time the networks on one random image at a time. The weights are random, which does not change the time.

    Args:
        count: Number of images; the median is reported.
        threads: Numbers of torch threads to measure.
        sizes: "full", "small" or both.

    Returns:
        "rows" and "provenance". A row has size, stage, side_px, parameters and "ms", the time for each number of
        threads.
    """
    rows = []
    before = torch.get_num_threads()
    try:
        for size in sizes:
            for stage, config in SIZES[size].items():
                model = build_model(load_config(CONFIGS / "hdr" / f"{config}.py")).eval()
                call = network_call(model, stage, PIXELS[size])
                used = sum(p.numel() for name, p in model.named_parameters() if not name.startswith("discriminator"))
                ms = {str(number): _median_ms(call, count, number) for number in threads}
                rows.append({"size": size, "stage": stage, "side_px": PIXELS[size], "parameters": used, "ms": ms})
    finally:
        torch.set_num_threads(before)
    return {"count": count, "rows": rows, "provenance": provenance()}


def network_call(model: Any, stage: str, side_px: int) -> Callable[[], Any]:
    """Return a function that runs the network of one stage on a normalized image, without reading and warping.

    Args:
        model: Network of the stage.
        stage: "segmentor", "inpaintor" or "pose".
        side_px: Side of the image.
    """
    image = torch.randn(1, 3, side_px, side_px)
    if stage == "inpaintor":
        hole = torch.ones(1, 1, side_px, side_px)
        hole[..., side_px // 4 : side_px // 2, side_px // 4 : side_px // 2] = 0
        return lambda: model.paint(image, hole, hole, hole, hole)
    if stage == "segmentor":
        return lambda: model.probabilities(image)
    if hasattr(model, "maps"):
        return lambda: model.maps(image)
    return lambda: model.head(model.extract_feat(image))


@torch.no_grad()
def _median_ms(call: Callable[[], Any], count: int, threads: int) -> float:
    torch.set_num_threads(threads)
    times = []
    for i in range(_WARM_UP + count):
        begun = time.perf_counter()
        call()
        if i >= _WARM_UP:
            times.append(time.perf_counter() - begun)
    return 1000 * statistics.median(times)
