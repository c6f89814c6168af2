"""Hands of a camera, live in a window, and on disk with --out-dir.

python demo/webcam_demo.py DET_CONFIG DET_CHECKPOINT POSE_CONFIG POSE_CHECKPOINT --camera 0 --smooth
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.options import add_inference_options, run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_inference_options(parser)
    parser.add_argument("--camera", type=int, default=0, metavar="N", help="the camera's number [0]")
    parser.add_argument(
        "--mirror", action=argparse.BooleanOptionalAction, default=True, help="show yourself as in a mirror [yes]"
    )
    parser.add_argument("--out-dir", metavar="DIR", help="also write camera<N>.mp4, .json and .html there")
    parser.add_argument("--no-window", action="store_true", help="only write; Ctrl-C ends")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.cli.demo import build_inferencer
    from interhand_mm.inference.io.sources import Camera
    from interhand_mm.inference.run import run_demo  # late, so that --help answers at once

    # The frames are mirrored for the eye, and mirrored back for the network.
    inferencer = build_inferencer(args)
    print(run_demo(inferencer, Camera(args.camera, args.mirror), args.out_dir, show=not args.no_window))


if __name__ == "__main__":
    run(main)
