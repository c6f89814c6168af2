"""What to generate: options, how images fall into chunks, and the checks of an output folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from interhand_mm.errors import ConfigError
from interhand_mm.synthesis.sampling import SPLITS

from ..utils.files import write_json
from .render.cameras import SIZES

VERSION = 1  # raise when the same options give other bytes
MANIFEST = "synthesis.json"
PARTS = ".parts"
STEPS_PER_SUBJECT = 80
MIN_SUBJECTS = 6
CAMERAS = 12
SUBJECT_OFFSET = {"train": 0, "val": 100000, "test": 200000}
ROTATIONS = ("frontal", "curriculum", "any")


@dataclass(frozen=True)
class Options:
    """Everything that decides the bytes.

    Attributes:
        num, num_val, num_test: Images of each split.
        seed: Of everything random.
        views: Cameras that see each time step.
        size: "mixed" (portrait and landscape cameras), "portrait", "landscape" or "WxH".
        rotation: "frontal", "curriculum" or "any".
        interacting: Share of time steps with two hands.
        sequence: Frames of one smooth sequence; 0 is unrelated poses.
        background: "studio", "skimage" or a folder of photographs.
        subjects: Of the training split; 0 chooses by its size.
        aih, depth: Also write the AIH layout, depth maps.
        split_by_subject: No subject is in two splits.
        hand_mesh: Right and left rigged mesh in place of the parametric hand: two GLB files or "mano:DIR".
    """

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

    def __post_init__(self) -> None:
        if min(self.num, self.num_val, self.num_test, self.seed, self.sequence, self.subjects) < 0:
            raise ConfigError("a count or the seed is negative", got=asdict(self), want="numbers >= 0")
        if not 1 <= self.views <= CAMERAS:
            raise ConfigError("--views", got=self.views, want=f"1 to {CAMERAS}")
        if self.rotation not in ROTATIONS:
            raise ConfigError("--rotation", got=self.rotation, want=" or ".join(ROTATIONS))
        if not 0 <= self.interacting <= 1:
            raise ConfigError("--interacting", got=self.interacting, want="0 to 1")
        camera_sizes(self.size)

    def count(self, split: str) -> int:
        """Images of a split."""
        return {"train": self.num, "val": self.num_val, "test": self.num_test}[split]


@dataclass(frozen=True)
class Chunk:
    """The time steps [first, last) of one subject of a split: the unit of work and of a restart."""

    split: str
    subject: int
    first: int
    last: int
    steps: int  # of the whole split

    @property
    def name(self) -> str:
        """File name of the chunk's part."""
        return f"{self.split}_{self.subject:05d}.json"


def camera_sizes(size: str) -> tuple[str, ...]:
    """Keys for `cameras.camera_ring` of a --size."""
    if size == "mixed":
        return tuple(SIZES)
    if size in SIZES:
        return (size,)
    parts = size.split("x")
    if len(parts) != 2 or not all(p.isdigit() and 64 <= int(p) <= 1024 for p in parts):
        raise ConfigError("--size", got=size, want="mixed, portrait, landscape or WxH with 64 to 1024 px a side")
    return (size,)


def plan(options: Options) -> list[Chunk]:
    """All chunks in order; independent of workers and shards."""
    chunks = []
    for split in SPLITS:
        steps = -(-options.count(split) // options.views)
        if steps == 0:
            continue
        subjects = min(max(-(-steps // STEPS_PER_SUBJECT), MIN_SUBJECTS), steps)
        if split == "train" and options.subjects:
            subjects = min(options.subjects, steps)
        edges = [round(i * steps / subjects) for i in range(subjects + 1)]
        chunks += [Chunk(split, i, edges[i], edges[i + 1], steps) for i in range(subjects)]
    return chunks


def parse_shard(text: str) -> tuple[int, int]:
    """Read i/n with 0 <= i < n."""
    parts = text.split("/")
    if len(parts) == 2 and all(p.isdigit() for p in parts):
        i, n = int(parts[0]), int(parts[1])
        if 0 <= i < n:
            return i, n
    raise ConfigError("--shard", got=text, want="i/n with 0 <= i < n, such as 0/4")


def claim_folder(out: Path, options: Options) -> None:
    """Make the output folder ours: empty, or begun with the same options."""
    wanted = json.loads(json.dumps({"version": VERSION, **asdict(options)}))
    path = out / MANIFEST
    if not path.exists():
        if out.exists() and any(out.iterdir()):
            raise ConfigError(f"{out} is not empty", want="an empty or new folder", fix="choose another --out")
        write_json(path, wanted)
        return
    found = json.loads(path.read_text())
    differ = {k: (found.get(k), v) for k, v in wanted.items() if found.get(k) != v}
    if differ:
        raise ConfigError(
            f"{out} was begun with other options",
            got={k: v[0] for k, v in differ.items()},
            want={k: v[1] for k, v in differ.items()},
            fix="repeat the first command to go on with it, or choose another --out",
        )
