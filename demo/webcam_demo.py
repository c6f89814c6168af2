"""Estimate the hands in a camera or network stream, live in a window, and write them to files with --out-dir.

python demo/webcam_demo.py --smooth
python demo/webcam_demo.py --camera rtsp://192.168.0.20:554/stream1
python demo/webcam_demo.py DET_CONFIG DET_CHECKPOINT POSE_CONFIG POSE_CHECKPOINT --camera 0 --smooth

Without networks, those that the package carries are used.
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import (
    ToolParser,
    add_inference_options,
    add_output_options,
    check_inference_arguments,
    output_options,
    run,
)
from interhand_mm.utils.early import is_address


def camera(text: str) -> int | str:
    """Return the number of a camera, or the address of a stream."""
    if not (text.isdigit() or is_address(text)):
        raise argparse.ArgumentTypeError(f"neither a number nor an address: {text}")
    return int(text) if text.isdigit() else text


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    add_inference_options(parser)
    parser.add_argument(
        "--camera", type=camera, default=0, metavar="N", help="number of the camera, or address of a live stream [0]"
    )
    parser.add_argument(
        "--mirror",
        action=argparse.BooleanOptionalAction,
        help="show the image as in a mirror [yes for cameras, no for addresses]",
    )
    parser.add_argument("--out-dir", metavar="DIR", help="also write camera<N>.mp4, .json and .html to this folder")
    add_output_options(parser)
    parser.add_argument("--no-window", action="store_true", help="open no window; Ctrl-C ends the run")
    return parser.parse_intermixed_args()  # networks may stand before and after the options


def main() -> None:
    args = parse_args()
    check_inference_arguments(args)
    args.mirror = isinstance(args.camera, int) if args.mirror is None else args.mirror
    from interhand_mm.inference.io.sources import open_camera  # imported late, so that --help is fast

    # The camera mirrors the frames for the viewer, and the inferencer unmirrors them for the networks.
    source = open_camera(args.camera, args.mirror)
    from interhand_mm.cli.demo import build_inferencer
    from interhand_mm.inference.run import run_demo

    print(run_demo(build_inferencer(args), source, args.out_dir, output_options(args), show=not args.no_window))


if __name__ == "__main__":
    run(main)
