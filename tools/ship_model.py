"""Pack a trained network into interhand_mm/weights: its tensors in half the space, and a record in manifest.json.

python tools/ship_model.py configs/mobilenet_marginal.py work_dirs/mobilenet_marginal/epoch_12.pth pose --card pose.json
python tools/ship_model.py configs/detector/rtmdet_mobilenet.py detector.pth detector --card detector.json

The record of another model stays as it is. A card is a JSON file with any of "version", "license", "sources" (a list
of {"name", "license", "address", "labels"}), "training" and "figures". Without it, the record has no sources and no
figures.
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, run
from interhand_mm.cli.path_types import checkpoint_file, config_file, existing_file, output_folder


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument("config", type=config_file, help="config of the network")
    parser.add_argument("checkpoint", type=checkpoint_file, help="its trained checkpoint")
    parser.add_argument("name", choices=("pose", "detector"), help="which of the shipped models it becomes")
    parser.add_argument("--card", type=existing_file, metavar="FILE", help="JSON file with what else the record says")
    parser.add_argument(
        "--out", type=output_folder, metavar="DIR", help="folder of the manifest [interhand_mm/weights]"
    )
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="K=V", help="change config keys")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.apis.ship import models_table, read_card, ship_model  # imported late, so that --help is fast
    from interhand_mm.checkpoints.shipped import read_manifest
    from interhand_mm.utils.config import load_config

    card = read_card(args.card)
    record = ship_model(load_config(args.config, args.cfg_options), args.checkpoint, args.name, card, args.out)
    largest = max(record.rounding.values(), default=0.0)
    print(
        f"{record.file}: {record.bytes / 1e6:.2f} MB, {record.parameters:,} parameters, sha256 {record.sha256}; "
        f"rounding changes the outputs by at most {largest:.2g} (RMS, relative)"
    )
    print(f"\nTables for docs/model_zoo.md:\n\n{models_table(read_manifest(args.out))}")


if __name__ == "__main__":
    run(main)
