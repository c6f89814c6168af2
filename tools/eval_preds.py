"""Compute the metrics of saved predictions, without a network.

python tools/eval_preds.py configs/internet.py preds.npz --data-root DIR --out metrics.json
python tools/eval_preds.py configs/internet.py preds_val.npz --data-root DIR --split val --calibrate epoch_20.pth
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import add_config_options, config_of, run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_options(parser)
    parser.add_argument("predictions", help="file that tools/test.py --dump wrote")
    parser.add_argument("--out", metavar="FILE", help="write the metrics to this .json file")
    parser.add_argument("--calibrate", metavar="CHECKPOINT", help="write the fitted handedness temperature into it")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    # imported late, so that --help is fast
    from interhand_mm.apis.evaluate_predictions import calibrate_handedness, evaluate_predictions
    from interhand_mm.evaluation.report import metrics_table
    from interhand_mm.utils.files import write_json

    report = evaluate_predictions(config_of(args), args.predictions)
    print(metrics_table(report))
    if args.out:
        write_json(args.out, report)
    if args.calibrate:
        fit = calibrate_handedness(config_of(args), args.predictions, args.calibrate)
        print(
            f"handedness of {args.calibrate}: temperature {fit['temperature']:.3f}, cross entropy "
            f"{fit['cross_entropy']:.4f} -> {fit['cross_entropy_calibrated']:.4f}"
        )


if __name__ == "__main__":
    run(main)
