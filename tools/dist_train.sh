#!/usr/bin/env bash
# bash tools/dist_train.sh CONFIG GPUS [train.py options]
# One process per GPU. Without GPUs, GPUS is the number of CPU processes (gloo).
# For several machines set NNODES, NODE_RANK, MASTER_ADDR and PORT as for torchrun. On one machine a free port is used.
set -euo pipefail
if [ $# -lt 2 ]; then sed -n 2p "$0" | cut -c3- >&2; exit 2; fi
CONFIG=$1; GPUS=$2; shift 2
exec "${PYTHON:-python}" -m interhand_mm.cli.launch --nproc_per_node "$GPUS" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "$@"
