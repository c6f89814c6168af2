r"""What each stage of HDR gains: error of interacting hands by how much of the hand is hidden (docs/hdr.md).

python tools/hdr_table.py POSE_CONFIG POSE_CHECKPOINT --hdr configs/hdr/small.py SEGMENTOR INPAINTOR POSE \
    --data-root data/quickstart --pictures stages.jpg
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.options import add_hdr_options, run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pose_config", help="of the base network")
    parser.add_argument("pose_checkpoint", help="its checkpoint")
    add_hdr_options(parser, required=True)
    parser.add_argument("--data-root", metavar="DIR", help="folder with images/, annotations/ and masks/")
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many samples, evenly spread [all]")
    parser.add_argument("--out", metavar="JSON", help="the rows as JSON")
    parser.add_argument("--pictures", metavar="FILE", help="also draw the stages of ten random samples")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.hdr.ablation import (  # late, so that --help answers at once
        hdr_pictures,
        hdr_table,
        hdr_table_text,
    )
    from interhand_mm.utils.files import write_json
    from interhand_mm.utils.provenance import provenance

    parts = (args.pose_config, args.pose_checkpoint, args.hdr[0], args.hdr[1:], args.data_root)
    if args.pictures:
        hdr_pictures(*parts, out=args.pictures)
    rows = hdr_table(*parts, limit=args.limit)
    if args.out:
        write_json(args.out, {"rows": rows, "provenance": provenance(config=args.pose_config)})
    print(hdr_table_text(rows))


if __name__ == "__main__":
    run(main)
