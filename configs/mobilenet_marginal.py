# For photographs: MobileNetV2 at 128 px with 1D marginals, from ImageNet weights, on renders with camera effects.
# The ImageNet weights are converted once (tools/convert_checkpoint.py mobilenetv2-imagenet).
_base_ = ["quickstart/marginal.py"]

codec = dict(input_size=(128, 128))
model = dict(
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(
        _delete_=True,
        type="mmpose.MobileNetV2",
        out_indices=(4, 6),
        frozen_stages=2,  # the first two stages are a third of the forward and half of the backward pass
        init_cfg=dict(type="Pretrained", checkpoint="data/mobilenetv2_imagenet.pth"),
    ),
    head=dict(in_channels=(96, 320)),
)

train_crop = dict(
    type="HandCropAugment",
    encoder={{_base_.codec}},
    shift=0.12,
    scale=0.25,
    rotation_deg=30.0,
    rotation_prob=0.6,
    flip_prob=0.5,
)
train_pipeline = [
    dict(type="LoadHandImage"),
    train_crop,
    dict(type="RandomBackgroundReplace", prob=0.7, mask="file"),
    dict(type="CameraEffects", spectrum=0.15),
    dict(type="EncodeHand", encoder={{_base_.codec}}),
    dict(type="PackHandInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
