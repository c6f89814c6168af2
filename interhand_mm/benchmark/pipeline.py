"""Benchmark of training samples: this project's pipeline, mmpose's, a plain float loader and JPEG decoding alone.

Everything runs in this process on one core, and all loaders load the same samples in turn.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..datasets.crop_cache import write_crop_cache
from ..errors import ConfigError
from ..registry import DATASETS
from ..structures.camera import crop_affine
from ..utils.config import DataOptions, load_config
from ..utils.images import read_image
from ..utils.provenance import provenance
from .measure import Task, add_ratios, interleaved

MMPOSE_CONFIG = "hand_3d_keypoint/internet/interhand3d/internet_res50_4xb16-20e_interhand3d-256x256.py"


def build_training_set(config: Path, data_root: Path, backgrounds: Path | None, overrides: list[str]) -> Any:
    """Build the training set of one of this project's configs.

    Args:
        config: Config file.
        data_root: Folder of the data set.
        backgrounds: Folder of photographs for configs that use them.
        overrides: Config overrides of the form key=value.
    """
    options = DataOptions(data_root=str(data_root), backgrounds=[str(backgrounds)] if backgrounds else None)
    cfg = load_config(config, overrides, options)
    init_default_scope("interhand_mm")
    return DATASETS.build(cfg.train_dataloader.dataset)


def build_mmpose(data_root: Path, ann_ids: list[int], folder: Path) -> Callable[[int], Any]:
    """Build mmpose's data set and training pipeline from mmpose's config, restricted to some annotations.

    Without the restriction the data set would first read all annotations into memory. `benchmark_index` times that;
    here only the samples matter.

    Args:
        data_root: Folder of the data set.
        ann_ids: Annotations to keep.
        folder: Folder for the shortened annotation file.

    Returns:
        Function that loads the sample of an index.
    """
    import mmpose
    from mmengine.registry import DefaultScope
    from mmpose.datasets.datasets.hand3d import InterHand3DDataset

    cfg = Config.fromfile(str(Path(mmpose.__file__).parent / ".mim/configs" / MMPOSE_CONFIG))
    stem = data_root / "annotations/train/InterHand2.6M_train"
    content = json.loads(Path(f"{stem}_data.json").read_bytes())
    wanted = set(ann_ids)
    content["annotations"] = [each for each in content["annotations"] if each["id"] in wanted]
    images = {each["image_id"] for each in content["annotations"]}
    content["images"] = [each for each in content["images"] if each["id"] in images]
    (folder / "data.json").write_text(json.dumps(content))
    with DefaultScope.overwrite_default_scope("mmpose"):
        dataset = InterHand3DDataset(
            ann_file=str(folder / "data.json"),
            camera_param_file=f"{stem}_camera.json",
            joint_file=f"{stem}_joint_3d.json",
            data_prefix={"img": str(data_root / "images/train") + "/"},
            pipeline=cfg.train_pipeline,
        )

    def load(idx: int) -> Any:
        with DefaultScope.overwrite_default_scope("mmpose"):
            return dataset[idx % len(dataset)]

    return load


def plain_float(dataset: Any) -> Callable[[int], Any]:
    """Return a loader as in typical research code: the whole image becomes float32, then mirror, warp and color.

    It represents the official loader, whose source is not part of this project. Targets and photographs are left out.
    """

    def load(idx: int) -> Any:
        sample = dataset.get_data_info(idx)
        rng = sample["rng"]
        image = cv2.imread(sample["img_path"], cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        assert image is not None
        image = image[:, :, ::-1].astype(np.float32)
        bbox = sample["bbox"]
        if rng.random() < 0.5:
            image, last = image[:, ::-1], image.shape[1] - 1
            bbox = np.array([last - bbox[2], bbox[1], last - bbox[0], bbox[3]])
        affine = crop_affine(bbox, (256, 256), 1 + 0.25 * rng.uniform(-1, 1), 45 * rng.uniform(-1, 1))
        crop = cv2.warpAffine(np.ascontiguousarray(image), affine, (256, 256), flags=cv2.INTER_LINEAR)
        crop = np.clip(crop * rng.uniform(0.8, 1.2, 3), 0, 255)
        return torch.from_numpy(crop.astype(np.float32).transpose(2, 0, 1).copy()) / 255

    return load


def benchmark_pipeline(
    configs: Path,
    data_root: Path | None,
    backgrounds: Path | None = None,
    count: int = 40,
    repeat: int = 5,
    seed: int = 0,
    crop_cache: bool = False,
) -> dict[str, Any]:
    """Time samples of the training pipelines.

    Args:
        configs: Folder of this project's configs.
        data_root: Data set in InterHand2.6M's format with a training split; None renders a small one.
        backgrounds: Folder of photographs; None omits the rows with photographs.
        count: Number of samples per run.
        repeat: Number of rounds; the median is reported.
        seed: Seed for the choice of samples.
        crop_cache: Also time the pipeline that reads from a crop cache, which is made in a temporary folder.

    Returns:
        "rows": {name: {"ms", "cpu_ms", ...}} per sample, and "ratios" of CPU time to JPEG decoding alone. CPU time
        depends less on other programs than wall time.
    """
    with tempfile.TemporaryDirectory(prefix="interhand_pipeline_") as name:
        folder = Path(name)
        root = data_root or _render(folder / "data", count)
        tasks = _tasks(configs, root, backgrounds, count, seed, folder, crop_cache)
        threads = cv2.getNumThreads(), torch.get_num_threads()
        cv2.setNumThreads(1)
        torch.set_num_threads(1)  # as in a loader's worker process
        try:
            rows = interleaved(tasks, repeat, count)
        finally:
            cv2.setNumThreads(threads[0])
            torch.set_num_threads(threads[1])
    base = "JPEG decoding alone"
    return {
        "benchmark": "pipeline",
        "title": f"training samples, {count} of {root}, one core",
        "base": base,
        "rows": rows,
        "ratios": add_ratios(rows, base, "cpu_ms"),
        "provenance": provenance(),
    }


def _tasks(
    configs: Path, root: Path, backgrounds: Path | None, count: int, seed: int, folder: Path, crop_cache: bool
) -> dict[str, Task]:
    plain = build_training_set(configs / "internet.py", root, None, [])
    chosen = np.random.default_rng(seed).choice(len(plain), count, replace=len(plain) < count).tolist()
    paths = [plain.get_data_info(i)["img_path"] for i in chosen]
    ann_ids = [plain.get_data_info(i)["ann_id"] for i in chosen]

    def each(load: Callable[[int], Any], indices: list[int]) -> Task:
        return lambda: [load(i) for i in indices] and None

    tasks = {
        "JPEG decoding alone": lambda: [read_image(path) for path in paths] and None,
        "half-size JPEG decoding alone": lambda: [read_image(path, shrink=2) for path in paths] and None,
        "interhand_mm": each(plain.__getitem__, chosen),
    }
    if backgrounds is not None:
        for prob in (0.5, 1.0):
            overrides = [f"train_dataloader.dataset.pipeline.2.prob={prob}"]
            dataset = build_training_set(configs / "internet_bgaug.py", root, backgrounds, overrides)
            tasks[f"interhand_mm, photographs behind {prob:.0%}"] = each(dataset.__getitem__, chosen)
    if crop_cache:
        tasks |= _cached(configs, root, backgrounds, chosen, folder, each)
    tasks["plain float32 loader"] = each(plain_float(plain), chosen)
    tasks["mmpose"] = each(build_mmpose(root, ann_ids, folder), list(range(count)))
    return tasks


def _cached(
    configs: Path, root: Path, backgrounds: Path | None, chosen: list[int], folder: Path, each: Any
) -> dict[str, Task]:
    crops, plain = folder / "crops", build_training_set(configs / "internet.py", root, None, [])
    ids = folder / "ids.txt"
    ids.write_text("".join(f"{plain.load_item(i)['ann_id']}\n" for i in sorted(set(chosen))))
    some = [f"train_dataloader.dataset.ann_ids_file={ids}"]
    write_crop_cache(build_training_set(configs / "internet.py", root, None, some), crops)
    cache = [*some, f"train_dataloader.dataset.crop_cache={crops}"]
    chosen = np.searchsorted(
        np.unique(chosen), chosen
    ).tolist()  # indices of the same samples in the restricted data set
    cached = build_training_set(configs / "internet.py", root, None, cache)
    tasks = {"interhand_mm, crop cache": each(cached.__getitem__, chosen)}
    if backgrounds is not None:
        dataset = build_training_set(configs / "internet_bgaug.py", root, backgrounds, cache)
        tasks["interhand_mm, crop cache, photographs behind 50%"] = each(dataset.__getitem__, chosen)
    return tasks


def _render(root: Path, count: int) -> Path:
    from ..synthesis.generate import generate
    from ..synthesis.plan import SynthesisOptions

    if not generate(root, SynthesisOptions(num=max(count, 2), size="portrait"), progress=False):
        raise ConfigError("the samples cannot be rendered")
    return root
