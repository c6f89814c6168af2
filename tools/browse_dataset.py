"""Draw a contact sheet of what a config feeds the network: frames, crops, joints, targets and masks.

python tools/browse_dataset.py configs/internet_bgaug.py --data-root DIR --backgrounds PHOTOS --out sheet.jpg
python tools/browse_dataset.py configs/internet_bgaug.py --phase test --variant augmented ...
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, add_config_options, config_of, run


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    add_config_options(parser)
    parser.add_argument("--phase", choices=("train", "val", "test"), default="train", help="data set to draw [train]")
    parser.add_argument("--variant", help="one of the test_variants of the config")
    parser.add_argument(
        "--stage",
        choices=("before", "after", "both"),
        default="both",
        help="frames before, crops after augmentation [both]",
    )
    parser.add_argument("--num", type=int, default=16, help="number of samples [16]")
    parser.add_argument("--seed", type=int, default=0, help="seed of the augmentation [0]")
    parser.add_argument("--out", default="samples.jpg", help="image to write [samples.jpg]")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = config_of(args, f"{args.phase}_dataloader", *([f"test_variants.{args.variant}."] if args.variant else []))
    from interhand_mm.apis.browse import browse  # imported late, so that --help and wrong paths answer at once
    from interhand_mm.utils.images import write_image

    write_image(args.out, browse(cfg, args.phase, args.num, args.seed, args.variant, stage=args.stage))
    print(f"{args.num} samples written to {args.out}")


if __name__ == "__main__":
    run(main)
