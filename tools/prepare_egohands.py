"""Convert EgoHands' Matlab annotations to COCO files with one class (hand_*.json) and with four (sides_*.json).

python tools/prepare_egohands.py data/EgoHands
python tools/prepare_egohands.py data/EgoHands --split-file data/EgoHands/getMetaBy.m
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, run
from interhand_mm.cli.path_types import data_folder


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument("data_root", type=data_folder, help="folder with _LABELED_SAMPLES and metadata.mat")
    parser.add_argument("--out", metavar="DIR", help="folder for annotations/coco [the data root]")
    parser.add_argument(
        "--split-file", metavar="FILE", help="split: JSON with train, val and test, or getMetaBy.m [a random split]"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the random split [0]")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.preparation.egohands import prepare_egohands

    print("\n".join(prepare_egohands(args.data_root, args.out, args.split_file, args.seed)))


if __name__ == "__main__":
    run(main)
