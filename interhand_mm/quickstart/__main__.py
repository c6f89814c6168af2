"""From nothing to a tested model on a CPU in minutes: generate hands, train with and without backgrounds, compare.

    python -m interhand_mm.quickstart                   # all steps; a second run makes only what is missing
    python -m interhand_mm.quickstart train --minutes 20
    python -m interhand_mm.quickstart heads             # compare two heads after equal training time
    python -m interhand_mm.quickstart report
    python -m interhand_mm.quickstart hdr --minutes 12  # train and test the HDR plugin; not part of "all"

In a checkout, `python tools/quickstart.py` is the same. Every number comes from the metrics.json and preds.npz files
of the runs. The report is OUT/report.html.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from ..cli.arguments import ToolParser, add_config_options, add_run_options, config_of, run
from .settings import EXTRA_STEPS, STEPS, Settings


def run_time_steps(arguments: list[str]) -> None:
    """Time training steps of one config. The step "train" calls this in separate processes."""
    parser = ToolParser(prog="quickstart time-steps")
    add_config_options(parser)
    add_run_options(parser)
    parser.add_argument("--amp", default="float32")
    parser.add_argument("--answer", required=True)
    args = parser.parse_args(arguments)
    from ..utils.files import write_json  # imported late, so that --help is fast
    from .training import measure_speed

    write_json(args.answer, measure_speed(config_of(args, "train_"), args.amp))


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = ToolParser(__doc__)
    add = parser.add_argument
    add("step", nargs="?", default="all", choices=(*STEPS, "all", *EXTRA_STEPS), help="what to run [all]")
    add("--minutes", type=float, default=9.0, help="training time of both models together; hdr: of each network [9]")
    add("--epochs", type=int, help="epochs of each model in place of --minutes, which makes a run repeatable")
    add("--num", type=int, default=8000, help="number of training images; the test set has a tenth of it [8000]")
    add("--seed", type=int, default=0, help="seed of the data, the weights and the training [0]")
    add("--out", type=Path, default=Path("work_dirs/quickstart"), help="output folder [work_dirs/quickstart]")
    add("--data", type=Path, default=Path("data/quickstart"), help="folder for the images [data/quickstart]")
    add("--cfg-options", nargs="+", default=[], metavar="K=V", help="config overrides for every step; see train.py")
    return parser.parse_args()


def main() -> None:
    """Run the quick start."""
    if sys.argv[1:2] == ["time-steps"]:
        return run_time_steps(sys.argv[2:])
    args = parse_args()
    from .steps import run_steps  # imported late, so that --help is fast

    begun = time.monotonic()
    settings = Settings(
        out=args.out, data=args.data, num=args.num, minutes=args.minutes, epochs=args.epochs, seed=args.seed,
        overrides=tuple(args.cfg_options), hdr_overrides=tuple(args.cfg_options),
    )  # fmt: skip

    def log(text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - begun), 60)
        print(f"[{minutes:02d}:{seconds:02d}] {text}", flush=True)

    run_steps(settings, args.step, log)


if __name__ == "__main__":
    run(main)
