"""Build the inferencer that a demo's command line describes."""

from __future__ import annotations

import argparse
from dataclasses import replace

from mmengine.config import Config

from ..checkpoints.shipped import open_shipped
from ..inference.inferencer import InterHandInferencer
from ..utils.config import load_config
from ..utils.precision import pick_amp
from .arguments import camera_options, inference_options, is_none, is_shipped


def build_inferencer(args: argparse.Namespace) -> InterHandInferencer:
    """Build the inferencer from the arguments of `add_inference_options`."""
    options, camera = inference_options(args), camera_options(args)
    detector = None
    if options.bbox is None and not is_none(args.det_config):
        from ..inference.detector import HandDetector  # imported late, because it loads mmdet

        # The detector always runs in torch, whatever the backend of the pose network.
        of_detector = replace(options, amp=pick_amp(args.amp, args.device))
        config = None if is_shipped(args.det_config) else load_config(args.det_config)
        checkpoint = None if is_shipped(args.det_checkpoint) else args.det_checkpoint
        detector = HandDetector(config, checkpoint, of_detector)
    checkpoint = open_shipped("pose").checkpoint if is_shipped(args.pose_checkpoint) else args.pose_checkpoint
    return InterHandInferencer(pose_config(args), checkpoint, detector, options, camera)


def pose_config(args: argparse.Namespace) -> Config:
    """Load the config of the pose network, with the plugin that `--hdr` requests."""
    cfg = open_shipped("pose").config if is_shipped(args.pose_config) else load_config(args.pose_config)
    if not args.hdr:
        return cfg
    from ..models.plugin import with_plugin

    return with_plugin(cfg, args.hdr[0], args.hdr[1:])
