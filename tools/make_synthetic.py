"""Render posed, shaded, interacting hands in InterHand2.6M's own format.

    python tools/make_synthetic.py --out data/synthetic --num 10000 --num-test 1000 --seed 0 --workers 2

A run that was stopped goes on where it was when the same command is given again.
"""

from __future__ import annotations

import argparse
import sys

from interhand_mm.errors import InterHandError
from interhand_mm.synthesis.generate import generate
from interhand_mm.synthesis.plan import ROTATIONS, Options


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--out", required=True, help="folder to write; new, or begun with the same options")
    add("--num", type=int, required=True, help="training images")
    add("--num-val", type=int, default=0)
    add("--num-test", type=int, default=0)
    add("--seed", type=int, default=0)
    add("--workers", type=int, default=1, help="processes; the bytes do not depend on it")
    add("--shard", default="0/1", metavar="i/n", help="make only every n-th part, from i (job arrays)")
    add("--views", type=int, default=2, help="cameras that see each time step")
    add("--size", default="mixed", help="mixed, portrait (334x512), landscape (512x334) or WxH")
    add("--rotation", default="frontal", choices=ROTATIONS, help="a person facing the cameras; growing; any")
    add("--interacting", type=float, default=0.5, help="share of time steps with two hands")
    add("--sequence", type=int, default=0, metavar="FRAMES", help="smooth sequences of this many frames")
    add("--background", default="studio", help="studio (dark, lamps, clothes), skimage, or a folder of photographs")
    add("--subjects", type=int, default=0, help="training subjects; 0 chooses")
    add("--aih", action="store_true", help="also write the AIH layout: each hand alone, amodal and visible masks")
    add("--depth", action="store_true", help="also write depth maps, 16 bit, 0.1 mm")
    add("--split-by-subject", action=argparse.BooleanOptionalAction, default=True, help="no subject is in two splits")
    add("--hand-mesh", nargs="+", default=[], metavar="FILE", help="LEFT.glb RIGHT.glb, or one folder with MANO files")
    add("--quiet", action="store_true", help="no progress bar")
    return parser.parse_args()


def main() -> int:
    args = vars(parse_args())
    out, workers, shard, quiet = (args.pop(k) for k in ("out", "workers", "shard", "quiet"))
    try:
        complete = generate(out, Options(**{**args, "hand_mesh": tuple(args["hand_mesh"])}), workers, shard, not quiet)
    except InterHandError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    print(f"{out}: complete" if complete else f"{out}: this shard is done; the annotations follow with the last one")
    return 0


if __name__ == "__main__":
    sys.exit(main())
