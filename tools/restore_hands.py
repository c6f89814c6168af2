"""Restore the hands of two-hand frames with HDR, as training data for its single-hand network.

python tools/restore_hands.py configs/quickstart/marginal.py --hdr configs/hdr/small.py SEGMENTOR INPAINTOR \
    --data-root data/quickstart/hdr --split train
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, add_hdr_options, run
from interhand_mm.cli.path_types import config_file, data_folder


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument("pose_config", type=config_file, help="pose config, whose test pipeline defines the crop")
    add_hdr_options(parser, required=True)
    parser.add_argument("--data-root", type=data_folder, metavar="DIR", help="folder with images/ and annotations/")
    parser.add_argument("--split", default="train", help="split to read [train]")
    parser.add_argument("--out-split", metavar="NAME", help="split to create [restored_SPLIT]")
    parser.add_argument("--limit", type=int, metavar="N", help="maximum number of frames, taken evenly [all]")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.hdr.restore_dataset import restore_split  # imported late, so that --help is fast

    made = restore_split(
        args.pose_config, args.hdr[0], args.hdr[1:], args.data_root, args.split, args.out_split, args.limit
    )
    print(f"{made} images of one hand are in split '{args.out_split or f'restored_{args.split}'}'")


if __name__ == "__main__":
    run(main)
