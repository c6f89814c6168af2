"""Export a pose network to one ONNX file, from crops to joints, and compare it with torch.

python tools/export_onnx.py configs/internet.py internet.pth --out internet.onnx
python tools/export_onnx.py configs/internet.py internet.pth --out internet_b1.onnx --batch-size 1
python demo/topdown_demo.py none none configs/internet.py internet.onnx --backend openvino --input a.jpg --out-dir out
python tools/export_onnx.py --out hands.onnx
python demo/topdown_demo.py shipped shipped shipped hands.onnx --backend openvino --input a.jpg --out-dir out

Without CONFIG and CHECKPOINT, the pose network that the package carries is exported. Without --batch-size the file
takes any number of crops. This needs `pip install -r requirements/export.txt`.
"""

from __future__ import annotations

import argparse

from interhand_mm.cli.arguments import ToolParser, check_pair, run
from interhand_mm.cli.path_types import checkpoint_file, config_file, output_file
from interhand_mm.errors import ConfigError


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument("config", nargs="?", type=config_file, help="a file of configs/")
    parser.add_argument("checkpoint", nargs="?", type=checkpoint_file, help="checkpoint of this project")
    parser.add_argument(
        "--out", type=output_file, required=True, metavar="FILE", help="file to write, which ends in .onnx"
    )
    parser.add_argument("--batch-size", type=int, metavar="N", help="fixed number of crops [any number]")
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="K=V", help="change config keys")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    check_pair("pose", args.config, args.checkpoint)
    if args.config is None and args.cfg_options:
        raise ConfigError("--cfg-options has no effect on the shipped network", fix="name a config and a checkpoint")
    from interhand_mm.apis.export import export_onnx  # imported late, so that --help is fast
    from interhand_mm.checkpoints.shipped import open_shipped
    from interhand_mm.utils.config import load_config

    if args.config is None:
        shipped = open_shipped("pose")
        cfg, checkpoint = shipped.config, shipped.checkpoint
    else:
        cfg, checkpoint = load_config(args.config, args.cfg_options), args.checkpoint
    done = export_onnx(cfg, checkpoint, args.out, args.batch_size)
    for name, differences in done["compared"].items():
        print(f"{name}: {differences}")
    print(f"{done['path']} was written, {done['bytes'] / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
