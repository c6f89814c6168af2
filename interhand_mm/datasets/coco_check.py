"""Check the COCO files that the config of a detector names."""

from __future__ import annotations

import json
from pathlib import Path

from mmengine.config import Config

from ..errors import AnnotationError

_FIX = "pass --data-root; tools/make_scenes.py writes a folder with such files"


def check_coco(cfg: Config) -> None:
    """Check that every COCO file of a config exists and has the config's classes.

    mmdet would silently train without boxes if a class is missing.

    Args:
        cfg: Config of a detector.

    Raises:
        AnnotationError: A file is missing, is not a COCO file, or does not contain a class of the config.
    """
    for loader in ("train_dataloader", "test_dataloader"):
        dataset = (cfg.get(loader) or {}).get("dataset") or {}
        if "ann_file" not in dataset:
            continue
        path = Path(dataset.get("data_root") or "") / dataset["ann_file"]
        try:
            names = {category["name"] for category in json.loads(path.read_bytes())["categories"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AnnotationError(
                f"not a COCO file: {path}", got=f"{type(error).__name__}: {error}", fix=_FIX
            ) from error
        classes = (dataset.get("metainfo") or {}).get("classes", ())
        if absent := set([classes] if isinstance(classes, str) else classes) - names:
            raise AnnotationError(
                f"{path} does not contain all classes of the config", got=sorted(names), want=sorted(absent)
            )
