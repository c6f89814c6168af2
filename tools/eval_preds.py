"""Compute the metrics of saved predictions, without a network.

python tools/eval_preds.py configs/internet.py preds.npz --data-root DIR --out metrics.json
python tools/eval_preds.py configs/internet.py preds_val.npz --data-root DIR --split val --calibrate epoch_20.pth
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, add_config_options, config_of, run
from interhand_mm.cli.path_types import checkpoint_file, existing_file, output_file


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    add_config_options(parser)
    parser.add_argument("predictions", type=existing_file, help="file that tools/test.py --dump wrote")
    parser.add_argument("--out", type=output_file, metavar="FILE", help="write the metrics to this .json file")
    parser.add_argument(
        "--calibrate",
        type=checkpoint_file,
        metavar="CHECKPOINT",
        help="write the fitted handedness temperature into it",
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = config_of(args, "test_dataloader")
    # imported late, so that --help and wrong paths answer at once
    from interhand_mm.apis.evaluate_predictions import calibrate_handedness, evaluate_predictions
    from interhand_mm.evaluation.report import metrics_table
    from interhand_mm.utils.files import write_json

    report = evaluate_predictions(cfg, args.predictions)
    print(metrics_table(report))
    if args.out:
        write_json(args.out, report)
    if args.calibrate:
        fit = calibrate_handedness(cfg, args.predictions, args.calibrate)
        print(
            f"handedness of {args.calibrate}: temperature {fit['temperature']:.3f}, cross entropy "
            f"{fit['cross_entropy']:.4f} -> {fit['cross_entropy_calibrated']:.4f}"
        )


if __name__ == "__main__":
    run(main)
