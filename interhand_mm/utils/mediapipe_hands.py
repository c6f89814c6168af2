"""MediaPipe Hands, run in an environment of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import EvaluationError
from ..structures.boxes import joints_bbox
from ..structures.joints import FROM_MEDIAPIPE, SIDES
from ..structures.photos import FoundHands

MEDIAPIPE_VERSION = "0.10.21"


def find_hands_by_mediapipe(python: str, files: Sequence[str]) -> list[FoundHands]:
    """Return the hands that MediaPipe Hands finds in each image, its joints in this project's order.

    Args:
        python: Interpreter of an environment with MediaPipe.
        files: Paths of images.

    Raises:
        EvaluationError: MediaPipe cannot be run.
    """
    script = Path(__file__).parent / "mediapipe_script.py"
    fix = f"pip install mediapipe=={MEDIAPIPE_VERSION} opencv-python-headless in an environment of its own"
    paths = "\n".join(str(Path(file).absolute()) for file in files)
    try:
        done = subprocess.run([python, str(script)], input=paths, capture_output=True, text=True, check=False)
    except OSError as error:
        raise EvaluationError(f"MediaPipe Hands failed in {python}", got=error.strerror, fix=fix) from error
    lines = done.stdout.splitlines()
    if done.returncode or len(lines) != len(files):
        got = done.stderr.strip().splitlines()[-1:]
        raise EvaluationError(f"MediaPipe Hands failed in {python}", got=got, fix=fix)
    return [_found(line) for line in lines]


def _found(line: str) -> FoundHands:
    answer = json.loads(line)
    hands = answer["hands"]
    if not hands:
        return FoundHands.nothing(answer["milliseconds"])
    points = np.array([hand["keypoints"] for hand in hands], float)[:, FROM_MEDIAPIPE]
    return FoundHands(
        points,
        joints_bbox(points),
        np.array([hand["score"] for hand in hands], float),
        np.array([SIDES.index(hand["side"]) for hand in hands]),
        np.array([hand["joints_mm"] for hand in hands], float)[:, FROM_MEDIAPIPE],
        answer["milliseconds"],
    )
