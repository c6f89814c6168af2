"""Export a pose network to one ONNX file, from crops to joints, and compare it with torch.

python tools/export_onnx.py configs/internet.py internet.pth --out internet.onnx
python tools/export_onnx.py configs/internet.py internet.pth --out internet_b1.onnx --batch-size 1
python demo/topdown_demo.py none none configs/internet.py internet.onnx --backend openvino --input a.jpg --out-dir out

This needs `pip install -r requirements/export.txt`. Without --batch-size the file takes any number of crops.
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, run
from interhand_mm.cli.path_types import checkpoint_file, config_file, output_file


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument("config", type=config_file, help="a file of configs/")
    parser.add_argument("checkpoint", type=checkpoint_file, help="checkpoint of this project")
    parser.add_argument(
        "--out", type=output_file, required=True, metavar="FILE", help="file to write, which ends in .onnx"
    )
    parser.add_argument("--batch-size", type=int, metavar="N", help="fixed number of crops [any number]")
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="K=V", help="change config keys")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from interhand_mm.apis.export import export_onnx  # imported late, so that --help is fast
    from interhand_mm.utils.config import load_config

    done = export_onnx(load_config(args.config, args.cfg_options), args.checkpoint, args.out, args.batch_size)
    for name, differences in done["compared"].items():
        print(f"{name}: {differences}")
    print(f"{done['path']} was written, {done['bytes'] / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
