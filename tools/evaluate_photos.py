"""Evaluate the hand detector and the pose network together on annotated photographs (docs/datasets/photographs.md).

python tools/evaluate_photos.py hands.json IMAGES --out metrics.json
python tools/evaluate_photos.py hands.json IMAGES --detector CONFIG CHECKPOINT --pose CONFIG CHECKPOINT --sheet drawings
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, check_pair, run
from interhand_mm.cli.path_types import existing_file, image_folder, output_file, output_folder
from interhand_mm.inference.options import InferenceOptions
from interhand_mm.utils.precision import AMP_CHOICES, pick_amp


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    add = parser.add_argument
    add("ann_file", type=existing_file, help="COCO file of photographs")
    add("img_dir", type=image_folder, help="folder that its file names are relative to")
    files = ("CONFIG", "CHECKPOINT")
    add("--detector", nargs=2, default=(), metavar=files, help="hand detector [the shipped one]")
    add("--pose", nargs=2, default=(), metavar=files, help="pose network [the shipped one]")
    add("--box-source", default="detected", choices=("detected", "annotated"), help="source of the boxes [detected]")
    add("--mediapipe", metavar="PYTHON", help="interpreter with MediaPipe 0.10.21, to evaluate it too")
    add("--out", type=output_file, metavar="FILE", help="write the metrics to this .json file")
    add("--sheet", type=output_folder, metavar="DIR", help="write images with everything that was found into it")
    add("--sheet-num", type=int, default=60, metavar="N", help="number of images on the sheets [60]")
    choice = parser.add_argument_group("choice of the images")
    choice.add_argument("--label-prefix", default="", help="prefix of keypoints and side, such as pseudo_ [none]")
    choice.add_argument(
        "--parts", nargs="+", metavar="NAME", help="parts (first folder of the file names) to use [all]"
    )
    choice.add_argument("--split", default="all", choices=("all", "train", "val"), help="part by a hash of names [all]")
    choice.add_argument("--val-share", type=float, default=0.1, help="share of the images in val [0.1]")
    choice.add_argument("--num", type=int, metavar="N", help="maximum number of images, evenly spread [all]")
    thr = InferenceOptions.score_thr
    add("--score-thr", type=float, default=thr, help=f"minimum score of a detection [{thr}]")
    add("--box-scale", type=float, default=1.0, help="factor on the boxes; 0.93 for boxes of hand outlines [1]")
    add("--device", default="cpu", help="cpu, cuda, cuda:1, ... [cpu]")
    add("--amp", choices=AMP_CHOICES, default="auto", help="precision; auto is bfloat16 where it is fast [auto]")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    options = InferenceOptions(score_thr=args.score_thr, box_scale=args.box_scale)
    check_pair("pose", *(args.pose or (None, None)))
    if args.box_source == "detected":
        check_pair("detector", *(args.detector or (None, None)))
    # imported late, so that --help and wrong paths answer at once
    from dataclasses import replace

    from interhand_mm.apis.evaluate_photos import (
        PhotoChoice,
        SheetOptions,
        build_chain,
        choose_photos,
        evaluate_photos,
        photo_provenance,
    )
    from interhand_mm.evaluation.photo_report import photo_table
    from interhand_mm.utils.files import write_json

    choice = PhotoChoice(args.label_prefix, args.split, args.val_share, args.parts, args.num)
    photos = choose_photos(args.ann_file, args.img_dir, choice)
    options = replace(options, device=args.device, amp=pick_amp(args.amp, args.device))
    inferencer = build_chain(args.detector, args.pose, options, args.box_source)
    sheet = SheetOptions(args.sheet, args.sheet_num) if args.sheet else None
    report = evaluate_photos(inferencer, photos, args.img_dir, args.mediapipe, sheet)
    networks = {"detector": args.detector, "pose": args.pose}
    if args.box_source == "annotated":
        del networks["detector"]
    report["provenance"] = photo_provenance(networks, ann_file=args.ann_file, choice=vars(choice))
    print(photo_table(report["networks"]))
    if args.out:
        write_json(args.out, report)


if __name__ == "__main__":
    run(main)
