"""Arguments that several tools share, and the options made from them.

This module imports nothing heavy, so that `--help` and wrong arguments answer at once.
"""

from __future__ import annotations

import argparse
import difflib
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from ..checkpoints.shipped import SHIPPED, ModelName, shipped_record
from ..errors import ConfigError, InterHandError
from ..inference.options import BACKENDS, CameraOptions, InferenceOptions, InputOptions, OutputOptions, Section
from ..utils.early import check_checkpoint, check_config, check_writable
from ..utils.files import write_text
from ..utils.memory import keep_freed_memory
from ..utils.precision import AMP_CHOICES, pick_amp
from .path_types import (
    check_config_paths,
    config_file,
    data_folder,
    existing_file,
    output_folder,
    parse_data_root,
    photographs,
)

if TYPE_CHECKING:
    from mmengine.config import Config

LAUNCHERS = ("none", "pytorch", "slurm")
ERROR_FOLDER = "INTERHAND_ERROR_FOLDER"  # environment variable: where a worker leaves its error for `cli.launch`


class ToolParser(argparse.ArgumentParser):
    """A parser that shows the tool's docstring as it is, and suggests the nearest name for a misspelled option.

    Args:
        description: Docstring of the tool.
        **kwargs: Arguments of `argparse.ArgumentParser`.
    """

    def __init__(self, description: str | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(description=description, **kwargs)

    def error(self, message: str) -> NoReturn:
        """End with the usage and the error, or for unknown options with the error and the nearest names alone."""
        head, _, rest = message.partition("unrecognized arguments: ")
        unknown = [word.partition("=")[0] for word in rest.split() if word.startswith("-")]
        if head or not unknown:
            super().error(message)
        names = self._names()
        near = [difflib.get_close_matches(word, names, n=1) for word in unknown]
        raise ConfigError(
            f"{self.prog} has no option {', '.join(unknown)}",
            fix=f"did you mean {', '.join(names[0] for names in near if names)}?" if any(near) else "see --help",
        )

    def _names(self) -> list[str]:
        """Return the long options of this parser and of its commands."""
        names = set(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                names.update(name for parser in action.choices.values() for name in parser._names())
        return sorted(name for name in names if name.startswith("--"))


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add CONFIG, the data options and `--cfg-options`; `config_of` reads them."""
    parser.add_argument("config", type=config_file, help="a config, such as those in configs/")
    data = parser.add_argument_group("data")
    data.add_argument(
        "--data-root",
        type=data_folder,
        metavar="DIR",
        action="append",
        help="folder of the data set; for a mix of data sets, TYPE=DIR for each of them",
    )
    data.add_argument("--split", choices=("val", "test"), help="split to test on")
    data.add_argument(
        "--annot-subset",
        choices=("all", "human_annot", "machine_annot"),
        help="annotation subset of InterHand2.6M's older layout",
    )
    data.add_argument(
        "--depth-source", choices=("gt", "rootnet"), help="source of boxes and wrist depths in validation and test"
    )
    data.add_argument(
        "--boxes", type=existing_file, metavar="FILE", help="test on detected boxes, written by tools/detect.py"
    )
    data.add_argument(
        "--backgrounds",
        type=photographs,
        nargs="+",
        metavar="DIR",
        help="folder of photographs for training, and one for test",
    )
    data.add_argument(
        "--strict", choices=("error", "skip"), help="stop at a broken image or annotation, or skip and count it"
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="K=V",
        help="override keys of the config: key.sub=value changes one, +key=value adds one",
    )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add `--work-dir`, and `--launcher`, which torchrun and Slurm need."""
    parser.add_argument("--work-dir", type=output_folder, help="folder for logs and checkpoints [work_dirs/NAME]")
    parser.add_argument("--launcher", choices=LAUNCHERS, default="none", help="set by dist_*.sh and slurm_*.sh")


def add_inference_options(parser: argparse.ArgumentParser) -> None:
    """Add the two networks, the inference options and the camera; `build_inferencer` reads them."""
    add = parser.add_argument
    networks = parser.add_argument_group("networks", "Each may be the word shipped, which is also the default.")
    network = networks.add_argument
    network("det_config", nargs="?", help="mmdet config of the hand detector; none to use --bbox or the whole image")
    network("det_checkpoint", nargs="?", help="checkpoint of the detector, or none")
    network("pose_config", nargs="?", help="config of the pose network, such as those in configs/")
    network(
        "pose_checkpoint",
        nargs="?",
        help="checkpoint of the pose network; with --backend, the file of tools/export_onnx.py",
    )
    thr = InferenceOptions.score_thr
    add("--score-thr", type=float, default=thr, help=f"minimum score of a detection [{thr}]")
    add("--detect-every", type=int, default=1, metavar="N", help="run the detector on every N-th frame of a video [1]")
    add("--smooth", action="store_true", help="filter the keypoints of videos over time (One-Euro filter)")
    add("--device", default="cpu", help="cpu, cuda, cuda:1, ... [cpu]")
    add("--backend", choices=BACKENDS, default="torch", help="runtime of the pose network [torch]")
    add("--amp", choices=AMP_CHOICES, default="auto", help="precision; auto is bfloat16 where it is fast [auto]")
    add("--batch-size", type=int, default=16, help="maximum number of crops in one batch [16]")
    add_hdr_options(parser)
    camera = parser.add_argument_group("camera", "Without these options the camera comes from EXIF, or is assumed.")
    camera.add_argument("--focal", nargs="+", type=float, metavar="PX", help="focal length, one number or fx fy")
    camera.add_argument(
        "--principal-pt", nargs=2, type=float, metavar=("CX", "CY"), help="principal point, px [image center]"
    )
    camera.add_argument("--fov", type=float, metavar="DEG", help="field of view across the longer side")
    camera.add_argument(
        "--depth-mm", nargs="+", type=float, metavar="MM", help="known depth of the wrist, or of right and left wrist"
    )


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """Add `--input` and the options of how files are read; `input_options` reads the latter."""
    group = parser.add_argument_group("input")
    add = group.add_argument
    add(
        "--input",
        required=True,
        nargs="+",
        metavar="PATH",
        help="images, videos, GIFs, folders with their subfolders, patterns in quotes ('takes/**/*.mp4'); or the "
        "number of a camera, or the address of a live stream",
    )
    add("--start", type=float, default=0.0, metavar="S", help="first second of the videos that is read [0]")
    add("--end", type=float, metavar="S", help="second before which reading the videos ends [their end]")
    add("--stride", type=int, default=1, metavar="N", help="read every N-th frame of the videos [1]")
    add("--frames-as-clip", type=float, metavar="FPS", help="read the images of each folder as a clip of this rate")
    add("--skip-existing", action="store_true", help="leave out inputs whose outputs are complete")


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the files that a demo writes; `output_options` reads them."""
    group = parser.add_argument_group("output")
    add = group.add_argument
    add("--gif", action="store_true", help="write videos as GIF instead of MP4")
    add("--json-lines", action="store_true", help="also write .jsonl, which can be read while it is being written")
    add("--csv", action="store_true", help="also write .csv, one row per hand and frame")
    add("--no-html", action="store_true", help="write no 3D page")
    add(
        "--html-range",
        nargs=2,
        type=float,
        metavar=("START", "END"),
        help="seconds of a video that the 3D page shows [all, a page per minute]",
    )
    add("--line-width", type=float, metavar="PX", help="thickness of the drawn bones [grows with the hand]")
    add("--point-size", type=float, metavar="PX", help="diameter of the drawn joints [grows with the bones]")


def add_hdr_options(parser: argparse.ArgumentParser, required: bool = False) -> None:
    """Add `--hdr`; `pose_config` reads it."""
    parser.add_argument(
        "--hdr",
        nargs="+",
        metavar=("CONFIG", "CKPT"),
        required=required,
        help="restore each of two hands before its pose is estimated: a config with model.hdr, then the checkpoints "
        "of its segmentor, inpaintor and single-hand pose network",
    )


def add_bbox_options(parser: argparse.ArgumentParser, text: str) -> None:
    """Add `--bbox` and `--bbox-xywh`, which both end up as the corners `args.bbox`.

    Args:
        parser: Parser to add to.
        text: Meaning of the box.
    """
    box = parser.add_mutually_exclusive_group()
    corners, size = ("X1", "Y1", "X2", "Y2"), ("X", "Y", "W", "H")
    box.add_argument("--bbox", nargs=4, type=float, metavar=corners, help=f"{text}: two corners, px")
    box.add_argument(
        "--bbox-xywh",
        nargs=4,
        type=float,
        metavar=size,
        action=_Corners,
        dest="bbox",
        help="the same: a corner and a size",
    )


class _Corners(argparse.Action):
    """Stores a corner, width and height as two corners."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        x, y, width, height = values
        setattr(namespace, self.dest, [x, y, x + width, y + height])


def check_inference_arguments(args: argparse.Namespace) -> None:
    """Check options and paths before torch is loaded, so that a mistake is answered at once.

    Args:
        args: Arguments of a demo; those that a demo does not have are not checked.

    Raises:
        ConfigError, CheckpointError, InputError, OutputError: An option has no effect or a wrong value, a file is
            missing, or the output folder cannot be written.
    """
    bbox, backend = getattr(args, "bbox", None), getattr(args, "backend", "torch")
    InferenceOptions(bbox=bbox)
    if hasattr(args, "depth_mm"):
        camera_options(args)
    if hasattr(args, "html_range"):
        output_options(args)
    source = getattr(args, "input", None)
    if isinstance(source, str):
        from ..inference.io.sources import check_input  # imported late, because --help needs no image library

        check_input(source)
    elif source is not None:
        _check_words(source)
    if hasattr(args, "det_config"):
        _check_detector(args.det_config, args.det_checkpoint, bbox is not None)
    for config in (args.hdr or [])[:1]:
        check_config(config)
    for checkpoint in (args.hdr or [])[1:]:
        check_checkpoint(checkpoint)
    _check_pose(args.pose_config, args.pose_checkpoint, backend)
    if getattr(args, "out_dir", None) is not None:
        check_writable(args.out_dir, "--out-dir DIR")


def _check_words(inputs: Sequence[str]) -> None:
    """Raise an error if networks stand behind `--input`, which takes all words up to the next option."""
    networks = [word for word in inputs if word.endswith((".py", ".pth", ".onnx")) or is_none(word) or is_shipped(word)]
    if networks:
        raise ConfigError(
            "--input takes all words up to the next option, and these are networks",
            got=" ".join(networks),
            fix="write the networks before --input",
        )


def is_shipped(word: str | None) -> bool:
    """Return True where the command line asks for a shipped network: by the word, or by leaving the argument out."""
    return word is None or word.lower() == SHIPPED


def is_none(word: str | None) -> bool:
    """Return True where the command line asks for no detector."""
    return word is not None and word.lower() == "none"


def check_pair(name: ModelName, config: str | None, weights: str | None, what: str = "checkpoint") -> None:
    """Check the config and the weights that the command line names for a network. Nothing heavy is imported.

    Args:
        name: "detector" or "pose".
        config: Path of the config, `SHIPPED` or None.
        weights: Path of the weights, `SHIPPED` or None.
        what: Name of the file of weights for messages.

    Raises:
        ConfigError: A config was given without weights.
        ConfigError, CheckpointError: A file is missing, or the package carries no such network.
    """
    of = {"detector": "the detector", "pose": "the pose network"}[name]
    if config is None or is_shipped(config):
        shipped_record(name)
    elif is_shipped(weights):
        raise ConfigError(f"{of} needs a config and a {what}", got=config, fix=f"give both, or {SHIPPED} {SHIPPED}")
    else:
        check_config(config)
    if weights is not None and not is_shipped(weights):
        check_checkpoint(weights, what)


def _check_detector(config: str | None, checkpoint: str | None, has_bbox: bool) -> None:
    """Raise an error if the detector that the command line names is incomplete, missing or would not be used."""
    given = [word for word in (config, checkpoint) if word is not None and not is_none(word) and not is_shipped(word)]
    if has_bbox and given:
        raise ConfigError("--bbox replaces the detector", got=" ".join(given), fix="write none none in its place")
    if is_none(config) != is_none(checkpoint):
        raise ConfigError(
            "the detector needs a config and a checkpoint", got=" ".join(given) or "none", fix="give both, or none none"
        )
    if not (has_bbox or is_none(config)):
        check_pair("detector", config, checkpoint)


def _check_pose(config: str | None, checkpoint: str | None, backend: str) -> None:
    """Raise an error if the pose network that the command line names is incomplete or missing."""
    exported = backend != "torch"
    check_pair("pose", config, checkpoint, "exported model" if exported else "checkpoint")
    if exported and is_shipped(checkpoint):
        raise ConfigError(
            f"--backend {backend} needs an exported model",
            fix="python tools/export_onnx.py --out hands.onnx, and write shipped shipped shipped hands.onnx",
        )


def inference_options(args: argparse.Namespace) -> InferenceOptions:
    """Return the options that `add_inference_options` and the demos' own arguments describe."""
    # A plugin feeds one network's output to the next, where rounding would add up.
    amp = "float32" if args.hdr and args.amp == "auto" else args.amp
    return InferenceOptions(
        device=args.device,
        amp=pick_amp(amp, args.device, args.backend),
        batch_size=args.batch_size,
        backend=args.backend,
        score_thr=args.score_thr,
        detect_every=args.detect_every,
        smooth=args.smooth,
        mirror=args.mirror,
        bbox=getattr(args, "bbox", None),
    )


def output_options(args: argparse.Namespace) -> OutputOptions:
    """Return the options that `add_output_options` describes.

    Raises:
        ConfigError: A number is out of range, or an option has no effect.
    """
    files = {"--gif": args.gif, "--json-lines": args.json_lines, "--csv": args.csv, "--html-range": args.html_range}
    unused = [name for name, value in files.items() if value]
    if args.out_dir is None and unused:
        raise ConfigError(f"{', '.join(unused)} has no effect without --out-dir", fix="--out-dir DIR")
    return OutputOptions(
        gif=args.gif,
        html=not args.no_html,
        html_range=args.html_range and tuple(args.html_range),
        json_lines=args.json_lines,
        csv=args.csv,
        line_width=args.line_width,
        point_size=args.point_size,
    )


def input_options(args: argparse.Namespace) -> InputOptions:
    """Return the options that `add_input_options` describes."""
    section = Section(args.start, args.end, args.stride)
    return InputOptions(section, args.frames_as_clip, args.skip_existing)


def camera_options(args: argparse.Namespace) -> CameraOptions:
    """Return the camera that `add_inference_options` describes."""
    return CameraOptions(args.focal, args.principal_pt, args.fov, args.depth_mm)


def config_of(args: argparse.Namespace, *parts: str) -> Config:
    """Load the config that the arguments of `add_config_options` describe, after a look at all paths.

    Args:
        args: Arguments of the tool.
        *parts: Beginnings of the parts of the config that the tool reads, such as "train_"; see `check_config_paths`.
    """
    check_config_paths(args, parts)
    from ..utils.config import DataOptions, load_config

    data = DataOptions(
        data_root=parse_data_root(args.data_root),
        split=args.split,
        annot_subset=args.annot_subset,
        depth_source=args.depth_source,
        backgrounds=args.backgrounds,
        strict=args.strict,
        boxes=args.boxes,
    )
    cfg = load_config(args.config, args.cfg_options, data, parts)
    if getattr(args, "work_dir", None):
        cfg.work_dir = args.work_dir
    return cfg


class Terminated(KeyboardInterrupt):
    """The process received SIGTERM, which schedulers send before they kill. Ends a tool like Ctrl-C, closing files."""


def run(main: Callable[[], None]) -> None:
    """Run a tool's main function, and turn known errors and signals into exit codes without a traceback.

    Exit codes: 2 for errors that this package raises on purpose, 130 after Ctrl-C, 143 after SIGTERM.
    """
    owner = os.getpid()

    def terminate(number: int, _: FrameType | None) -> None:
        if os.getpid() == owner:
            raise Terminated
        # Forked workers inherit this handler. They have no files to close, so they end by the default handler.
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    before = signal.signal(signal.SIGTERM, terminate)
    keep_freed_memory()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show does not end a run
            stream.reconfigure(errors="backslashreplace")
    try:
        main()
        _leave_process_group()
    except InterHandError as error:
        text = f"{type(error).__name__}: {error}"
        print(text, file=sys.stderr)
        if ERROR_FOLDER in os.environ:
            write_text(Path(os.environ[ERROR_FOLDER]) / os.environ.get("RANK", "0"), text)
        sys.exit(2)
    except KeyboardInterrupt as stop:
        print("stopped; finished results are kept", file=sys.stderr)
        sys.exit(143 if isinstance(stop, Terminated) else 130)
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave_process_group() -> None:
    """Leave torch's process group, unless this tool never imported torch."""
    if "torch" in sys.modules:
        from ..engine.runner import leave_group

        leave_group()
