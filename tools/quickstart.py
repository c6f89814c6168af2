"""From nothing to a tested model on a CPU in minutes: generate hands, train with and without backgrounds, compare.

    python tools/quickstart.py                  # all stages; again: only what is missing
    python tools/quickstart.py train --minutes 20
    python tools/quickstart.py heads            # besides: marginals and a volume for equally long
    python tools/quickstart.py report
    python tools/quickstart.py hdr --minutes 12  # segment, inpaint, pose on one hand; not part of "all"

Everything it says is read from the metrics.json and preds.npz that the runs wrote; the page is OUT/report.html.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from interhand_mm.cli.options import add_config_options, config_of, run

STAGES = ("data", "train", "test", "detector", "demo", "report", "all", "heads", "hdr")


def probe(arguments: list[str]) -> None:
    """Time training steps of one config; the stage "train" calls this in processes of their own."""
    parser = argparse.ArgumentParser(prog="quickstart.py probe")
    add_config_options(parser)
    parser.add_argument("--amp", default="float32")
    parser.add_argument("--answer", required=True)
    args = parser.parse_args(arguments)
    from interhand_mm.quickstart.training import probe as measure
    from interhand_mm.utils.files import write_json

    write_json(args.answer, measure(config_of(args), args.amp))


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("stage", nargs="?", default="all", choices=STAGES)
    add("--minutes", type=float, default=9.0, help="training time of both models together; hdr: of each network [9]")
    add("--epochs", type=int, help="of each model, in place of --minutes, to repeat a run exactly")
    add("--num", type=int, default=8000, help="training images; a tenth more for the test [8000]")
    add("--seed", type=int, default=0)
    add("--out", type=Path, default=Path("work_dirs/quickstart"))
    add("--data", type=Path, default=Path("data/quickstart"), help="where the images go [data/quickstart]")
    add("--cfg-options", nargs="+", default=[], metavar="K=V", help="for every step; see tools/train.py")
    return parser.parse_args()


def main() -> None:
    if sys.argv[1:2] == ["probe"]:
        return probe(sys.argv[2:])
    args = parse_args()
    from interhand_mm.quickstart.settings import Settings
    from interhand_mm.quickstart.stages import run_stages  # late, so that --help answers at once

    begun = time.monotonic()
    settings = Settings(
        out=args.out, data=args.data, num=args.num, minutes=args.minutes, epochs=args.epochs, seed=args.seed,
        overrides=tuple(args.cfg_options), hdr_overrides=tuple(args.cfg_options),
    )  # fmt: skip

    def say(text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - begun), 60)
        print(f"[{minutes:02d}:{seconds:02d}] {text}", flush=True)

    run_stages(settings, args.stage, say)


if __name__ == "__main__":
    run(main)
