r"""Put rendered hands on photographs: scenes with a box for each hand (COCO) and exact 3D (InterHand2.6M's format).

    python tools/make_scenes.py --hands data/synthetic --photographs PHOTOS_TRAIN PHOTOS_TEST \
        --out data/scenes --num 4000 --num-test 400 --workers 2

A run that was stopped goes on where it was when the same command is given again.
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.options import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--hands", required=True, metavar="DIR", help="a folder that tools/make_synthetic.py wrote")
    add("--photographs", required=True, nargs=2, metavar=("TRAIN", "TEST"), help="two disjoint folders")
    add("--out", required=True, help="folder to write; new, or begun with the same options")
    add("--num", type=int, required=True, help="training scenes")
    add("--num-val", type=int, default=0)
    add("--num-test", type=int, default=0)
    add("--seed", type=int, default=0)
    add("--side-px", type=int, default=640, help="longest side of a scene [640]")
    add("--workers", type=int, default=1, help="processes; the bytes do not depend on it")
    add("--shard", default="0/1", metavar="i/n", help="make only every n-th part, from i (job arrays)")
    add("--quiet", action="store_true", help="no progress bar")
    return parser.parse_args()


def main() -> None:
    args = vars(parse_args())
    from interhand_mm.synthesis.scenes.compose import SceneOptions, make_scenes  # late, so that --help answers at once

    out, workers, shard, quiet = (args.pop(k) for k in ("out", "workers", "shard", "quiet"))
    options = SceneOptions(**{**args, "photographs": tuple(args["photographs"])})
    complete = make_scenes(out, options, workers, shard, not quiet)
    print(f"{out}: complete" if complete else f"{out}: this shard is done; the annotations follow with the last one")


if __name__ == "__main__":
    run(main)
