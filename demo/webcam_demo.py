"""Estimate the hands in a camera stream, live in a window, and write them to files with --out-dir.

python demo/webcam_demo.py --smooth
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


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    add_inference_options(parser)
    parser.add_argument("--camera", type=int, default=0, metavar="N", help="number of the camera [0]")
    parser.add_argument(
        "--mirror", action=argparse.BooleanOptionalAction, default=True, help="show the image as in a mirror [yes]"
    )
    parser.add_argument("--out-dir", metavar="DIR", help="also write camera<N>.mp4, .json and .html to this folder")
    add_output_options(parser)
    parser.add_argument("--no-window", action="store_true", help="open no window; Ctrl-C ends the run")
    return parser.parse_intermixed_args()  # networks may stand before and after the options


def main() -> None:
    args = parse_args()
    check_inference_arguments(args)
    from interhand_mm.inference.io.sources import Camera  # imported late, so that --help is fast

    # The camera mirrors the frames for the viewer, and the inferencer unmirrors them for the networks.
    camera = Camera(args.camera, args.mirror)
    from interhand_mm.cli.demo import build_inferencer
    from interhand_mm.inference.run import run_demo

    print(run_demo(build_inferencer(args), camera, args.out_dir, output_options(args), show=not args.no_window))


if __name__ == "__main__":
    run(main)
