"""Hands of a picture, a folder, a video or a camera: overlay, JSON and an interactive 3D page (docs/demo.md).

python demo/topdown_demo.py DET_CONFIG DET_CHECKPOINT POSE_CONFIG POSE_CHECKPOINT --input clip.mp4 --out-dir out
python demo/topdown_demo.py none none POSE_CONFIG POSE_CHECKPOINT --input hand.jpg --bbox 80 40 310 270 --out-dir out
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.options import add_inference_options, run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_inference_options(parser)
    parser.add_argument("--input", required=True, help="picture, folder of pictures, video, GIF, or a camera's number")
    parser.add_argument("--out-dir", required=True, metavar="DIR", help="where <name>.jpg/.mp4, .json and .html go")
    parser.add_argument("--bbox", nargs=4, type=float, metavar=("X1", "Y1", "X2", "Y2"), help="in place of a detector")
    parser.add_argument("--mirror", action="store_true", help="the picture is mirrored, as selfie cameras show it")
    parser.add_argument("--gif", action="store_true", help="write videos as GIF in place of MP4")
    parser.add_argument("--no-html", action="store_true", help="no 3D page")
    parser.add_argument("--show", action="store_true", help="also open a window; q or Esc ends")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.cli.demo import build_inferencer
    from interhand_mm.inference.run import run_demo  # late, so that --help answers at once

    source = int(args.input) if args.input.isdigit() else args.input
    inferencer = build_inferencer(args)
    print(run_demo(inferencer, source, args.out_dir, args.gif, not args.no_html, args.show))


if __name__ == "__main__":
    run(main)
