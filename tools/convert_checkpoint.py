"""Convert InterNet checkpoints: official snapshots and mmpose files to ours, and back.

python tools/convert_checkpoint.py official snapshot_20.pth.tar internet.pth
python tools/convert_checkpoint.py mmpose internet_res50_interhand3d.pth internet.pth
python tools/convert_checkpoint.py --to official internet.pth snapshot_20.pth.tar
"""

from __future__ import annotations

import argparse

from interhand_mm.apis.cli import run

FAMILIES = ("official", "mmpose")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", nargs="?", choices=FAMILIES, help="what SRC is")
    parser.add_argument("src")
    parser.add_argument("dst")
    parser.add_argument("--to", choices=FAMILIES, help="the other way: SRC is ours, DST becomes this")
    parser.add_argument("--config", default="configs/internet.py", help="the model whose names and shapes are wanted")
    args = parser.parse_args()
    if (args.family is None) == (args.to is None):
        parser.error("say either the family of SRC or --to FAMILY")
    return args


def main() -> None:
    args = parse_args()
    from interhand_mm.apis.convert import convert

    parameters = convert(args.src, args.dst, source=args.family, target=args.to, config=args.config)
    print(f"{args.dst}: {parameters} entries, names and shapes checked")


if __name__ == "__main__":
    run(main)
