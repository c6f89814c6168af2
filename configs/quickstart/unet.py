# A small 2D U-Net on rendered single hands, like stage 1 of unet_freihand.py: green screen alone. It trains in minutes
# on one core. It is tested on green screen, and on photographs that were not used for training
# (--backgrounds TRAIN TEST).
_base_ = ["../_base_/runtime.py", "../_base_/interhand26m.py"]

codec = dict(_delete_=True, type="mmpose.MSRAHeatmap", input_size=(64, 64), heatmap_size=(64, 64), sigma=2.0)
data_root = "data/quickstart"
mask_root = "masks"  # below data_root
hand_types = ("right", "left")  # left hands are mirrored

model = dict(
    type="InterHandEstimator",
    data_preprocessor=dict(
        type="mmpose.PoseDataPreprocessor", mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0], bgr_to_rgb=True
    ),
    backbone=dict(type="UNet", base_channels=16, steps=3),
    head=dict(
        type="HandHeatmapHead",
        in_channels=16,
        out_channels=21,
        deconv_out_channels=None,
        final_layer=dict(kernel_size=3, padding=1),
        init_cfg=dict(type="Normal", layer="Conv2d", std=0.001, bias=-4.0),
        loss=dict(type="interhand_mm.DiceHeatmapLoss"),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=False),
    channels_last=True,
)

crop = dict(
    type="HandCropAugment",
    encoder=codec,
    shift=0.06,
    scale=0.1,
    rotation_deg=20.0,
    rotation_prob=0.3,
    flip_left_to_right=True,
)
train_pipeline = [
    dict(type="LoadHandImage"),
    crop,
    dict(type="GreenScreen", mask="file"),
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="PackHand2DInputs", encoder=None),
]
test_pipeline = [
    dict(type="LoadHandImage"),
    dict(type="HandCrop", encoder=codec, flip_left_to_right=True),
    dict(type="PackHandInputs"),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(mask_root=mask_root, hand_types=hand_types, pipeline=train_pipeline),
)
test_dataloader = dict(num_workers=0, dataset=dict(mask_root=mask_root, hand_types=hand_types, pipeline=test_pipeline))
val_dataloader = None
val_evaluator = None
val_cfg = None
test_evaluator = [dict(type="Keypoints2D", thr=0.2, norm="joints")]
test_variants = dict(
    green=[dict(type="GreenScreen", mask="file", fixed_seed=0)],
    photographs=[dict(type="RandomBackgroundReplace", prob=1.0, mask="file", fixed_seed=0)],
)

train_cfg = dict(by_epoch=True, max_epochs=3)
test_cfg = dict()
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="Adam", lr=3e-3, fused=True), clip_grad=dict(max_norm=5.0)
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.02, by_epoch=False, begin=0, end=30),
    dict(type="CosineAnnealingLR", eta_min_ratio=0.01, by_epoch=True, begin=0, convert_to_iter_based=True),
]
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(interval=1, max_keep_ckpts=1, save_best=None, save_optimizer=False, rule=None),
)
log_processor = dict(window_size=10)
