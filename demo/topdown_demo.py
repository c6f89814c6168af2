"""Estimate the hands in images, a video or a camera stream, and write overlay, JSON and an interactive 3D page.

python demo/topdown_demo.py --input hand.jpg --out-dir out
python demo/topdown_demo.py DET_CONFIG DET_CHECKPOINT POSE_CONFIG POSE_CHECKPOINT --input clip.mp4 --out-dir out
python demo/topdown_demo.py none none POSE_CONFIG POSE_CHECKPOINT --input hand.jpg --bbox 80 40 310 270 --out-dir out

Without networks, those that the package carries are used. docs/guide/inference.md describes the options and the files.
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import (
    ToolParser,
    add_bbox_options,
    add_inference_options,
    add_input_options,
    add_output_options,
    check_inference_arguments,
    input_options,
    output_options,
    run,
)


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    add_inference_options(parser)
    add_input_options(parser)
    parser.add_argument("--out-dir", required=True, metavar="DIR", help="folder for the .jpg or .mp4, .json and .html")
    add_bbox_options(parser, "box around the hands, in place of the detector")
    parser.add_argument("--mirror", action="store_true", help="the input is mirrored, as selfie cameras record it")
    add_output_options(parser)
    parser.add_argument("--show", action="store_true", help="also open a window; q or Esc ends the run")
    return parser.parse_intermixed_args()  # networks may stand before and after the options


def main() -> None:
    args = parse_args()
    check_inference_arguments(args)
    from interhand_mm.inference.io.inputs import find_inputs, live_input  # imported late, so that --help is fast

    live = live_input(args.input, input_options(args))
    groups = find_inputs(args.input, args.out_dir, input_options(args)) if live is None else []
    from interhand_mm.cli.demo import build_inferencer
    from interhand_mm.inference.run import run_demo, run_inputs

    inferencer, output = build_inferencer(args), output_options(args)
    if live is not None:
        print(run_demo(inferencer, live, args.out_dir, output, args.show))
    else:
        print(run_inputs(inferencer, groups, args.out_dir, output, args.show))


if __name__ == "__main__":
    run(main)
