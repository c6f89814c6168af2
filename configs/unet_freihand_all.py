# U-Net on FreiHAND, published stage 2: 100 more epochs on all four versions. Start with --load-from and the last
# checkpoint of stage 1.
_base_ = ["unet_freihand.py"]

train_dataloader = dict(dataset=dict(versions=("gs", "hom", "sample", "auto")))
train_cfg = dict(max_epochs=100)
