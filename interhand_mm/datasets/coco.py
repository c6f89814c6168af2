"""Check the COCO files that a detector's config names."""

from __future__ import annotations

import json
from pathlib import Path

from mmengine.config import Config

from ..errors import AnnotationError

_FIX = "pass --data-root; tools/make_scenes.py writes such a folder"


def check_coco(cfg: Config) -> None:
    """Raise unless every data set's COCO file is there and has the config's classes; mmdet would find no hands.

    Raises:
        AnnotationError: A file is missing, not COCO's, or lacks a class.
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
            raise AnnotationError(f"{path} lacks classes of the config", got=sorted(names), want=sorted(absent))
