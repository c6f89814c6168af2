"""Test a checkpoint and print InterHand2.6M's metrics in three protocols.

python tools/test.py configs/internet.py internet.pth --data-root DIR
python tools/test.py configs/internet_bgaug.py CKPT --data-root DIR --backgrounds PHOTOS --dump preds.npz
bash tools/dist_test.sh configs/internet.py internet.pth 4 --data-root DIR
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.options import add_config_options, add_launcher, config_of, run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_options(parser)
    parser.add_argument("checkpoint", help="a file of this project; see tools/convert_checkpoint.py for others")
    parser.add_argument("--out", metavar="FILE", help="metrics.json [WORK_DIR/metrics.json]")
    parser.add_argument("--dump", metavar="FILE", help="write the predictions to this .npz")
    add_launcher(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.apis.test import run_test  # late, so that --help and wrong options answer at once

    run_test(config_of(args), args.checkpoint, args.launcher, args.out, args.dump)


if __name__ == "__main__":
    run(main)
