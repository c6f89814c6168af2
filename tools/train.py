"""Train a model.

python tools/train.py configs/internet.py --data-root DIR
python tools/train.py configs/internet_bgaug.py --data-root DIR --backgrounds PHOTOS --load-from internet.pth
bash tools/dist_train.sh configs/internet.py 4 --data-root DIR
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, add_config_options, add_run_options, config_of, run
from interhand_mm.cli.path_types import checkpoint_file, output_folder, resumable


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    add_config_options(parser)
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "--load-from", type=checkpoint_file, metavar="CKPT", help="start a new training from these weights"
    )
    start.add_argument(
        "--from-scratch", action="store_true", help="start from random weights where the config names others"
    )
    parser.add_argument(
        "--resume",
        type=resumable,
        nargs="?",
        const="auto",
        metavar="CKPT",
        help="continue a training; without CKPT from its newest checkpoint",
    )
    parser.add_argument("--amp", nargs="?", const="bfloat16", choices=("bfloat16", "float16"), help="mixed precision")
    parser.add_argument(
        "--crop-cache",
        type=output_folder,
        metavar="DIR",
        help="read decoded crops from this folder, which is written on first use",
    )
    add_run_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = config_of(args, "train_", "val_")
    from interhand_mm.apis.train import train, use_crop_cache  # late, so that --help and wrong paths answer at once

    if args.load_from:
        cfg.load_from = args.load_from
    if args.crop_cache:
        use_crop_cache(cfg, args.crop_cache)
    train(cfg, args.launcher, args.resume, args.amp, args.from_scratch)


if __name__ == "__main__":
    run(main)
