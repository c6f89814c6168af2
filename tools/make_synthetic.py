"""Render posed, shaded, interacting hands in InterHand2.6M's format.

    python tools/make_synthetic.py --out data/synthetic --num 10000 --num-test 1000 --seed 0 --workers 2

To continue a run that was stopped, repeat the same command.
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, run
from interhand_mm.synthesis.plan import ROTATIONS, SynthesisOptions


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    add = parser.add_argument
    add("--out", required=True, help="output folder: new, or started with the same options")
    add("--num", type=int, required=True, help="number of training images")
    add("--num-val", type=int, default=0, help="number of validation images [0]")
    add("--num-test", type=int, default=0, help="number of test images [0]")
    add("--seed", type=int, default=0, help="seed of all random draws [0]")
    add("--workers", type=int, default=1, help="number of processes; the output does not depend on it [1]")
    add("--shard", default="0/1", metavar="I/N", help="make every N-th chunk, starting from chunk I, for job arrays")
    add("--views", type=int, default=2, help="number of cameras that see each time step [2]")
    add("--size", default="mixed", help="image size: mixed, portrait (334x512), landscape (512x334) or WxH [mixed]")
    add(
        "--rotation",
        default="frontal",
        choices=ROTATIONS,
        help="rotation of the hands: the person faces the cameras, rotations grow, or any rotation [frontal]",
    )
    add("--interacting", type=float, default=0.5, help="share of time steps with two hands [0.5]")
    add("--sequence", type=int, default=0, metavar="FRAMES", help="render smooth sequences of this many frames")
    add("--background", default="studio", help="studio (dark, with lamps and clothes), skimage, or a photo folder")
    add("--subjects", type=int, default=0, help="number of training subjects; 0 derives it from --num [0]")
    add("--aih", action="store_true", help="also write the AIH layout: each hand alone, amodal and visible masks")
    add("--depth", action="store_true", help="also write depth maps (16 bit, 0.1 mm)")
    add("--split-by-subject", action=argparse.BooleanOptionalAction, default=True, help="no subject is in two splits")
    add("--hand-mesh", nargs="+", default=[], metavar="FILE", help="LEFT.glb RIGHT.glb, or one folder with MANO files")
    add("--preset", default="studio", help="studio, wild, or parts of wild as in studio+views+light [studio]")
    add("--quiet", action="store_true", help="do not show a progress bar")
    return parser.parse_args()


def main() -> None:
    args = vars(parse_args())
    from interhand_mm.synthesis.generate import generate  # imported here, so that --help is fast

    out, workers, shard, quiet = (args.pop(k) for k in ("out", "workers", "shard", "quiet"))
    options = SynthesisOptions(**{**args, "hand_mesh": tuple(args["hand_mesh"])})
    complete = generate(out, options, workers, shard, not quiet)
    print(f"{out}: complete" if complete else f"{out}: this shard is complete; the last shard writes the annotations")


if __name__ == "__main__":
    run(main)
