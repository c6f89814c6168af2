"""Settings of a quick start: its sizes, seeds and folders, and the options that its commands share."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import ConfigError
from ..utils.paths import CONFIGS

PLAIN, BGAUG = "marginal", "marginal_bgaug"
MODEL_LABELS = {PLAIN: "without backgrounds", BGAUG: "with backgrounds"}
PRETRAIN = "pretrain"  # config and folder of the first epochs, which both models share
STEPS = ("data", "train", "test", "detector", "demo", "report")  # what "all" runs, in this order
EXTRA_STEPS = ("heads", "hdr")  # run only when named
Log = Callable[[str], None]  # receives lines of progress


@dataclass(frozen=True)
class Settings:
    """What to run, and where its files are.

    Attributes:
        out: Folder of everything except the data.
        data: Folder of the generated data set and the photographs.
        num: Number of training images. The test set has a tenth of it, of other subjects.
        minutes: Training time of both models together, shared epochs included. In the step "hdr", training time of
            each network.
        epochs: Number of epochs of each model. Replaces `minutes` and makes a run repeatable.
        seed: Seed of the data, the weights and the order of the samples.
        overrides: Additional `--cfg-options` for every command of the pose networks.
        detector_overrides: Additional `--cfg-options` for the detector's training.
        hdr_overrides: Additional `--cfg-options` for the networks of the HDR plugin.
    """

    out: Path = Path("work_dirs/quickstart")
    data: Path = Path("data/quickstart")
    num: int = 8000
    minutes: float = 9.0
    epochs: int | None = None
    seed: int = 0
    overrides: tuple[str, ...] = ()
    detector_overrides: tuple[str, ...] = ()
    hdr_overrides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.num < 16 or self.minutes <= 0 or self.seed < 0 or (self.epochs is not None and self.epochs < 2):
            raise ConfigError(
                "the quick start's settings are out of range",
                got=asdict(self),
                want="num >= 16, minutes > 0, epochs >= 2, seed >= 0",
            )

    @property
    def num_test(self) -> int:
        """Number of test images."""
        return max(8, self.num // 10)

    @property
    def num_scenes(self) -> int:
        """Number of the detector's training scenes."""
        return max(16, self.num // 4)

    @property
    def hdr(self) -> Path:
        """Folder of the networks of the HDR plugin."""
        return self.out / "hdr"

    @property
    def hdr_data(self) -> Path:
        """Folder of the data set that the HDR plugin is trained on."""
        return self.data / "hdr"

    @property
    def scenes(self) -> Path:
        """Folder of the detector's scenes."""
        return self.data / "scenes"

    def asked(self, data: Path, **more: Any) -> dict[str, Any]:
        """Return what a step is asked for. Its result is kept only while this stays the same.

        Args:
            data: Folder of generated data that the step reads. What made them is part of the answer.
            **more: Further settings of the step.
        """
        photographs = read_json(self.data / "photographs" / "photographs.json") or {}
        made_of = {"made": read_json(data / "synthesis.json"), "photographs": photographs.get("asked")}
        asked = {"code": __version__, "data": str(data), **made_of, "num": self.num, "seed": self.seed, **more}
        compared: dict[str, Any] = json.loads(json.dumps(asked))
        return compared

    def photographs(self, split: str) -> Path:
        """Return the folder of the photographs of "train" or "test"."""
        return self.data / "photographs" / split

    def folder(self, model: str) -> Path:
        """Return the work folder of one model."""
        return self.out / model

    @property
    def constant(self) -> Path:
        """Folder of the baseline that always predicts the mean pose."""
        return self.out / "constant"

    def options(self, model: str, training: bool = True) -> list[str]:
        """Return the arguments of `tools/train.py` for a model, or those of `tools/test.py`."""
        options = [str(CONFIGS / "quickstart" / f"{model}.py")]
        options += ["--work-dir", str(self.folder(model)), "--data-root", str(self.data)]
        # Only one of the models is trained with photographs; all are tested with them.
        return options if training and model != BGAUG else [*options, *self.backgrounds()]

    def backgrounds(self) -> list[str]:
        """Return the arguments that name the photographs."""
        return ["--backgrounds", *(str(self.photographs(split)) for split in ("train", "test"))]

    def config_options(self) -> list[str]:
        """Return the config overrides of every command."""
        return [f"randomness.seed={self.seed}", *self.overrides]


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, or None if the file does not exist."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def is_kept(result: dict[str, Any] | None, asked: dict[str, Any], name: str, log: Log) -> bool:
    """Return whether the result of an earlier run can be kept; otherwise say what differs, if there is one.

    Args:
        result: Content of the step's file, with the key `asked`; None if there is no such file.
        asked: Settings and data of this run, from `Settings.asked`.
        name: Name of the step or network, for the message.
        log: Receives the message.
    """
    if result is None:
        return False
    known = result.get("asked") or {}
    differ = [key for key in asked if known.get(key) != asked[key]]
    if differ:
        log(f"{name}: the earlier result was made with other {', '.join(differ)}; it is replaced")
    return not differ
