"""Test a checkpoint, and print the metrics of InterHand2.6M in three protocols.

python tools/test.py configs/internet.py internet.pth --data-root DIR
python tools/test.py configs/internet_bgaug.py CKPT --data-root DIR --backgrounds PHOTOS --dump preds.npz
bash tools/dist_test.sh configs/internet.py internet.pth 4 --data-root DIR
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import add_config_options, add_launcher, config_of, run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_options(parser)
    parser.add_argument("checkpoint", help="checkpoint of this project; tools/convert_checkpoint.py converts others")
    parser.add_argument("--out", metavar="FILE", help="path of the metrics [WORK_DIR/metrics.json]")
    parser.add_argument("--dump", metavar="FILE", help="write the predictions to this .npz file")
    add_launcher(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.apis.test import run_test  # imported late, so that --help is fast

    run_test(config_of(args), args.checkpoint, args.launcher, args.out, args.dump)


if __name__ == "__main__":
    run(main)
