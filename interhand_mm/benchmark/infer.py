"""Benchmark of inference: the network in several forms, and a lower bound from matrix products in the same run."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch.utils.flop_counter import FlopCounterMode

from ..engine.runner import build_model
from ..inference.network.open import open_network
from ..inference.network.torch_network import CropNetwork, cast_weights
from ..inference.pose import WHOLE, cut
from ..utils.images import read_image
from ..utils.provenance import provenance
from .measure import Task, add_ratios, interleaved, set_channels_last

_SIDE = 2048  # side of the matrices for the lower bound, large enough to use all cores fully


def network_gflop(network: CropNetwork, crops: torch.Tensor) -> float:
    """Return the number of floating-point operations of one forward pass in 1e9, counted by torch."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(crops)
    return counter.get_total_flops() / 1e9


def _product(dtype: torch.dtype) -> Task:
    left, right = torch.randn(_SIDE, _SIDE).to(dtype), torch.randn(_SIDE, _SIDE).to(dtype)
    return lambda: left @ right


def _forward(network: CropNetwork, crops: torch.Tensor, amp: bool) -> Task:
    @torch.inference_mode()
    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            network(crops)

    return run


def benchmark_infer(
    cfg: Config,
    batch: int = 1,
    repeat: int = 7,
    exported: str | Path | None = None,
    image_path: str | Path | None = None,
    clock: str = "ms",
) -> dict[str, Any]:
    """Time the network from normalization to joints, on the CPU.

    Args:
        cfg: Config from `load_config`. The weights are random, which does not change the time.
        batch: Number of crops.
        repeat: Number of rounds; the median is reported.
        exported: File of the same config from `tools/export_onnx.py`, to be run with onnxruntime and OpenVINO.
        image_path: Image whose decoding and cropping is timed as well.
        clock: Time from which the ratios are computed: "ms" (wall clock) or "cpu_ms". With one thread, CPU time stays
            correct on a busy machine.

    Returns:
        "rows", "ratios" to bfloat16 channels-last, "gflop", and "products_ms": the time of as many operations at the
        speed of matrix products in the same run, in float32 and bfloat16. Convolutions can be faster than that.
    """
    model = build_model(cfg).eval()
    width, height = cfg.codec["input_size"]
    crops = torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8)
    plain, last, ours = (CropNetwork(copy.deepcopy(model)) for _ in range(3))
    set_channels_last(plain.model, False)
    set_channels_last(last.model)
    set_channels_last(ours.model)
    cast_weights(ours, torch.bfloat16)
    base = "torch bfloat16, channels-last (this project)"
    tasks = {
        base: _forward(ours, crops, amp=True),
        "torch float32, channels-last": _forward(last, crops, amp=False),
        "torch float32, the official form": _forward(plain, crops, amp=False),
        "product float32": _product(torch.float32),
        "product bfloat16": _product(torch.bfloat16),
    }
    if exported is not None:
        for name, backend, amp in (
            ("onnxruntime float32", "onnxruntime", None),
            ("openvino float32", "openvino", None),
            ("openvino bfloat16", "openvino", "bfloat16"),
        ):
            tasks[name] = partial(open_network(cfg, exported, "cpu", amp, backend), crops.numpy())
    if image_path is not None:
        tasks["decode and crop"] = lambda: [_decode_and_crop(image_path, (width, height)) for _ in range(batch)]
    rows = interleaved(tasks, repeat)
    gflop = network_gflop(plain, crops)
    products = {}
    for dtype in ("float32", "bfloat16"):
        rate = 2 * _SIDE**3 / 1e9 / rows.pop(f"product {dtype}")[clock]  # GFLOP per ms
        products[dtype] = gflop / rate
        rows[f"matrix products {dtype}"] = {clock: products[dtype]}
    return {
        "benchmark": "infer",
        "title": f"inference, batch {batch}, {gflop:.1f} GFLOP, {torch.get_num_threads()} threads",
        "base": base,
        "rows": rows,
        "ratios": add_ratios(rows, base, clock),
        "gflop": gflop,
        "products_ms": products,
        "provenance": provenance(),
    }


def _decode_and_crop(path: str | Path, size: tuple[int, int]) -> np.ndarray:
    image = read_image(path)
    box = np.array([0.0, 0.0, image.shape[1], image.shape[0]])
    return cut(image, box, WHOLE, size).image
