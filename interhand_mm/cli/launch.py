"""Start the processes of a distributed run with torchrun, and print the error of a process that stopped last.

dist_train.sh and dist_test.sh call it with torchrun's arguments, and PORT as the only port that is allowed, if it is
set. With one machine and no PORT, a free port is used.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from pathlib import Path

from ..errors import ConfigError
from .arguments import ERROR_FOLDER


def pick_port(wanted: str | None, machines: int) -> int:
    """Return the port for the processes to connect through.

    Args:
        wanted: Port that the user chose, or None.
        machines: Number of machines. They agree on 29500 unless the user chose another.

    Raises:
        ConfigError: The chosen port is in use on this machine.
    """
    if machines > 1:
        return int(wanted or 29500)
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", int(wanted or 0)))
        except OSError as error:
            raise ConfigError(
                f"port {wanted} cannot be used", got=error.strerror, fix="leave PORT out, and a free one is taken"
            ) from error
        return int(probe.getsockname()[1])


def launch() -> None:
    """Run torchrun with the arguments of the command line."""
    machines = int(os.environ.get("NNODES", "1"))
    port = pick_port(os.environ.get("PORT"), machines)
    arguments = [
        f"--nnodes={machines}",
        f"--node_rank={os.environ.get('NODE_RANK', '0')}",
        f"--master_addr={os.environ.get('MASTER_ADDR', '127.0.0.1')}",
        f"--master_port={port}",
        *sys.argv[1:],
    ]
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError  # imported late: torch is slow
    from torch.distributed.run import main as torchrun

    with tempfile.TemporaryDirectory() as folder:
        os.environ[ERROR_FOLDER] = folder
        try:
            torchrun(arguments)
        except ChildFailedError:
            errors = dict.fromkeys(path.read_text(encoding="utf-8") for path in sorted(Path(folder).iterdir()))
            if not errors:
                raise
            print("", *errors, sep="\n", file=sys.stderr)
            sys.exit(2)


if __name__ == "__main__":
    try:
        launch()
    except ConfigError as error:
        print(f"ConfigError: {error}", file=sys.stderr)
        sys.exit(2)
