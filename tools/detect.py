"""Detect the hands of a split in InterHand2.6M's format, and write their boxes for testing a pose network.

python tools/detect.py configs/detector/rtmdet_tiny_hands.py detector.pth --data-root DIR --split test --out boxes.json
python tools/test.py configs/internet.py internet.pth --data-root DIR --boxes boxes.json

Without CONFIG and CHECKPOINT, the detector that the package carries is used.
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, check_pair, run
from interhand_mm.cli.path_types import checkpoint_file, config_file, data_folder, output_file
from interhand_mm.inference.options import InferenceOptions


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    add = parser.add_argument
    add("config", nargs="?", type=config_file, help="mmdet config, such as those in configs/detector/")
    add("checkpoint", nargs="?", type=checkpoint_file, help="checkpoint of the detector")
    add("--data-root", type=data_folder, required=True, metavar="DIR", help="folder with images/ and annotations/")
    add("--split", default="test", choices=("train", "val", "test"), help="split to detect [test]")
    add(
        "--annot-subset",
        default="all",
        choices=("all", "human_annot", "machine_annot"),
        help="annotation subset of the older layout [all]",
    )
    add("--out", type=output_file, required=True, metavar="FILE", help="file to write, for --boxes of tools/test.py")
    add("--device", default="cpu", help="cpu, cuda, cuda:1, ... [cpu]")
    thr = InferenceOptions.score_thr
    add("--score-thr", type=float, default=thr, help=f"minimum score of a detection [{thr}]")
    add(
        "--box-scale",
        type=float,
        default=1.0,
        help="factor by which the boxes are scaled; 0.93 for detectors trained on hand outlines [1]",
    )
    add("--batch-size", type=int, default=16, help="number of images in one batch [16]")
    add("--amp", nargs="?", const="bfloat16", choices=("bfloat16",), help="mixed precision, bfloat16")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    check_pair("detector", args.config, args.checkpoint)
    from interhand_mm.apis.detect import detect_split, write_boxes  # imported late, so that --help is fast
    from interhand_mm.checkpoints.io import sha256
    from interhand_mm.checkpoints.shipped import choose_model
    from interhand_mm.inference.detector import HandDetector

    options = InferenceOptions(
        device=args.device,
        score_thr=args.score_thr,
        box_scale=args.box_scale,
        batch_size=args.batch_size,
        amp=args.amp,
    )
    config, checkpoint = choose_model("detector", args.config, args.checkpoint)
    detector = HandDetector(config, checkpoint, options)
    found = detect_split(detector, args.data_root, args.split, args.annot_subset, options.batch_size)
    write_boxes(args.out, found, config=args.config or "shipped", checkpoint=str(checkpoint), sha256=sha256(checkpoint))
    counts = found["counts"]
    print(", ".join(f"{value} {name.replace('_', ' ')}" for name, value in counts.items()))
    print(f"recall {counts['found'] / counts['annotations']:.4f}; written to {args.out}")


if __name__ == "__main__":
    run(main)
