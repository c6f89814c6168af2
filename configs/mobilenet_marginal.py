# For photographs: MobileNetV2 at 128 px with 1D marginals, from ImageNet weights, on renders with camera effects.
# docs/datasets/photographs.md shows how to get the weights and the data.
_base_ = ["_base_/runtime.py", "_base_/interhand26m.py"]

codec = dict(input_size=(128, 128))
data_root = "data/quickstart"

model = dict(
    type="InterHandEstimator",
    data_preprocessor=dict(
        type="mmpose.PoseDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type="mmpose.MobileNetV2",
        out_indices=(4, 6),
        frozen_stages=2,  # halves the time of a training step
        init_cfg=dict(type="Pretrained", checkpoint="data/mobilenetv2_imagenet.pth"),
    ),
    head=dict(
        type="InterHandMarginalHead",
        in_channels=(96, 320),
        channels=128,
        layers=2,  # what the first layer has seen tells the second one where to look
        loss_keypoint=dict(type="MarginalLoss", expectation_weight=0.3),
        # The weight is small, because this loss is in bins and the others are in nats.
        loss_root_depth=dict(type="RootDepthLoss", loss_weight=0.1),
        decoder={{_base_.codec}},
    ),
    test_cfg=dict(flip_test=False),
    channels_last=True,
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
mask_root = "masks"  # below data_root: exact masks of the renderer
train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(mask_root=mask_root, pipeline=train_pipeline),
)
test_dataloader = dict(num_workers=0, dataset=dict(mask_root=mask_root))

# No validation: the weights of the last epoch are the result.
val_dataloader = None
val_evaluator = None
val_cfg = None
train_cfg = dict(by_epoch=True, max_epochs=12)
test_cfg = dict()

optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.01, fused=True),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.02, by_epoch=False, begin=0, end=60),
    dict(type="CosineAnnealingLR", eta_min_ratio=0.005, by_epoch=True, begin=0, convert_to_iter_based=True),
]
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(interval=1, max_keep_ckpts=1, save_best=None, save_optimizer=True, rule=None),
)
test_variants = dict(augmented=[dict(type="RandomBackgroundReplace", prob=1.0, mask="file", fixed_seed=0)])
