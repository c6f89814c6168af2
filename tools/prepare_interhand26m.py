r"""Check a download of InterHand2.6M and list the frames that cannot be used. No file is changed or deleted.

python tools/prepare_interhand26m.py data/InterHand2.6M
python tools/train.py configs/internet.py --data-root data/InterHand2.6M \
    --cfg-options train_dataloader.dataset.blocklist=data/InterHand2.6M/blocklist.txt

The exit code is 1 if a fault was found.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from interhand_mm.cli.arguments import ToolParser, run
from interhand_mm.cli.path_types import data_folder


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument("data_root", type=data_folder, help="folder with images/ and annotations/")
    parser.add_argument("--out", metavar="DIR", help="folder for check.json and blocklist.txt [the data root]")
    parser.add_argument(
        "--fps",
        type=int,
        choices=(5, 30),
        default=5,
        help="frame rate of the download; counts were published for 5 [5]",
    )
    parser.add_argument("--processes", type=int, metavar="N", help="number of processes that read frames [all cores]")
    parser.add_argument("--decode", action="store_true", help="decode every frame, not only those that may be black")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.datasets.annotations.blocklist import write_blocklist
    from interhand_mm.preparation.interhand26m import check_interhand, report_lines
    from interhand_mm.utils.files import write_json
    from interhand_mm.utils.provenance import provenance

    report, blocked = check_interhand(args.data_root, args.fps, args.processes, args.decode)
    out = Path(args.out or args.data_root)
    write_json(out / "check.json", {**report, "blocked": blocked, "provenance": provenance()})
    write_blocklist(out / "blocklist.txt", blocked, [f"{len(blocked)} frames of {args.data_root}; reasons: check.json"])
    print("\n".join(report_lines(report)))
    print(f"wrote {out / 'check.json'} and {out / 'blocklist.txt'}")
    if report["faults"]:
        sys.exit(1)


if __name__ == "__main__":
    run(main)
