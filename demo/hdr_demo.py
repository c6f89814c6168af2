r"""Draw the stages of HDR: the crop, masks, right and left hand alone, joints, and both in 3D (docs/guide/hdr.md).

python demo/hdr_demo.py POSE_CONFIG POSE_CHECKPOINT --hdr configs/hdr/small.py SEGMENTOR INPAINTOR POSE \
    --input pair.jpg --bbox 80 40 310 270 --out-dir out
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, add_bbox_options, add_hdr_options, check_inference_arguments, run


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument("pose_config", help="config of the pose network")
    parser.add_argument("pose_checkpoint", help="checkpoint of the pose network")
    add_hdr_options(parser)
    parser.add_argument("--input", required=True, help="image, or folder of images")
    add_bbox_options(parser, "box around both hands [the whole image]")
    parser.add_argument("--out-dir", required=True, metavar="DIR", help="folder for <name>.jpg")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ... [cpu]")
    parser.add_argument("--tile", type=int, default=256, metavar="PX", help="side of a stage, px [256]")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    check_inference_arguments(args)
    from interhand_mm.cli.demo import pose_config  # imported late, so that --help is fast
    from interhand_mm.hdr.stages import show_stages
    from interhand_mm.inference.inferencer import InterHandInferencer
    from interhand_mm.inference.options import InferenceOptions

    inferencer = InterHandInferencer(
        pose_config(args),
        args.pose_checkpoint,
        options=InferenceOptions(device=args.device, batch_size=1, bbox=args.bbox),
    )
    for path in show_stages(inferencer, args.input, args.out_dir, args.tile):
        print(path)


if __name__ == "__main__":
    run(main)
