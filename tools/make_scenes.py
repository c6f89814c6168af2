r"""Paste rendered hands onto photographs: scenes with a COCO box for each hand and exact 3D in InterHand2.6M's format.

    python tools/make_scenes.py --hands data/synthetic --photographs PHOTOS_TRAIN PHOTOS_TEST \
        --out data/scenes --num 4000 --num-test 400 --workers 2

To continue a run that was stopped, repeat the same command.
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, run


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    add = parser.add_argument
    add("--hands", required=True, metavar="DIR", help="folder written by tools/make_synthetic.py")
    add(
        "--photographs",
        required=True,
        nargs=2,
        metavar=("TRAIN", "TEST"),
        help="two folders without common photographs",
    )
    add("--out", required=True, help="output folder: new, or started with the same options")
    add("--num", type=int, required=True, help="number of training scenes")
    add("--num-val", type=int, default=0, help="number of validation scenes [0]")
    add("--num-test", type=int, default=0, help="number of test scenes [0]")
    add("--seed", type=int, default=0, help="seed of all random draws [0]")
    add("--side-px", type=int, default=640, help="longest side of a scene [640]")
    add("--workers", type=int, default=1, help="number of processes; the output does not depend on it [1]")
    add("--shard", default="0/1", metavar="I/N", help="make every N-th chunk, starting from chunk I, for job arrays")
    add("--quiet", action="store_true", help="do not show a progress bar")
    return parser.parse_args()


def main() -> None:
    args = vars(parse_args())
    from interhand_mm.synthesis.scenes.compose import SceneOptions, make_scenes  # imported here, so that --help is fast

    out, workers, shard, quiet = (args.pop(k) for k in ("out", "workers", "shard", "quiet"))
    options = SceneOptions(**{**args, "photographs": tuple(args["photographs"])})
    complete = make_scenes(out, options, workers, shard, not quiet)
    print(f"{out}: complete" if complete else f"{out}: this shard is complete; the last shard writes the annotations")


if __name__ == "__main__":
    run(main)
