"""The one door for plugins: a network that replaces some of a pose estimator's hands.

An estimator builds the plugin that stands under its config key `model.hdr` (the slot is named after the first plugin)
through the registry `MODELS`. It knows the plugin only by the protocol below: it hands it the crops, and gets back the
keypoints of those hands that the plugin could estimate better. All other hands, the handedness and the relative root
depth stay the estimator's own. `docs/how-to/plugin.md` shows how to write one.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ..errors import ConfigError
from ..registry import MODELS
from ..structures.joints import NUM_HAND_JOINTS
from ..utils.config import PLUGIN_KEY, load_config, plugin_config, share_crop


@dataclass
class ReplacedHands:
    """Hands whose keypoints a plugin has estimated, for a batch of B crops. N of the 2 B possible hands are replaced.

    Attributes:
        present: (B, 2) bool, whether the right and the left hand of each crop are replaced.
        hands: (N, 2) int64, one row per replaced hand: index of its crop, and its side (0 right, 1 left).
        keypoints: (N, 21, 3) float64: x, y in px of the crop that the plugin received, and d in mm relative to the
            hand's own wrist.
        keypoint_scores: (N, 21), 0 to 1.
    """

    present: np.ndarray
    hands: np.ndarray
    keypoints: np.ndarray
    keypoint_scores: np.ndarray


class HandPlugin(Protocol):
    """What an estimator expects of a plugin. Any `torch.nn.Module` with these members is one.

    Attributes:
        parts: Names of the plugin's config entries that may name a `checkpoint`, in the order in which the command
            line takes their files.
        crop_scale: Number of crop pixels per pixel of the estimator's input. With 2 the crop is twice as fine, and the
            estimator receives every second pixel of it.
    """

    parts: ClassVar[tuple[str, ...]]
    crop_scale: int

    def __call__(self, images: Tensor, data_samples: Sequence[Any] = ()) -> ReplacedHands:
        """Estimate hands of a batch of crops.

        Args:
            images: (B, 3, S, S) BGR, 0 to 255.
            data_samples: The B samples of a data set, which may carry ground truth for ablations. Empty in a demo.
        """
        ...

    def load_checkpoints(self) -> None:
        """Read the checkpoints that the plugin's config names.

        Raises:
            CheckpointError: A file is missing or does not fit its network.
        """
        ...

    def to(self, device: Any) -> Any:
        """Move the plugin's networks to a device."""
        ...


def plugin_class(config: Mapping[str, Any]) -> Any:
    """Return the class that a plugin's config names.

    Raises:
        ConfigError: No such class is registered, for example because its folder is not installed.
    """
    kind = config.get("type")
    found = MODELS.get(kind) if isinstance(kind, str) else kind
    if found is None:
        raise ConfigError(
            f"model.{PLUGIN_KEY}: the plugin '{kind}' is not registered",
            fix="install the package that defines it, and name its module in the config's custom_imports",
        )
    return found


def build_plugin(config: Mapping[str, Any]) -> HandPlugin:
    """Build a plugin from its config.

    Raises:
        ConfigError: See `plugin_class`.
    """
    plugin_class(config)
    plugin: HandPlugin = MODELS.build(config)
    return plugin


def build_part(config: Mapping[str, Any], **changes: Any) -> tuple[Any, str | None]:
    """Build a network of a plugin and freeze it.

    Args:
        config: ``dict(config="configs/hdr/....py", checkpoint="....pth")``, or the config of a model, which may contain
            `checkpoint` as well.
        **changes: Entries of the model's config to replace.

    Returns:
        The network in evaluation mode, and the checkpoint that its config names, which is not read here.

    Raises:
        ConfigError: There are other keys beside `config` and `checkpoint`, or the config file cannot be read.
    """
    part = dict(config)
    checkpoint = part.pop("checkpoint", None)
    if "config" in part:
        if set(part) != {"config"}:
            raise ConfigError(
                "a plugin's part has more keys than config and checkpoint",
                got=sorted(part),
                want="config and checkpoint, or the config of a model",
            )
        part = dict(load_config(part["config"]).model)
    network = MODELS.build({**part, **changes})
    return network.requires_grad_(False).eval(), checkpoint


def load_plugin(model: nn.Module) -> None:
    """Read the checkpoints of a model's plugin. Do nothing for a model without one.

    Raises:
        CheckpointError: See `HandPlugin.load_checkpoints`.
    """
    plugin: HandPlugin | None = getattr(model, "plugin", None)
    if plugin is not None:
        plugin.load_checkpoints()


def with_plugin(
    config: str | Path | Config, plugin: str | Path | Config, checkpoints: Sequence[str | Path] = ()
) -> Config:
    """Return a pose config with the plugin of another config.

    Args:
        config: Config of the pose network, as a file or loaded. It is not changed.
        plugin: Config whose `model.hdr` is the plugin, for example configs/hdr/small.py.
        checkpoints: Checkpoints of the plugin's `parts`, in their order. Where there are fewer files than parts, the
            last parts keep the checkpoints that `plugin` names.

    Raises:
        ConfigError: `plugin` has no plugin, its class is not registered, or there are too many checkpoints.
    """
    cfg = copy.deepcopy(config) if isinstance(config, Config) else load_config(config)
    source = plugin if isinstance(plugin, Config) else load_config(plugin)
    slot = copy.deepcopy(plugin_config(source))
    if slot is None:
        raise ConfigError(f"{source.filename} has no model.{PLUGIN_KEY}", fix="configs/hdr/small.py is an example")
    parts = plugin_class(slot).parts
    if len(checkpoints) > len(parts):
        raise ConfigError(
            f"there are more checkpoints than {slot['type']} has parts",
            got=len(checkpoints),
            want=f"at most {len(parts)}: {', '.join(parts)}",
        )
    for part, checkpoint in zip(parts, checkpoints, strict=False):
        slot[part]["checkpoint"] = str(checkpoint)
    cfg.model[PLUGIN_KEY] = slot
    share_crop(cfg)
    return cfg


def merge_hands(instances: list[InstanceData], replaced: ReplacedHands, crop_scale: int, codec: Any) -> None:
    """Write a plugin's hands into the estimator's predictions, in place.

    Args:
        instances: Predictions of the B crops, in px of the crop that the plugin received.
        replaced: The plugin's result. Hands that it did not replace keep the estimator's keypoints.
        crop_scale: Number of crop pixels per pixel of the estimator's input.
        codec: Computes the `bins` of the new keypoints.
    """
    for each, present in zip(instances, replaced.present, strict=True):
        each.replaced = present[None].astype(np.float32)
    rows = zip(replaced.hands, replaced.keypoints, replaced.keypoint_scores, strict=True)
    for (i, side), points, scores in rows:
        own = slice(side * NUM_HAND_JOINTS, (side + 1) * NUM_HAND_JOINTS)
        instances[i].keypoints[0, own] = points
        instances[i].keypoint_scores[0, own] = scores
        instances[i].bins[0, own] = codec.to_bins(points / np.array([crop_scale, crop_scale, 1.0]))
