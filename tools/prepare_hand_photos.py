"""Write the COCO files that configs/detector/rtmdet_mobilenet.py trains on: photographs with and without hands.

python tools/prepare_hand_photos.py data/hand_photos/train.json --negatives data/photos --out data/hand_photos
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ann_file", help="COCO file with the categories hand and two_hands")
    parser.add_argument("--negatives", nargs="+", required=True, metavar="DIR", help="photographs without hands")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the files")
    parser.add_argument("--label-prefix", default="", help="prefix of the keypoints, such as pseudo_ [none]")
    parser.add_argument("--val-share", type=float, default=0.1, help="share of the images for validation [0.1]")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.preparation.hand_photos import prepare_hand_photos

    report = prepare_hand_photos(args.ann_file, args.negatives, args.out, args.label_prefix, args.val_share)
    print("\n".join(report))


if __name__ == "__main__":
    run(main)
