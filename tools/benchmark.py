"""Measure this project beside its peers, ratios first.

python tools/benchmark.py index --n 50000 --json index.json
python tools/benchmark.py render --n 400
python tools/benchmark.py hdr --sizes small --n 20
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from interhand_mm.apis.benchmark.index import PEERS, benchmark_index
from interhand_mm.utils.provenance import write_json


def print_index(result: dict[str, Any], console: Console) -> None:
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
    console.print(table)


def print_render(result: dict[str, Any], console: Console) -> None:
    table = Table(title=f"synthetic hands, {result['count']:,} images, all in")
    for heading in ("processes", "faster by", "ms an image", "images a second"):
        table.add_column(heading, justify="right")
    for name, run in result["runs"].items():
        ratio = f"{result['ratios'][name]:.2f}x"
        table.add_row(name, ratio, f"{run['ms_per_image']:.1f}", f"{run['images_per_second']:.0f}")
    console.print(table)


def print_hdr(result: dict[str, Any], console: Console) -> None:
    table = Table(title=f"HDR's networks, ms an image (median of {result['count']}), random weights, float32")
    threads = list(result["rows"][0]["ms"])
    for heading in ("size", "stage", "px", "parameters, M", *(f"{number} threads" for number in threads)):
        table.add_column(heading, justify="left" if heading in ("size", "stage") else "right")
    for row in result["rows"]:
        times = (f"{row['ms'][number]:.1f}" for number in threads)
        table.add_row(row["size"], row["stage"], str(row["side_px"]), f"{row['parameters'] / 1e6:.2f}", *times)
    console.print(table)


def index(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    return benchmark_index(args.n, tuple(args.peers), args.repeat), print_index


def render(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    from interhand_mm.apis.benchmark.render import benchmark_render

    return benchmark_render(args.n, tuple(args.workers), args.repeat), print_render


def hdr(args: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    from interhand_mm.apis.benchmark.hdr import benchmark_hdr

    return benchmark_hdr(args.n, tuple(args.threads), tuple(args.sizes)), print_hdr


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", type=Path, help="write the figures with their provenance here")
    common.add_argument("--repeat", type=int, default=1, help="runs of each; the median time counts")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("index", parents=[common], help="annotation loading: time and peak memory")
    one.add_argument("--n", type=int, default=50_000, help="annotations in the synthetic set")
    one.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS, help="none: give the option alone")
    one.set_defaults(run=index)
    two = commands.add_parser("render", parents=[common], help="synthetic hands: images a second")
    two.add_argument("--n", type=int, default=400, help="images a run")
    two.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="numbers of processes")
    two.set_defaults(run=render)
    three = commands.add_parser("hdr", parents=[common], help="HDR's networks: ms an image")
    three.add_argument("--n", type=int, default=20, help="images")
    three.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads")
    three.add_argument("--sizes", nargs="+", default=["full", "small"], choices=("full", "small"))
    three.set_defaults(run=hdr)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    result, show = args.run(args)
    show(result, Console())
    if args.json:
        write_json(args.json, result)


if __name__ == "__main__":
    main()
