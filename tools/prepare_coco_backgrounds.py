r"""List COCO's photographs without people for --backgrounds: train2017 for training, val2017 for test.

python tools/prepare_coco_backgrounds.py data/coco
python tools/train.py configs/internet_bgaug.py \
    --backgrounds data/coco/backgrounds_train.txt data/coco/backgrounds_val.txt
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, run
from interhand_mm.cli.path_types import data_folder


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument("data_root", type=data_folder, help="folder with annotations/, train2017/ and val2017/")
    parser.add_argument("--out", metavar="DIR", help="folder for the lists [the data root]")
    parser.add_argument("--min-side", type=int, default=334, metavar="PX", help="minimum of the shorter side [334]")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.preparation.coco_backgrounds import prepare_coco_backgrounds

    print("\n".join(prepare_coco_backgrounds(args.data_root, args.out, args.min_side)))


if __name__ == "__main__":
    run(main)
