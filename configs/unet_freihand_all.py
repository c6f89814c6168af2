# U-Net on FreiHAND, stage 2 in print: 100 more epochs on all four versions, --load-from stage 1's last checkpoint.
_base_ = ["unet_freihand.py"]

train_dataloader = dict(dataset=dict(versions=("gs", "hom", "sample", "auto")))
train_cfg = dict(max_epochs=100)
