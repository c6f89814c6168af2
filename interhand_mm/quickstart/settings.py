"""What a quick start is asked to do, where its files lie, and how its steps are run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..utils.paths import ROOT

PLAIN, BGAUG = "marginal", "marginal_bgaug"
MODELS = {PLAIN: "without backgrounds", BGAUG: "with backgrounds"}
START = "start"  # the part of their training that both share
STAGES = ("data", "train", "test", "detector", "demo", "report")  # of "all"
EXTRAS = ("heads", "hdr")  # only by name


@dataclass(frozen=True)
class Settings:
    """What is asked for.

    Attributes:
        out: Folder of everything but the data.
        data: Folder of the generated set and the photographs.
        num: Training images; a tenth of it again for the test, of other subjects.
        minutes: Training time: what both models share, then both at once where there are two cores; in stage "hdr"
            of each network.
        epochs: Of each model, in place of `minutes`, so that a run can be repeated exactly.
        seed: Of data, weights and samples.
        overrides: More `--cfg-options` for every step of the pose networks.
        detector_overrides: And for the detector's training.
        hdr_overrides: And for HDR's networks.
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
            raise ConfigError("quick start", got=asdict(self), want="num >= 16, minutes > 0, epochs >= 2, seed >= 0")

    @property
    def num_test(self) -> int:
        """Test images."""
        return max(8, self.num // 10)

    @property
    def num_scenes(self) -> int:
        """Training scenes of the detector."""
        return max(16, self.num // 4)

    @property
    def hdr(self) -> Path:
        """Folder of HDR's networks."""
        return self.out / "hdr"

    @property
    def hdr_data(self) -> Path:
        """Folder of the set that HDR learns from."""
        return self.data / "hdr"

    @property
    def scenes(self) -> Path:
        """Folder of the detector's scenes."""
        return self.data / "scenes"

    def photographs(self, split: str) -> Path:
        """Folder of the photographs of "train" or "test"."""
        return self.data / "photographs" / split

    def folder(self, model: str) -> Path:
        """Work folder of one model."""
        return self.out / model

    @property
    def constant(self) -> Path:
        """Folder of the predictor that always answers the mean pose."""
        return self.out / "constant"

    def options(self, model: str) -> list[str]:
        """Options that `tools/train.py` and `tools/test.py` share for a model."""
        options = [str(ROOT / "configs" / "quickstart" / f"{model}.py")]
        options += ["--work-dir", str(self.folder(model)), "--data-root", str(self.data)]
        return [*options, "--backgrounds", str(self.photographs("train")), str(self.photographs("test"))]

    def config_options(self) -> list[str]:
        """Config overrides of every step."""
        masks = self.data / "masks"
        roots = [f"{loader}_dataloader.dataset.mask_root={masks}" for loader in ("train", "test")]
        return [*roots, f"randomness.seed={self.seed}", *self.overrides]


def read_json(path: Path) -> Any:
    """Content of a JSON file, None where it is not there."""
    return json.loads(path.read_text()) if path.is_file() else None
