"""Convert checkpoints to ours, and back: InterNet's official snapshots and mmpose files, HDR's four files.

python tools/convert_checkpoint.py official snapshot_20.pth.tar internet.pth
python tools/convert_checkpoint.py official-rhd snapshot_49.pth.tar internet_rhd.pth
python tools/convert_checkpoint.py mmpose internet_res50_interhand3d.pth internet.pth
python tools/convert_checkpoint.py --to official internet.pth snapshot_20.pth.tar
python tools/convert_checkpoint.py hdr iter_237500.pth segmentor.pth
python tools/convert_checkpoint.py hdr ckpt_iter_138000.pth.tar inpaintor.pth --discriminator D_iter_138000.pth.tar
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.options import run

FAMILIES = ("official", "official-rhd", "official-stb", "mmpose", "hdr")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", nargs="?", choices=FAMILIES, help="what SRC is")
    parser.add_argument("src")
    parser.add_argument("dst")
    parser.add_argument("--to", choices=FAMILIES, help="the other way: SRC is ours, DST becomes this")
    parser.add_argument(
        "--config", default="configs/internet.py", help="the model whose names and shapes are wanted [not for hdr]"
    )
    parser.add_argument("--discriminator", metavar="FILE", help="hdr: the inpaintor's second file, read or written")
    args = parser.parse_args()
    if (args.family is None) == (args.to is None):
        parser.error("say either the family of SRC or --to FAMILY")
    if args.discriminator and "hdr" not in (args.family, args.to):
        parser.error("--discriminator is for hdr")
    return args


def main() -> None:
    args = parse_args()
    from interhand_mm.apis.convert import convert
    from interhand_mm.hdr.checkpoints import convert_hdr

    if "hdr" in (args.family, args.to):
        parameters = convert_hdr(args.src, args.dst, back=args.to == "hdr", discriminator=args.discriminator)
    else:
        parameters = convert(args.src, args.dst, source=args.family, target=args.to, config=args.config)
    print(f"{args.dst}: {parameters} entries, names and shapes checked")


if __name__ == "__main__":
    run(main)
