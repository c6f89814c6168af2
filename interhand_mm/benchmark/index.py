"""Benchmark of annotation loading: this project's index, mmpose's data set and a plain COCO + dict loader.

Every loader runs in its own process. Peak memory is the peak of the resident set while loading, minus the resident set
after the imports. The files were just written, so for every loader they are in the page cache.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..utils.provenance import provenance
from .annotations import write_annotations
from .measure import reset_peak_mb, resident_mb

PEERS = ("mmpose", "pycocotools")
_SPLIT = "train"


def _load_build(root: Path) -> Callable[[], int]:
    from ..datasets.annotations.index import find_annotations, open_index

    # Each run gets a new cache folder, so that every run builds the index.
    return lambda: len(open_index(find_annotations(root, _SPLIT), tempfile.mkdtemp(dir=root)))


def _load_reopen(root: Path) -> Callable[[], int]:
    from ..datasets.annotations.index import find_annotations, open_index

    return lambda: len(open_index(find_annotations(root, _SPLIT), root / "cache"))


def _load_mmpose(root: Path) -> Callable[[], int]:
    from mmpose.datasets.datasets.hand3d import InterHand3DDataset

    data, camera, joints = (
        f"annotations/{_SPLIT}/InterHand2.6M_{_SPLIT}_{part}.json" for part in ("data", "camera", "joint_3d")
    )
    settings = {"ann_file": data, "camera_param_file": camera, "joint_file": joints, "data_root": str(root)}
    return lambda: len(InterHand3DDataset(**settings, data_prefix={"img": ""}, pipeline=[]))


def _load_pycocotools(root: Path) -> Callable[[], int]:
    from pycocotools.coco import COCO

    stem = root / "annotations" / _SPLIT / f"InterHand2.6M_{_SPLIT}"

    def load() -> int:
        coco = COCO(f"{stem}_data.json")
        cameras = json.loads(Path(f"{stem}_camera.json").read_bytes())
        joints = json.loads(Path(f"{stem}_joint_3d.json").read_bytes())
        samples = []
        for ann in coco.dataset["annotations"]:
            image = coco.imgs[ann["image_id"]]
            table = cameras[str(image["capture"])]
            camera = {key: np.array(table[key][image["camera"]], np.float32) for key in table}
            world = joints[str(image["capture"])][str(image["frame_idx"])]["world_coord"]
            cam = (np.array(world, np.float32) - camera["campos"]) @ camera["camrot"].T
            valid = np.array(ann["joint_valid"], np.float32).reshape(-1)
            box = np.array(ann["bbox"], np.float32)
            sample = {"path": image["file_name"], "bbox": box, "joints_cam": cam, "valid": valid, **camera}
            samples.append(sample | {"hand_type": ann["hand_type"], "id": ann["id"]})
        return len(samples)

    return load


ANNOTATION_LOADERS = {
    "build": _load_build,
    "reopen": _load_reopen,
    "mmpose": _load_mmpose,
    "pycocotools": _load_pycocotools,
}


def run_loader(name: str, root: Path) -> dict[str, float]:
    """Time one loader in this process, which must be a new one.

    Args:
        name: Key of `ANNOTATION_LOADERS`.
        root: Folder of the data set.
    """
    load = ANNOTATION_LOADERS[name](root)
    baseline = reset_peak_mb()
    start = time.perf_counter()
    count = load()
    seconds = time.perf_counter() - start
    return {"count": count, "seconds": seconds, "peak_mb": (resident_mb("VmHWM") - baseline)}


def _in_subprocess(name: str, root: Path) -> dict[str, float]:
    code = (
        "import json, sys; from pathlib import Path; from interhand_mm.benchmark.index import run_loader; "
        "print('\\n' + json.dumps(run_loader(sys.argv[1], Path(sys.argv[2]))))"
    )
    done = subprocess.run([sys.executable, "-c", code, name, str(root)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"loader {name} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def benchmark_index(count: int, peers: tuple[str, ...] = PEERS, repeat: int = 1) -> dict[str, Any]:
    """Write a synthetic set of `count` annotations and load it with every loader.

    Args:
        count: Number of annotations, one per image.
        peers: Names of `PEERS` to run as well.
        repeat: Runs of each loader. The median time and the largest peak are reported.

    Returns:
        {"count", "file_mb", "loaders": {name: {seconds, peak_mb, runs}}, "ratios": {peer: {seconds, peak_mb}},
        "provenance"}. A ratio is the peer's value divided by that of this project's first build.
    """
    with tempfile.TemporaryDirectory(prefix="interhand_index_") as folder:
        root = Path(folder)
        files = write_annotations(root, count, _SPLIT)
        sizes = {path.stem.split("_", 2)[2]: path.stat().st_size / 1e6 for path in sorted(files.glob("*.json"))}
        _in_subprocess("reopen", root)  # builds the index that the timed runs of "reopen" open
        loaders: dict[str, Any] = {}
        for name in ("build", "reopen", *peers):
            runs = [_in_subprocess(name, root) for _ in range(repeat)]
            if any(run["count"] != count for run in runs):
                raise RuntimeError(f"loader {name} read {runs[0]['count']} of {count} annotations")
            seconds = statistics.median(run["seconds"] for run in runs)
            loaders[name] = {"seconds": seconds, "peak_mb": max(run["peak_mb"] for run in runs), "runs": runs}
    ours = loaders["build"]
    ratios = {
        peer: {key: loaders[peer][key] / ours[key] for key in ("seconds", "peak_mb") if ours[key] > 0} for peer in peers
    }
    return {
        "benchmark": "index",
        "count": count,
        "file_mb": sizes,
        "ratios": ratios,
        "loaders": loaders,
        "provenance": provenance(),
    }
