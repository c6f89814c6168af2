"""What to render: the options, and how the images are divided into chunks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from ..errors import ConfigError
from .preset import Preset, preset_named
from .render.cameras import IMAGE_SIZES
from .seeds import SEED_SPLITS

STEPS_PER_SUBJECT = 80
MIN_SUBJECTS = 6
CAMERAS = 12
SUBJECT_OFFSET = {"train": 0, "val": 100000, "test": 200000}
ROTATIONS = ("frontal", "curriculum", "any")


@dataclass(frozen=True)
class SynthesisOptions:
    """Everything that decides the bytes of a rendered data set.

    Attributes:
        num, num_val, num_test: Number of images of each split.
        seed: Seed of all random draws.
        views: Number of cameras that see each time step.
        size: "mixed" (portrait and landscape cameras), "portrait", "landscape" or "WxH" in px.
        rotation: "frontal" (the person faces the cameras), "curriculum" (rotations grow) or "any".
        interacting: Share of time steps with two hands, 0 to 1.
        sequence: Number of frames of one smooth sequence; 0 renders unrelated poses.
        background: "studio", "skimage" or a folder of photographs.
        subjects: Number of training subjects; 0 derives it from `num`.
        aih: Also write the AIH layout.
        depth: Also write depth maps.
        split_by_subject: No subject is in two splits.
        hand_mesh: Replaces the parametric hand: (left GLB file, right GLB file), or one folder with MANO files.
        preset: Name of a preset, see `preset.preset_named`.
    """

    VERSION: ClassVar[int] = 4  # tests/synthesis/test_version.py notices when it has to be increased

    num: int
    num_val: int = 0
    num_test: int = 0
    seed: int = 0
    views: int = 2
    size: str = "mixed"
    rotation: str = "frontal"
    interacting: float = 0.5
    sequence: int = 0
    background: str = "studio"
    subjects: int = 0
    aih: bool = False
    depth: bool = False
    split_by_subject: bool = True
    hand_mesh: tuple[str, ...] = ()
    preset: str = "studio"

    def __post_init__(self) -> None:
        if min(self.num, self.num_val, self.num_test, self.seed, self.sequence, self.subjects) < 0:
            raise ConfigError("a number of images, the seed or a count is negative", got=asdict(self), want=">= 0")
        if not 1 <= self.views <= CAMERAS:
            raise ConfigError(f"--views must be between 1 and {CAMERAS}", got=self.views)
        if self.rotation not in ROTATIONS:
            raise ConfigError("--rotation is unknown", got=self.rotation, want=" or ".join(ROTATIONS))
        if self.look.light is not None and self.background == "studio":
            raise ConfigError(
                f"--preset {self.preset} takes its light from the photograph behind the hands",
                got="--background studio", want="photographs", fix="--background DIR, or --background skimage",
            )  # fmt: skip
        if not 0 <= self.interacting <= 1:
            raise ConfigError("--interacting must be between 0 and 1", got=self.interacting)
        camera_sizes(self.size)

    @property
    def look(self) -> Preset:
        """Preset of this set."""
        return preset_named(self.preset)

    def count(self, split: str) -> int:
        """Return the number of images of a split."""
        return {"train": self.num, "val": self.num_val, "test": self.num_test}[split]


@dataclass(frozen=True)
class Chunk:
    """The time steps [first, last) of one subject of a split: the unit of work and of a restart.

    Attributes:
        split: "train", "val" or "test".
        subject: Number of the subject within the split.
        first, last: Time steps, the last one excluded.
        steps: Number of time steps of the whole split.
    """

    split: str
    subject: int
    first: int
    last: int
    steps: int

    @property
    def name(self) -> str:
        """Name of the file that the chunk leaves when it is finished."""
        return f"{self.split}_{self.subject:05d}.json"


def camera_sizes(size: str) -> tuple[str, ...]:
    """Return the image sizes that `camera_ring` assigns to the cameras for an option `--size`.

    Example:
        >>> camera_sizes("mixed")
        ('portrait', 'landscape')
        >>> camera_sizes("256x168")
        ('256x168',)
    """
    if size == "mixed":
        return tuple(IMAGE_SIZES)
    if size in IMAGE_SIZES:
        return (size,)
    parts = size.split("x")
    if len(parts) != 2 or not all(p.isdigit() and 64 <= int(p) <= 1024 for p in parts):
        raise ConfigError("--size is unknown", got=size, want="mixed, portrait, landscape or WxH, 64 to 1024 px each")
    return (size,)


def plan(options: SynthesisOptions) -> list[Chunk]:
    """Return all chunks in order; they do not depend on workers and shards."""
    chunks = []
    for split in SEED_SPLITS:
        steps = -(-options.count(split) // options.views)
        if steps == 0:
            continue
        subjects = min(max(-(-steps // STEPS_PER_SUBJECT), MIN_SUBJECTS), steps)
        if split == "train" and options.subjects:
            subjects = min(options.subjects, steps)
        edges = [round(i * steps / subjects) for i in range(subjects + 1)]
        chunks += [Chunk(split, i, edges[i], edges[i + 1], steps) for i in range(subjects)]
    return chunks
