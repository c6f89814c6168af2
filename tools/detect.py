"""Detect the hands of an InterHand2.6M-format split and write the crops that they give.

python tools/detect.py configs/detector/rtmdet_tiny_hands.py detector.pth --data-root DIR --split test --out boxes.json
python tools/test.py configs/internet.py internet.pth --data-root DIR --boxes boxes.json
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.options import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("config", help="an mmdet config, such as those of configs/detector/")
    add("checkpoint", help="its weights")
    add("--data-root", required=True, metavar="DIR", help="folder with images/ and annotations/")
    add("--split", default="test", choices=("train", "val", "test"))
    add("--annot-subset", default="all", choices=("all", "human_annot", "machine_annot"), help="of the older layout")
    add("--out", required=True, metavar="FILE", help="boxes.json, for --boxes of tools/test.py")
    add("--device", default="cpu", help="cpu, cuda or cuda:N")
    add("--score-thr", type=float, default=0.3, help="hands that score less are left out [0.3]")
    add("--box-scale", type=float, default=1.0, help="0.93 for a detector of outlines; see configs/detector [1]")
    add("--batch-size", type=int, default=16)
    add("--amp", nargs="?", const="bfloat16", choices=("bfloat16",), help="mixed precision")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.apis.detect import detect_split, write_boxes  # late, so that --help answers at once
    from interhand_mm.checkpoints.io import sha256
    from interhand_mm.inference.detector import HandDetector
    from interhand_mm.inference.options import InferenceOptions

    options = InferenceOptions(
        device=args.device,
        score_thr=args.score_thr,
        box_scale=args.box_scale,
        batch_size=args.batch_size,
        amp=args.amp,
    )
    detector = HandDetector(args.config, args.checkpoint, options)
    found = detect_split(detector, args.data_root, args.split, args.annot_subset, options.batch_size)
    write_boxes(args.out, found, config=args.config, checkpoint=args.checkpoint, sha256=sha256(args.checkpoint))
    counts = found["counts"]
    print(", ".join(f"{value} {name.replace('_', ' ')}" for name, value in counts.items()))
    print(f"recall {counts['found'] / counts['annotations']:.4f}; written to {args.out}")


if __name__ == "__main__":
    run(main)
