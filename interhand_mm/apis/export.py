"""Export a pose network to ONNX, from crops to joints, and compare it with torch before the file is written."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from ..checkpoints.io import sha256
from ..errors import ConfigError, ExportError
from ..inference.network.exported import (
    FORMAT,
    INPUT,
    KEY,
    VERSION,
    OnnxRuntimeNetwork,
    OpenVinoNetwork,
    model_digest,
    need,
)
from ..inference.network.interface import OUTPUTS, Network
from ..inference.network.torch_network import CropNetwork, load_pose_model
from ..models.preprocessing import normalize
from ..structures.joints import JOINT_NAMES
from ..utils.config import plugin_config
from ..utils.files import atomic_path
from ..utils.provenance import provenance

OPSET = 18  # the first version that torch's exporter writes without conversion
# Format of the file: that of ONNX 1.13, which introduced opset 18. torch writes a newer one by default, which
# ONNX Runtime before 1.18 refuses.
IR_VERSION = 8
BINS_TOLERANCE = 1e-3
_PROB_TOLERANCE = 1e-4
# Two voxels tie if their heights differ by less than this fraction of the volume's range: rounding decides then.
_TIE = 1e-4
RUNTIMES = {"onnxruntime": OnnxRuntimeNetwork, "openvino": OpenVinoNetwork}


def export_onnx(
    cfg: Config, checkpoint: str | Path, out: str | Path, batch_size: int | None = None, seed: int = 0
) -> dict[str, Any]:
    """Write one self-contained .onnx file with normalization, network, decoding and a description.

    Its input is `crops` (B, 3, h, w) uint8 BGR. Its outputs are those of `HandHead.infer`: joints, not heatmaps. The
    file is run by onnxruntime, and by OpenVINO if it is installed, and compared with torch. If the results differ, no
    file is written.

    Args:
        cfg: Config from `load_config`.
        checkpoint: Checkpoint of this project.
        out: File to write, which ends in .onnx.
        batch_size: Number of crops that the file takes at once; None for any number.
        seed: Seed of the crops for the comparison.

    Returns:
        "path", "bytes", "batch_size" and "compared": {runtime: largest differences, see `compare`}.

    Raises:
        ConfigError: A package of requirements/export.txt is missing, `out` or `batch_size` is wrong, or the model has a
            plugin.
        CheckpointError: See `load_pose_model`.
        ExportError: A runtime does not give the same results as torch.
    """
    out = Path(out)
    if out.suffix != ".onnx":
        raise ConfigError("the name of an exported model must end in .onnx", got=out.name)
    if batch_size is not None and batch_size < 1:
        raise ConfigError("batch_size must be at least 1, or None for any number of crops", got=batch_size)
    if plugin_config(cfg) is not None:
        raise ConfigError("a model with a plugin cannot be exported", want="a config without model.hdr")
    for package in ("onnx", "onnxscript", "onnxruntime"):
        need(package, "exporting")
    model, temperature = load_pose_model(cfg, checkpoint)
    network = CropNetwork(model).eval()
    graph = trace(network, batch_size)
    graph.metadata_props.add(key=KEY, value=json.dumps(describe(cfg, checkpoint, temperature)))
    with atomic_path(out) as temporary:
        temporary.write_bytes(graph.SerializeToString())
        compared = _compare_all(cfg, network, str(temporary), batch_size or 3, seed)
    return {"path": str(out), "bytes": out.stat().st_size, "batch_size": batch_size, "compared": compared}


def trace(network: CropNetwork, batch_size: int | None) -> Any:
    """Return the network as an ONNX ModelProto, by torch's dynamo exporter. `batch_size` None leaves the batch free."""
    width, height = network.model.head.codec.input_size
    crops = torch.zeros(
        batch_size or 2, 3, height, width, dtype=torch.uint8
    )  # torch would turn a batch of one into a constant
    program = torch.onnx.export(
        network,
        (crops,),
        dynamo=True,
        dynamic_shapes=None if batch_size else ({0: torch.export.Dim.DYNAMIC},),
        input_names=[INPUT],
        output_names=list(OUTPUTS),
        opset_version=OPSET,
        external_data=False,
        verbose=False,
    )
    assert program is not None
    graph = program.model_proto
    graph.ir_version = IR_VERSION
    return graph


def describe(cfg: Config, checkpoint: str | Path, temperature: float) -> dict[str, Any]:
    """Return the description that the file contains as JSON in its property `interhand_mm`."""
    codec = cfg.model["head"]["decoder"]
    return {
        "format": FORMAT,
        "version": VERSION,
        "config": Path(cfg.filename).name if cfg.filename else None,
        "model_sha256": model_digest(cfg),
        "checkpoint_sha256": sha256(checkpoint),
        "input": "crops (B, 3, h, w) uint8 BGR, normalized inside",
        "input_size": list(codec["input_size"]),
        "outputs": list(OUTPUTS),
        "units": {
            "keypoints": "u, v px of the crop; d mm relative to the joint's own wrist; the wrist's own d is not 0",
            "keypoint_scores": "0 to 1, may be slightly above 1",
            "bins": "x, y, z",
            "rel_root_depth": "mm, z(left wrist) - z(right wrist)",
            "hand_prob": "right, left; not yet calibrated",
        },
        "handedness_temperature": temperature,
        "joints": list(JOINT_NAMES),
        "provenance": provenance(),
    }


def _compare_all(cfg: Config, network: CropNetwork, path: str, batch: int, seed: int) -> dict[str, Any]:
    crops = sample_crops(network.model.head.codec.input_size, batch, seed)
    compared: dict[str, Any] = {}
    for name, kind in RUNTIMES.items():
        if importlib.util.find_spec(name) is None:
            compared[name] = "not installed, not compared"
            continue
        differences = compare(network, kind(cfg, path), crops)
        wrong = {key: value for key, value in differences.items() if key != "ties" and value > LIMITS[key]}
        if wrong:
            raise ExportError(
                f"{name} does not give the same results as torch; nothing was written", got=wrong, want=LIMITS
            )
        compared[name] = differences
    return compared


LIMITS = {"bins": BINS_TOLERANCE, "keypoints": BINS_TOLERANCE, "root": BINS_TOLERANCE, "prob": _PROB_TOLERANCE}


def sample_crops(size: tuple[int, int], count: int, seed: int) -> np.ndarray:
    """Return crops (count, 3, h, w) uint8 for the comparison: colored noise, from coarse to fine."""
    rng = np.random.default_rng(seed)
    crops = []
    for i in range(count):
        side = 4 << i % 5
        small = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        crops.append(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1))
    return np.ascontiguousarray(np.stack(crops))


@torch.no_grad()
def compare(network: CropNetwork, other: Network, crops: np.ndarray) -> dict[str, float]:
    """Return the largest differences between torch and another runtime.

    Returns:
        `bins` and `keypoints` (also in bins), `root` (bins), `prob` (handedness, and scores relative to the highest
        one), and `ties`: the number of joints whose argmax differs between voxels to which torch gives the same height.
        These joints are left out of the other numbers.
    """
    codec = network.model.head.codec
    images = torch.from_numpy(crops)
    want = dict(zip(OUTPUTS, network(images), strict=True))
    got = {name: torch.from_numpy(values) for name, values in other(crops).items()}
    tied = _ties(network, images, want["bins"], got["bins"])
    apart = {
        "bins": (got["bins"] - want["bins"]).abs().amax(-1),
        "keypoints": (codec.to_bins(got["keypoints"]) - want["bins"]).abs().amax(-1),
    }
    differences = {name: float(values[~tied].max()) if (~tied).any() else 0.0 for name, values in apart.items()}
    root = codec.root_to_bin(got["rel_root_depth"]) - codec.root_to_bin(want["rel_root_depth"])
    scores = (got["keypoint_scores"] - want["keypoint_scores"]).abs().max() / want["keypoint_scores"].abs().max()
    differences["root"] = float(root.abs().max())
    differences["prob"] = max(float((got["hand_prob"] - want["hand_prob"]).abs().max()), float(scores))
    differences["ties"] = int(tied.sum())
    return differences


def _ties(network: CropNetwork, images: Tensor, want: Tensor, got: Tensor) -> Tensor:
    """Return (B, 42) bool: True where the argmax differs, but the heatmap is equally high at both places."""
    model = network.model
    outputs = model.head(model.extract_feat(normalize(images, model.data_preprocessor)))[0]
    if outputs[0].ndim != 5 or model.test_cfg.get("flip_test"):
        return torch.zeros(
            want.shape[:2], dtype=torch.bool
        )  # marginals are decoded by expectation, so there are no ties

    volume = torch.cat(outputs, dim=1)
    depth, height, width = volume.shape[-3:]
    top = torch.tensor([width, height, depth]) - 1
    flat = volume.flatten(-3)

    def height_at(bins: Tensor) -> Tensor:
        x, y, z = torch.minimum(bins.round().long().clamp_min(0), top).unbind(-1)
        return flat.gather(-1, ((z * height + y) * width + x)[..., None])[..., 0]

    gap = height_at(want) - height_at(got)
    span = flat.amax(-1) - flat.amin(-1)
    return ((got - want).abs().amax(-1) > BINS_TOLERANCE) & (gap <= _TIE * span)
