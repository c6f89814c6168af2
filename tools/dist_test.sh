#!/usr/bin/env bash
# bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [test.py options]
# One process per GPU. Without GPUs, GPUS is the number of CPU processes (gloo).
# For several machines set NNODES, NODE_RANK, MASTER_ADDR and PORT as for torchrun. On one machine a free port is used.
set -euo pipefail
if [ $# -lt 3 ]; then sed -n 2p "$0" | cut -c3- >&2; exit 2; fi
CONFIG=$1; CHECKPOINT=$2; GPUS=$3; shift 3
exec "${PYTHON:-python}" -m interhand_mm.cli.launch --nproc_per_node "$GPUS" \
    "$(dirname "$0")/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "$@"
