"""Convert the published recipes of AIH_Syn from .npy, which can execute code when it is loaded, to .npz.

python tools/prepare_aih.py data/AIH_dataset
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, run
from interhand_mm.cli.path_types import data_folder


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument("data_root", type=data_folder, help="the folder AIH_dataset, or the one that contains it")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.hdr.data.prepare_aih import prepare_aih

    print("\n".join(prepare_aih(args.data_root)))


if __name__ == "__main__":
    run(main)
