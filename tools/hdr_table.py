r"""Measure what each stage of HDR gains: the error of interacting hands by their hidden share (docs/guide/hdr.md).

python tools/hdr_table.py POSE_CONFIG POSE_CHECKPOINT --hdr configs/hdr/small.py SEGMENTOR INPAINTOR POSE \
    --data-root data/quickstart --images stages.jpg
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from interhand_mm.cli.arguments import ToolParser, add_hdr_options, run
from interhand_mm.cli.path_types import checkpoint_file, config_file, data_folder, output_file


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument("pose_config", type=config_file, help="config of the base network")
    parser.add_argument("pose_checkpoint", type=checkpoint_file, help="checkpoint of the base network")
    add_hdr_options(parser, required=True)
    parser.add_argument(
        "--data-root", type=data_folder, metavar="DIR", help="folder with images/, annotations/ and masks/"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="maximum number of samples, taken evenly [all]")
    parser.add_argument("--out", type=output_file, metavar="JSON", help="write the rows as JSON")
    parser.add_argument("--images", metavar="FILE", help="draw the stages of ten random samples into this image")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.hdr.ablation import HDRRun, format_table  # imported late, so that --help is fast
    from interhand_mm.utils.files import write_json
    from interhand_mm.utils.provenance import provenance

    config, *checkpoints = args.hdr
    run = HDRRun(args.pose_config, args.pose_checkpoint, config, checkpoints, args.data_root, limit=args.limit)
    if args.images:
        replace(run, limit=None).draw(args.images)
    rows = run.table()
    if args.out:
        write_json(args.out, {"rows": rows, "provenance": provenance(config=args.pose_config)})
    print(format_table(rows))


if __name__ == "__main__":
    run(main)
