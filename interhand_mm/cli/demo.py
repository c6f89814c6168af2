"""Build the inferencer that a demo's command line describes."""

from __future__ import annotations

import argparse

from mmengine.config import Config

from ..inference.inferencer import InterHandInferencer
from ..utils.precision import pick_amp


def build_inferencer(args: argparse.Namespace) -> InterHandInferencer:
    """The inferencer that a demo's command line describes; see `add_inference_options`."""
    detector = None
    bbox = getattr(args, "bbox", None)
    if args.det_config.lower() != "none" and bbox is None:
        from ..inference.detector import HandDetector  # late: it brings mmdet

        amp = pick_amp(args.amp, args.device)
        amp = amp if amp == "bfloat16" else None
        detector = HandDetector(args.det_config, args.det_checkpoint, args.device, args.score_thr, amp=amp)
    return InterHandInferencer(
        pose_config(args),
        args.pose_checkpoint,
        detector,
        device=args.device,
        # One network's rounding is the next one's input: with a plugin only what is asked for.
        amp=pick_amp("float32" if args.hdr and args.amp == "auto" else args.amp, args.device, args.backend),
        batch_size=args.batch_size,
        detect_every=args.detect_every,
        smooth=args.smooth,
        mirror=args.mirror,
        focal=_one_or_two(args.focal),
        principal_pt=args.principal_pt,
        fov_deg=args.fov,
        depth_mm=_one_or_two(args.depth_mm),
        bbox=bbox,
        backend=args.backend,
    )


def pose_config(args: argparse.Namespace) -> str | Config:
    """The pose network's config, with the plugin that `--hdr` asks for."""
    if not args.hdr:
        return args.pose_config
    from ..models.plugin import with_plugin  # late: it brings torch

    return with_plugin(args.pose_config, args.hdr[0], args.hdr[1:])


def _one_or_two(numbers: list[float] | None) -> float | tuple[float, ...] | None:
    return numbers[0] if numbers and len(numbers) == 1 else numbers and tuple(numbers)
