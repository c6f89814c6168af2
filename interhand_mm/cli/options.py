"""What the tools' command lines share."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from mmengine.config import Config

from ..engine.runner import LAUNCHERS, leave_group
from ..errors import ConfigError, InterHandError
from ..utils.config import DataOptions, load_config
from ..utils.memory import keep_freed_memory
from ..utils.precision import AMP_CHOICES


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add CONFIG, the data options and `--cfg-options`."""
    parser.add_argument("config", help="a file of configs/")
    parser.add_argument("--work-dir", help="where logs and checkpoints go [work_dirs/NAME]")
    data = parser.add_argument_group("where the data is")
    data.add_argument(
        "--data-root", metavar="DIR", action="append", help="folder of the data set; of a mix, TYPE=DIR for each set"
    )
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


def add_inference_options(parser: argparse.ArgumentParser) -> None:
    """Add the two networks and what inference takes; `build_inferencer` reads them."""
    add = parser.add_argument
    add("det_config", help="detector's config; none: --bbox, or the whole picture")
    add("det_checkpoint", help="its checkpoint, or none")
    add("pose_config", help="a file of configs/")
    add("pose_checkpoint", help="its checkpoint, or with --backend the file of tools/export_onnx.py")
    add("--score-thr", type=float, default=0.3, help="detections below are dropped [0.3]")
    add("--detect-every", type=int, default=1, metavar="N", help="in videos; crops follow the hands in between [1]")
    add("--smooth", action="store_true", help="filter keypoints over time (One-Euro)")
    add("--device", default="cpu", help="cpu, cuda, cuda:1 ... [cpu]")
    add("--backend", choices=("torch", "onnxruntime", "openvino"), default="torch", help="of the pose network [torch]")
    add("--amp", choices=AMP_CHOICES, default="auto", help="precision; auto: bfloat16 where it is fast [auto]")
    add("--batch-size", type=int, default=16, help="crops at once [16]")
    add_hdr_options(parser)
    camera = parser.add_argument_group("the camera: from EXIF, or assumed, where nothing is given")
    camera.add_argument("--focal", nargs="+", type=float, metavar="PX", help="one number, or fx fy")
    camera.add_argument("--principal-pt", nargs=2, type=float, metavar=("CX", "CY"), help="px [the middle]")
    camera.add_argument("--fov", type=float, metavar="DEG", help="across the longer side")
    camera.add_argument("--depth-mm", nargs="+", type=float, metavar="MM", help="of the wrist, or right and left wrist")


def add_hdr_options(parser: argparse.ArgumentParser, required: bool = False) -> None:
    """Add `--hdr`; `pose_config` reads it."""
    parser.add_argument(
        "--hdr",
        nargs="+",
        metavar=("CONFIG", "CKPT"),
        required=required,
        help="restore either hand alone before its pose: a config with model.hdr, then the checkpoints of its "
        "segmentor, inpaintor and single-hand pose",
    )


def config_of(args: argparse.Namespace) -> Config:
    """Load the config that a command line describes."""
    data = DataOptions(
        data_root=_data_root(args.data_root),
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


def _data_root(given: list[str] | None) -> str | dict[str, str] | None:
    """One folder, or type -> folder where the options are TYPE=DIR with a data set's type."""
    named = [text.partition("=") for text in given or ()]
    if given and all(sign and name.endswith("Dataset") for name, sign, _ in named):
        return {name: folder for name, _, folder in named}
    if given and len(given) > 1:
        raise ConfigError("--data-root", got=" ".join(given), want="one folder, or TYPE=DIR for each set of a mix")
    return given[0] if given else None


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what a scheduler sends before it kills. Ends a tool as Ctrl-C does, its files closed."""


def run(main: Callable[[], None]) -> None:
    """Run a tool and end it without a traceback: exit code 2 for errors made on purpose, 130 Ctrl-C, 143 SIGTERM."""
    owner = os.getpid()

    def terminate(number: int, _: FrameType | None) -> None:
        if os.getpid() == owner:
            raise Terminated
        # A forked worker has this handler too; it has no files to close.
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    before = signal.signal(signal.SIGTERM, terminate)
    keep_freed_memory()
    try:
        main()
        leave_group()
    except InterHandError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as stop:
        print("stopped; what was finished is kept", file=sys.stderr)
        sys.exit(143 if isinstance(stop, Terminated) else 130)
    finally:
        signal.signal(signal.SIGTERM, before)
