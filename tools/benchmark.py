"""Measure this project and comparable libraries; the tables show ratios first.

python tools/benchmark.py index --n 50000 --json index.json
python tools/benchmark.py pipeline --data-root DIR --backgrounds PHOTOS --crop-cache
python tools/benchmark.py loss --batch-size 8
python tools/benchmark.py step configs/internet.py --batch-size 4
python tools/benchmark.py infer configs/internet.py --exported internet.onnx --image hand.jpg
python tools/benchmark.py scale configs/internet.py
python tools/benchmark.py video POSE_CONFIG POSE_CHECKPOINT --input clip.mp4
python tools/benchmark.py temporal --n 120
python tools/benchmark.py render --n 400
python tools/benchmark.py hdr --sizes small --n 20
python tools/benchmark.py realism --data-root RENDERS --real hands.json IMAGES

The rows of a run take turns, so that other programs slow all of them alike. Medians are reported.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from interhand_mm.cli.arguments import ToolParser
from interhand_mm.cli.arguments import run as run_tool
from interhand_mm.cli.path_types import checkpoint_file, config_file
from interhand_mm.utils.files import write_json
from interhand_mm.utils.paths import CONFIGS

if TYPE_CHECKING:
    from mmengine.config import Config

PEERS = ("mmpose", "pycocotools")  # the loaders that `benchmark.index` knows; repeated here, so that --help is quick


def rows_table(result: dict[str, Any]) -> Table:
    """Return a table of the ratios to the base row and the measured values."""
    table = Table(title=result["title"])
    table.add_column("", justify="left")
    table.add_column(f"times {result['base']}", justify="right")
    columns = {"ms": "ms", "cpu_ms": "CPU ms", "peak_mb": "peak MB", "share": "share"}
    columns = {key: text for key, text in columns.items() if any(key in row for row in result["rows"].values())}
    if "memory_ratios" in result:
        table.add_column("times its memory", justify="right")
    for text in columns.values():
        table.add_column(text, justify="right")
    for name, row in result["rows"].items():
        cells = [f"{result[key][name]:.2f}" if name in result[key] else "" for key in _ratio_keys(result)]
        table.add_row(name, *cells, *(f"{row[key]:.3f}" if key in row else "" for key in columns))
    return table


def _ratio_keys(result: dict[str, Any]) -> list[str]:
    return [key for key in ("ratios", "memory_ratios") if key in result]


def index_table(result: dict[str, Any]) -> Table:
    table = Table(
        title=f"annotation loading, {result['count']:,} annotations, {sum(result['file_mb'].values()):,.0f} MB"
    )
    for heading in ("loader", "our build is faster by", "and uses less memory by", "time", "peak memory"):
        table.add_column(heading, justify="left" if heading == "loader" else "right")
    labels = {"build": "interhand_mm, first build", "reopen": "interhand_mm, reopened"}
    for name, row in result["loaders"].items():
        ratio = result["ratios"].get(name, {})
        times = [f"{ratio[key]:.1f}x" if key in ratio else "" for key in ("seconds", "peak_mb")]
        table.add_row(labels.get(name, name), *times, f"{row['seconds']:.3f} s", f"{row['peak_mb']:.1f} MB")
    return table


def render_table(result: dict[str, Any]) -> Table:
    table = Table(title=f"synthetic hands, {result['count']:,} images, all steps included")
    for heading in ("processes", "faster by", "ms per image", "images per second"):
        table.add_column(heading, justify="right")
    for name, run in result["runs"].items():
        ratio = f"{result['ratios'][name]:.2f}x"
        table.add_row(name, ratio, f"{run['ms_per_image']:.1f}", f"{run['images_per_second']:.0f}")
    return table


def realism_table(result: dict[str, Any]) -> Table:
    hands = result["hands"]
    table = Table(title=f"{hands['rendered']} rendered and {hands['real']} real hands: median (10 % to 90 %)")
    for heading in ("", "real / rendered", "real", "rendered"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, row in result["rows"].items():
        cells = ["{1:.2f} ({0:.2f} to {2:.2f})".format(*row[kind]) for kind in ("real", "rendered")]
        table.add_row(name, f"{row['ratio']:.2f}", *cells)
    if "found" in result:
        table.add_row("found by MediaPipe", "", *(f"{result['found'][kind]:.1%}" for kind in ("real", "rendered")))
    return table


def temporal_table(result: dict[str, Any]) -> Table:
    table = Table(title=result["title"])
    columns = {
        "found": ("found", "{:.1%}"),
        "mota": ("MOTA", "{:.3f}"),
        "idf1": ("IDF1", "{:.3f}"),
        "id_switches": ("id switches", "{:.0f}"),
        "ids": ("ids", "{}"),
        "side_changes": ("side changes", "{}"),
        "presence_changes": ("presence changes", "{}"),
        "pair_changes": ("pair changes", "{}"),
        "error_px": ("error px", "{:.1f}"),
        "error_mm": ("error mm", "{:.1f}"),
        "jitter_px": ("jitter px", "{:.1f}"),
        "jitter_mm": ("jitter mm", "{:.1f}"),
        "lag": ("lag", "{:.1f}"),
    }
    for heading in ("clip, networks, detector every N frames", *(text for text, _ in columns.values())):
        table.add_column(heading, justify="right" if table.columns else "left")
    for name, row in result["rows"].items():
        cells = ("" if row[key] is None else form.format(row[key]) for key, (_, form) in columns.items())
        table.add_row(name, *cells)
    return table


def hdr_table(result: dict[str, Any]) -> Table:
    table = Table(title=f"HDR's networks, ms per image (median of {result['count']}), random weights, float32")
    threads = list(result["rows"][0]["ms"])
    for heading in ("size", "stage", "px", "parameters, M", *(f"{number} threads" for number in threads)):
        table.add_column(heading, justify="left" if heading in ("size", "stage") else "right")
    for row in result["rows"]:
        times = (f"{row['ms'][number]:.1f}" for number in threads)
        table.add_row(row["size"], row["stage"], str(row["side_px"]), f"{row['parameters'] / 1e6:.2f}", *times)
    return table


def config_of(args: argparse.Namespace) -> Config:
    from interhand_mm.utils.config import load_config

    return load_config(args.config, args.cfg_options)


def index(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    from interhand_mm.benchmark.index import benchmark_index

    return benchmark_index(args.n, tuple(args.peers), args.repeat or 1), index_table


def render(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    from interhand_mm.benchmark.render import benchmark_render

    return benchmark_render(args.n, tuple(args.workers), args.repeat or 1), render_table


def realism(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    from interhand_mm.benchmark.realism import benchmark_realism
    from interhand_mm.datasets.coco_hand import CocoHandDataset
    from interhand_mm.datasets.interhand import InterHandDataset

    rendered = InterHandDataset(data_root=str(args.data_root), split="train")
    real = CocoHandDataset(ann_file=args.real[0], img_dir=args.real[1], label_prefix=args.label_prefix)
    return benchmark_realism(rendered, real, args.n, args.mediapipe), realism_table


def pipeline(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    from interhand_mm.benchmark.pipeline import benchmark_pipeline

    result = benchmark_pipeline(
        CONFIGS, args.data_root, args.backgrounds, args.n, args.repeat or 5, crop_cache=args.crop_cache
    )
    return result, rows_table


def loss(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    from interhand_mm.benchmark.loss import benchmark_loss

    return benchmark_loss(args.batch_size, args.bins, args.repeat or 3, args.device, args.clock), rows_table


def step(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    from interhand_mm.benchmark.step import benchmark_step

    cfg = config_of(args)
    return benchmark_step(cfg, args.batch_size, args.repeat or 3, args.device, args.clock), rows_table


def infer(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    from interhand_mm.benchmark.infer import benchmark_infer

    cfg = config_of(args)
    result = benchmark_infer(cfg, args.batch_size, args.repeat or 7, args.exported, args.image, args.clock)
    return result, rows_table


def scale(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    from interhand_mm.benchmark.scale import benchmark_scale

    cfg = config_of(args)
    sizes, counts = tuple(args.batch_sizes), tuple(args.annotations)
    return benchmark_scale(cfg, sizes, counts, args.processes, args.batch_size, args.repeat or 3), rows_table


def video(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    from interhand_mm import HandDetector, InferenceOptions
    from interhand_mm.benchmark.video import benchmark_video

    options = InferenceOptions(amp=args.amp, backend=args.backend, batch_size=args.batch_size)
    detector = HandDetector(*args.detector) if args.detector else None
    return benchmark_video(args.config, args.checkpoint, args.input, args.n, detector, options), rows_table


def temporal(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    from tempfile import TemporaryDirectory

    from interhand_mm import HandDetector, InferenceOptions, InterHandInferencer
    from interhand_mm.benchmark.temporal import benchmark_temporal, read_sequences, render_sequence
    from interhand_mm.utils.precision import pick_amp

    options = InferenceOptions(device=args.device, amp=pick_amp("auto", args.device))
    det_config, det_checkpoint, pose_config, pose_checkpoint = args.networks or [None] * 4
    detector = HandDetector(det_config, det_checkpoint, options)
    inferencer = InterHandInferencer(pose_config, pose_checkpoint, detector, options)
    with TemporaryDirectory() as folder:
        clips = read_sequences(args.data_root) if args.data_root else render_sequence(folder, args.n)
        return benchmark_temporal(inferencer, clips, args.detect_every, not args.no_networks), temporal_table


def hdr(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    from interhand_mm.benchmark.hdr import benchmark_hdr

    return benchmark_hdr(args.n, tuple(args.threads), tuple(args.sizes)), hdr_table


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", type=Path, help="write the results with their provenance to this file")
    common.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    common.add_argument("--repeat", type=int, help="number of runs; the median time is reported")
    network = argparse.ArgumentParser(add_help=False)
    network.add_argument("config", type=config_file, help="config file")
    network.add_argument("--cfg-options", nargs="+", default=[], metavar="K=V", help="change config keys")
    commands = parser.add_subparsers(dest="command", required=True)

    def add(function: Any, text: str, *parents: argparse.ArgumentParser) -> Any:
        one = commands.add_parser(function.__name__, parents=[common, *parents], help=text)
        one.set_defaults(run=function)
        return one.add_argument

    add_data_commands(add)
    add_network_commands(add, network)
    return parser.parse_args()


def add_data_commands(add: Any) -> None:
    option = add(index, "annotation loading: time and peak memory")
    option("--n", type=int, default=50_000, help="number of annotations in the synthetic set [50000]")
    option(
        "--peers",
        nargs="*",
        default=list(PEERS),
        choices=PEERS,
        help="libraries to compare with; none if the option has no value",
    )
    option = add(render, "synthetic hands: images per second")
    option("--n", type=int, default=400, help="number of images per run [400]")
    option("--workers", type=int, nargs="+", default=[1, 2], help="numbers of processes to measure [1 2]")
    option = add(realism, "rendered hands beside real ones: detail, light, views")
    option("--data-root", type=Path, required=True, help="renders in InterHand2.6M's format")
    option("--real", nargs=2, metavar=("ANN_FILE", "IMG_DIR"), required=True, help="photographs in COCO form")
    option("--label-prefix", default="", help="prefix of the keypoints in ANN_FILE, such as pseudo_ [none]")
    option("--n", type=int, default=500, help="number of hands of each kind [500]")
    option("--mediapipe", metavar="PYTHON", help="interpreter with MediaPipe 0.10.21, to count the hands that it finds")
    option = add(pipeline, "training samples: from the JPEG to the tensor")
    option("--data-root", type=Path, help="data set in InterHand2.6M's format [a few rendered frames]")
    option(
        "--backgrounds",
        type=Path,
        metavar="DIR",
        help="folder of photographs; samples with photographs are measured as well",
    )
    option("--n", type=int, default=40, help="number of samples per run [40]")
    option("--crop-cache", action="store_true", help="also measure samples from a crop cache")


def add_network_commands(add: Any, network: argparse.ArgumentParser) -> None:
    timed = argparse.ArgumentParser(add_help=False)
    timed.add_argument(
        "--clock",
        choices=("ms", "cpu_ms"),
        default="ms",
        help="time for the ratios; on a busy machine use cpu_ms with OMP_NUM_THREADS=1 [ms]",
    )
    option = add(loss, "heatmap loss: time and peak memory", timed)
    option("--batch-size", type=int, default=8, help="number of samples [8]")
    option("--bins", type=int, default=64, help="number of bins along each axis [64]")
    option("--device", default="cpu", help="device name for torch [cpu]")
    option = add(step, "a whole training step: time and peak memory", network, timed)
    option("--batch-size", type=int, default=4, help="number of crops [4]")
    option("--device", default="cpu", help="device name for torch [cpu]")
    option = add(infer, "one image through the network", network, timed)
    option("--batch-size", type=int, default=1, help="number of crops [1]")
    option("--exported", type=Path, metavar="ONNX", help="also run this exported file with onnxruntime and OpenVINO")
    option("--image", type=Path, metavar="FILE", help="also measure decoding and cropping of this image")
    option = add(scale, "time per sample as batches, annotations and processes grow", network)
    option("--batch-sizes", type=int, nargs="+", default=[1, 8, 64], help="batch sizes to measure [1 8 64]")
    option("--annotations", type=int, nargs="+", default=[1_000, 30_000, 1_000_000], help="sizes of the data sets")
    option("--processes", type=int, default=2, help="number of data-parallel processes [2]")
    option("--batch-size", type=int, default=16, help="batch size of each process [16]")
    option = add(video, "the demo on a video, by stage", network)
    option(
        "checkpoint", type=checkpoint_file, help="checkpoint of the config, or the exported file if --backend is given"
    )
    option("--input", metavar="FILE", help="video [one is drawn]")
    option("--n", type=int, default=60, help="number of frames of the drawn video [60]")
    option("--detector", nargs=2, metavar=("CONFIG", "CKPT"), help="detector [the box of the hands is given]")
    option("--amp", choices=("bfloat16", "float16"), help="precision of the network")
    option(
        "--backend",
        choices=("torch", "onnxruntime", "openvino"),
        default="torch",
        help="runtime of the network [torch]",
    )
    option("--batch-size", type=int, default=16, help="number of crops per batch [16]")
    option = add(temporal, "hands over time: ids, sides, pairs, jitter and lag on clips with exact truth")
    option("--data-root", type=Path, help="sequences of tools/make_synthetic.py --sequence N [one is rendered]")
    option("--n", type=int, default=120, help="number of frames of the rendered sequence [120]")
    option("--detect-every", type=int, nargs="+", default=[1, 5, 15], help="values of the demos' option [1 5 15]")
    option(
        "--networks",
        nargs=4,
        metavar=("DET_CONFIG", "DET_CKPT", "POSE_CONFIG", "POSE_CKPT"),
        help="networks for the rendered clips [those that the package carries]",
    )
    option("--no-networks", action="store_true", help="follow with the stand-ins only")
    option("--device", default="cpu", help="device name for torch [cpu]")
    option = add(hdr, "HDR's networks: ms per image")
    option("--n", type=int, default=20, help="number of images [20]")
    option("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads to measure [1 2]")
    option("--sizes", nargs="+", default=["full", "small"], choices=("full", "small"), help="sizes of the networks")


def main() -> None:
    args = parse_args()
    result, as_table = args.run(args)
    print_table(as_table(result), args.markdown)
    if args.json:
        write_json(args.json, result)


def print_table(table: Table, markdown: bool = False) -> None:
    """Print a table. Markdown has one line per row, however long it is."""
    if markdown:
        table.box, table.title = MARKDOWN, None
        Console(width=10_000, soft_wrap=True).print(table)
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(table)


if __name__ == "__main__":
    run_tool(main)
