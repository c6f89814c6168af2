#!/usr/bin/env bash
# bash tools/train_shipped.sh PHOTOS_TRAIN PHOTOS_TEST
# Render hands, and train the detector and the pose network that ship, from ImageNet weights to tested checkpoints in work_dirs/.
# It needs data/mobilenetv2_imagenet.pth and data/hand_photos; docs/datasets/photographs.md says where they come from.
# A second run continues the first. Environment variables, with their defaults:
#   RENDERS=12000  images of the largest rendered set; the others have a part of it
#   EPOCHS=40      passes of 8,000 samples for the pose network, and 1/4 as many of 3,000 for the detector
#   WORKERS        processes that render and load images (all cores)
#   AMP            bfloat16 or float16 on a GPU; empty computes in float32
set -euo pipefail
if [ $# -ne 2 ]; then sed -n 2,10p "$0" | cut -c3- >&2; exit 2; fi
TRAIN=$1; TEST=$2
RENDERS=${RENDERS:-12000}; EPOCHS=${EPOCHS:-40}; WORKERS=${WORKERS:-$(nproc)}
TOOLS=$(dirname "$0"); CONFIGS=$TOOLS/../configs
run() { echo "+ $*" >&2; "${PYTHON:-python}" "$@"; }

render() {  # OUT SHARE_OF_RENDERS SEED [options]
    run "$TOOLS/make_synthetic.py" --out "data/$1" --num $((RENDERS * $2 / 12)) --size 320x240 --seed "$3" \
        --workers "$WORKERS" "${@:4}"
}
render wild 12 1 --num-test $((RENDERS / 24 + 1)) --preset wild --background "$TRAIN"
render studio 4 2 --num-test $((RENDERS / 40 + 1))
render studio_photos 3 3 --background "$TRAIN"
render poses_photos 3 3 --preset studio+views+poses --background "$TRAIN"
run "$TOOLS/make_scenes.py" --hands data/wild --photographs "$TRAIN" "$TEST" --out data/scenes --num $((RENDERS * 5 / 24)) \
    --num-test $((RENDERS / 60 + 1)) --side-px 480 --workers "$WORKERS"
[ -f data/hand_photos/negatives_train.json ] ||
    run "$TOOLS/prepare_hand_photos.py" data/hand_photos/train.json --negatives "$TRAIN" --out data/hand_photos

loaders=(train_dataloader.num_workers="$WORKERS" train_dataloader.persistent_workers=True)
[ "$WORKERS" -gt 2 ] || loaders=()  # with few cores, loading beside the network gains nothing
train() {  # CONFIG EPOCHS [options]
    run "$TOOLS/train.py" "$1" --resume ${AMP:+--amp "$AMP"} "${@:3}" \
        --cfg-options randomness.seed=0 train_cfg.max_epochs="$2" ${loaders[@]+"${loaders[@]}"}
}
DETECTOR_EPOCHS=$(((EPOCHS + 3) / 4))
train "$CONFIGS/detector/rtmdet_mobilenet.py" "$DETECTOR_EPOCHS"
train "$CONFIGS/mobilenet_mixed.py" "$EPOCHS" --backgrounds "$TRAIN"
run "$TOOLS/test.py" "$CONFIGS/detector/rtmdet_mobilenet.py" "work_dirs/rtmdet_mobilenet/epoch_$DETECTOR_EPOCHS.pth"
run "$TOOLS/test.py" "$CONFIGS/mobilenet_mixed.py" "work_dirs/mobilenet_mixed/epoch_$EPOCHS.pth"
