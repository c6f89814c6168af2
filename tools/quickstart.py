"""The quick start, from a checkout; the same as `python -m interhand_mm.quickstart`."""

from __future__ import annotations

from interhand_mm.cli.arguments import run
from interhand_mm.quickstart.__main__ import main, parse_args

__all__ = ["main", "parse_args"]

if __name__ == "__main__":
    run(main)
