"""Test a checkpoint, and print the metrics of InterHand2.6M in three protocols.

python tools/test.py configs/internet.py internet.pth --data-root DIR
python tools/test.py configs/internet_bgaug.py CKPT --data-root DIR --backgrounds PHOTOS --dump preds.npz
bash tools/dist_test.sh configs/internet.py internet.pth 4 --data-root DIR
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, add_config_options, add_run_options, config_of, run
from interhand_mm.cli.path_types import checkpoint_file, output_file


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    add_config_options(parser)
    parser.add_argument(
        "checkpoint",
        type=checkpoint_file,
        help="checkpoint of this project; tools/convert_checkpoint.py converts others",
    )
    parser.add_argument("--out", type=output_file, metavar="FILE", help="path of the metrics [WORK_DIR/metrics.json]")
    parser.add_argument("--dump", type=output_file, metavar="FILE", help="write the predictions to this .npz file")
    add_run_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = config_of(args, "test_")
    from interhand_mm.apis.test import run_test  # imported late, so that --help and wrong paths answer at once

    run_test(cfg, args.checkpoint, args.launcher, args.out, args.dump)


if __name__ == "__main__":
    run(main)
