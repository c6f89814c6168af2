"""Build a codec from its config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..registry import CODECS


def build_codec(cfg: Mapping[str, Any]) -> Any:
    """Build a codec of this project, or one of mmpose by its scope, such as "mmpose.MSRAHeatmap".

    mmpose's registry of codecs has no parent, so the scope alone does not find it.
    """
    if str(cfg["type"]).startswith("mmpose."):
        from mmpose.registry import KEYPOINT_CODECS

        return KEYPOINT_CODECS.build(dict(cfg))
    return CODECS.build(cfg)
