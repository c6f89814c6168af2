"""Compute the metrics from saved predictions, without a network.

python tools/eval_preds.py configs/internet.py preds.npz --data-root DIR --out metrics.json
"""

from __future__ import annotations

import argparse

from interhand_mm.apis.cli import add_config_options, config_of, run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_options(parser)
    parser.add_argument("predictions", help="the file of tools/test.py --dump")
    parser.add_argument("--out", metavar="FILE", help="metrics.json")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.apis.eval_preds import evaluate_predictions
    from interhand_mm.apis.report import metrics_table
    from interhand_mm.utils.provenance import write_json

    report = evaluate_predictions(config_of(args), args.predictions)
    print(metrics_table(report))
    if args.out:
        write_json(args.out, report)


if __name__ == "__main__":
    run(main)
