"""What the tools' command lines share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from mmengine.config import Config

from ..errors import InterHandError
from ..utils.config import DataOptions, load_config
from .launch import LAUNCHERS


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add CONFIG, the data options and `--cfg-options`."""
    parser.add_argument("config", help="a file of configs/")
    parser.add_argument("--work-dir", help="where logs and checkpoints go [work_dirs/NAME]")
    data = parser.add_argument_group("where the data is")
    data.add_argument("--data-root", metavar="DIR", help="folder with images/ and annotations/")
    data.add_argument("--split", choices=("val", "test"), help="what is tested")
    data.add_argument("--annot-subset", choices=("all", "human_annot", "machine_annot"), help="of the older layout")
    data.add_argument("--depth-source", choices=("gt", "rootnet"), help="boxes and wrist depths of val and test")
    data.add_argument("--boxes", metavar="FILE", help="test on these detected boxes; see tools/detect.py")
    data.add_argument("--backgrounds", nargs="+", metavar="DIR", help="photographs: for training [and for test]")
    data.add_argument("--strict", choices=("error", "skip"), help="what a broken image or annotation does")
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="K=V", help="change config keys: key.sub=value; +key=value adds"
    )


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """Add the options that torchrun and Slurm need."""
    parser.add_argument("--launcher", choices=LAUNCHERS, default="none", help="dist_*.sh and slurm_*.sh set it")


def config_of(args: argparse.Namespace) -> Config:
    """Load the config that a command line describes."""
    data = DataOptions(
        data_root=args.data_root,
        split=args.split,
        annot_subset=args.annot_subset,
        depth_source=args.depth_source,
        backgrounds=args.backgrounds,
        strict=args.strict,
        boxes=args.boxes,
    )
    cfg = load_config(args.config, args.cfg_options, data)
    if args.work_dir:
        cfg.work_dir = args.work_dir
    return cfg


def run(main: Callable[[], None]) -> None:
    """Run a tool: errors made on purpose end it with their message and exit code 2, without a traceback."""
    try:
        main()
    except InterHandError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2)
