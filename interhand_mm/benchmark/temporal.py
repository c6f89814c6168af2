"""Benchmark of hands over time: identity, side, presence, pairs, jitter and lag on clips with exact truth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations, groupby
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.interhand import InterHandDataset
from ..errors import AnnotationError
from ..evaluation.functional.over_time import (
    Followed,
    ShownHands,
    acceleration_error,
    count_changes,
    follow_hands,
    lag_frames,
)
from ..inference.inferencer import InterHandInferencer
from ..inference.pose import PoseModel
from ..structures.camera import lift_to_camera
from ..structures.joints import HANDS, NUM_HAND_JOINTS, WRISTS
from ..structures.results import FrameResult
from ..synthesis.generate import generate
from ..synthesis.plan import SynthesisOptions
from ..utils.images import read_image
from ..utils.provenance import provenance
from .scripted import (
    ClipSource,
    ScriptedDetector,
    ScriptedPose,
    TrueClip,
    crossing_hands,
    entering_hand,
    resting_hands,
    uncertain_side,
)

DETECT_EVERY = (1, 5, 15)
SEED = 1  # two raised hands side by side
_RESTING_GAPS = (0.25, 0.35, 0.45)


def benchmark_temporal(
    inferencer: InterHandInferencer,
    rendered: Sequence[TrueClip],
    detect_every: Sequence[int] = DETECT_EVERY,
    networks: bool = True,
) -> dict[str, Any]:
    """Measure how well hands are followed, with and without smoothing, and with fewer runs of the detector.

    The scripted clips, and the positions of the rendered ones, are followed with stand-ins for both networks, so that
    the tracker alone is measured. Rendered clips are also given to the networks themselves.

    Args:
        inferencer: The chain. Its options `detect_every` and `smooth` are set in turn.
        rendered: Clips with images.
        detect_every: Values of the option.
        networks: Whether the networks are run on the rendered clips.

    Returns:
        "rows": {name: numbers of `score_clip`, with "clip", "chain", "detect_every" and "smooth"}, and "ratios" of
        each row's jitter to the clip's first row.

    Raises:
        ConfigError: motmetrics is not installed.
    """
    detector, pose, before = inferencer.detector, inferencer.pose, inferencer.options
    scripted = [*map(resting_hands, _RESTING_GAPS), crossing_hands(), entering_hand(), uncertain_side(), *rendered]
    rows: dict[str, dict[str, Any]] = {}
    try:
        for clip in scripted:
            _replace_networks(inferencer, ScriptedDetector(clip), ScriptedPose(clip))
            rows |= _clip_rows(inferencer, clip, detect_every, "stand-in")
        _replace_networks(inferencer, detector, pose)
        for clip in rendered if networks else ():
            rows |= _clip_rows(inferencer, clip, detect_every, "networks")
    finally:
        _replace_networks(inferencer, detector, pose)
        inferencer.options = before
    return {
        "benchmark": "temporal",
        "title": "hands over time; the ratio is the jitter to that of the clip's first row",
        "base": "jitter of the clip's first row",
        "rows": rows,
        "ratios": _jitter_ratios(rows),
        "provenance": provenance(),
    }


def _replace_networks(inferencer: InterHandInferencer, detector: Any, pose: PoseModel | ScriptedPose) -> None:
    inferencer.detector = detector
    inferencer.pose = pose  # type: ignore[assignment]  # a stand-in has the one method that inference calls


def _clip_rows(
    inferencer: InterHandInferencer, clip: TrueClip, detect_every: Sequence[int], chain: str
) -> dict[str, dict[str, Any]]:
    """Run a chain on one clip with all options."""
    rows = {}
    for smooth in (False, True):
        for every in detect_every:
            inferencer.options = replace(inferencer.options, detect_every=every, smooth=smooth)
            results = inferencer.infer(ClipSource(clip, images=chain == "networks"))
            name = f"{clip.name}, {chain}, every {every}{', smooth' if smooth else ''}"
            settings = {"clip": clip.name, "chain": chain, "detect_every": every, "smooth": smooth}
            rows[name] = settings | score_clip([shown_hands(result) for result in results], clip)
    return rows


def _jitter_ratios(rows: dict[str, dict[str, Any]]) -> dict[str, float]:
    first: dict[tuple[str, str], float] = {}
    ratios = {}
    for name, row in rows.items():
        base = first.setdefault((row["clip"], row["chain"]), row["jitter_px"])
        if base and row["jitter_px"] is not None:
            ratios[name] = row["jitter_px"] / base
    return ratios


def shown_hands(result: FrameResult) -> ShownHands:
    """Return the hands of one frame whose joints are all known. A hand without a track gets an id of its own."""
    ids: list[int] = []
    sides: list[int] = []
    crops: list[int] = []
    keypoints: list[np.ndarray] = []
    for crop, hands in enumerate(result.hands):
        for side, rows in enumerate(HANDS):
            if hands.presence[side] != "no" and np.isfinite(hands.keypoints[rows]).all():
                number = hands.track_ids[side]
                ids.append(-1 - len(ids) if number is None else number)
                sides.append(side)
                crops.append(crop)
                keypoints.append(hands.keypoints[rows])
    return ShownHands(ids, sides, crops, np.array(keypoints).reshape(-1, NUM_HAND_JOINTS, 3))


def score_clip(frames: Sequence[ShownHands], clip: TrueClip) -> dict[str, Any]:
    """Compare what was shown with the truth.

    Returns:
        "found": share of the visible hands that were shown; "mota", "idf1" and "id_switches" as motmetrics computes
        them; "ids": number of identities of all true hands together; "side_changes" and "wrong_side" (share of the
        shown hands); "presence_changes": how often a visible hand appears or disappears; "pair_changes": how often two
        hands join or part; "jitter_px" and "jitter_mm": `acceleration_error`; "error_px" and "error_mm": mean distance
        to the true joints; "lag": `lag_frames`, None if the truth moves too little. Millimeters are computed with the
        true depth of the wrists.
    """
    followed = follow_hands(frames, clip.keypoints[..., :2], clip.visible)
    found, hands = followed.found, range(len(clip.sides))
    uv, truth_uv = followed.keypoints[..., :2], clip.keypoints[..., :2]
    mm, truth_mm = _in_mm(followed.keypoints, clip), _in_mm(clip.keypoints, clip)
    row: dict[str, Any] = {
        "found": float(found.sum() / max(clip.visible.sum(), 1)),
        **followed.mot,
        "ids": sum(len(np.unique(followed.ids[found[:, h], h])) for h in hands),
        "side_changes": sum(count_changes(followed.sides[:, h], found[:, h]) for h in hands),
        "wrong_side": float((followed.sides != clip.sides)[found].mean()) if found.any() else float("nan"),
        "presence_changes": sum(count_changes(found[:, h], clip.visible[:, h]) for h in hands),
        "pair_changes": _pair_changes(followed),
        "error_px": _mean_distance(uv, truth_uv),
        "error_mm": _mean_distance(mm, truth_mm),
        "jitter_px": acceleration_error(uv, truth_uv),
        "jitter_mm": acceleration_error(mm, truth_mm),
        "lag": lag_frames(uv.reshape(len(uv), -1, 2), truth_uv.reshape(len(uv), -1, 2)),
    }
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}


def _in_mm(keypoints: np.ndarray, clip: TrueClip) -> np.ndarray:
    """Return (T, H, 21, 3) keypoints in the camera frame, with the true depths of the wrists."""
    count, hands = keypoints.shape[:2]
    flat = keypoints.reshape(count, hands * NUM_HAND_JOINTS, 3)
    return lift_to_camera(flat, clip.wrist_depth_mm, clip.focal, clip.principal_pt).reshape(keypoints.shape)


def _mean_distance(found: np.ndarray, truth: np.ndarray) -> float:
    apart = np.linalg.norm(found - truth, axis=-1)
    return float(np.nanmean(apart)) if np.isfinite(apart).any() else float("nan")


def _pair_changes(followed: Followed) -> int:
    """Count how often two hands that are both shown begin or cease to share a crop, over all pairs of hands."""
    total = 0
    for a, b in combinations(range(followed.found.shape[1]), 2):
        together = followed.crops[:, a] == followed.crops[:, b]
        total += count_changes(together, followed.found[:, a] & followed.found[:, b])
    return total


def render_sequence(folder: str | Path, frames: int, seed: int = SEED) -> list[TrueClip]:
    """Render two hands in one smooth sequence, seen by one camera, and return it as a clip.

    Args:
        folder: Output folder, new or with the same sequence.
        frames: Number of frames, at least 30.
        seed: Seed of the renderer. Some seeds make hands that jump, because the renderer pushes hands apart in every
            frame anew; the default does not.
    """
    options = SynthesisOptions(
        num=frames,
        seed=seed,
        views=1,
        size="512x334",
        interacting=1.0,
        sequence=frames,
        subjects=1,
        preset="studio+poses",
    )
    generate(folder, options, progress=False)
    return read_sequences(folder)


def read_sequences(data_root: str | Path, split: str = "train", least: int = 30) -> list[TrueClip]:
    """Read the sequences of `tools/make_synthetic.py --sequence N` as clips, one per sequence and camera.

    Args:
        data_root: Folder of the rendered data set.
        split: Split to read.
        least: Shorter sequences are left out.

    Raises:
        AnnotationError: There is none.
    """
    dataset = InterHandDataset(data_root=str(data_root), split=split)
    samples = [dataset.get_data_info(i) for i in range(len(dataset))]
    samples.sort(key=lambda sample: _place(Path(sample["img_path"])))
    groups: Iterable[Any] = groupby(samples, key=lambda sample: Path(sample["img_path"]).parent)
    clips = [_as_clip(folder, list(group)) for folder, group in groups]
    clips = [clip for clip in clips if len(clip.keypoints) >= least]
    if not clips:
        raise AnnotationError(
            f"there are no sequences of at least {least} frames in {data_root}",
            fix="python tools/make_synthetic.py --sequence 150 --num 150 --views 1 --subjects 1 --out DIR",
        )
    return clips


def _place(path: Path) -> tuple[str, int]:
    return str(path.parent), int("".join(filter(str.isdigit, path.stem)))


def _as_clip(folder: Path, samples: list[Any]) -> TrueClip:
    """Return the samples of one camera as a clip."""
    valid = np.array([sample["keypoints_visible"][0] > 0 for sample in samples])
    sides = [side for side, rows in enumerate(HANDS) if valid[:, rows].any()]
    keypoints = np.stack([[s["keypoints"][0, HANDS[side]] for side in sides] for s in samples]).astype(np.float64)
    depth = np.array([[s["keypoints_cam"][0, WRISTS[side], 2] for side in sides] for s in samples], np.float64)
    height, width = read_image(samples[0]["img_path"]).shape[:2]
    uv = keypoints[..., :2]
    inside = ((uv >= 0) & (uv <= (width - 1, height - 1))).all(axis=-1).mean(axis=-1) >= 0.5
    return TrueClip(
        f"rendered {folder.parent.name}",
        (width, height),
        keypoints,
        np.array(sides),
        inside & np.stack([valid[:, HANDS[side]].any(axis=1) for side in sides], axis=1),
        depth,
        np.asarray(samples[0]["focal"], np.float64),
        np.asarray(samples[0]["principal_pt"], np.float64),
        [Path(sample["img_path"]) for sample in samples],
    )
