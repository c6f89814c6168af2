# The Segmentor for a CPU, trained in minutes: the quick start's pose backbone (half-width ResNet-18) with the head of four
# branches, on the pose network's crop at 128 px. Its frames and masks come from tools/make_synthetic.py; half of them show
# one hand, so that it does not invent a second one. tools/quickstart.py hdr makes the data and chooses the epochs.
# Training starts from a pose network, which can tell left from right: --load-from work_dirs/quickstart/.../epoch_N.pth.
# MiT-B0 with random weights had not learned that after 12,000 samples.
_base_ = ["../_base_/runtime.py", "../_base_/interhand26m.py"]

codec = dict(input_size=(128, 128))
data_root = "data/quickstart/hdr"
mask_root = "masks"  # below data_root
max_epochs = 7

model = dict(
    type="HandSegmentor",
    data_preprocessor=dict(
        type="ImgDataPreprocessor", mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0], bgr_to_rgb=True
    ),  # as in the pose network
    backbone=dict(type="mmpose.ResNet", depth=18, stem_channels=32, base_channels=32, out_indices=(0, 1, 2, 3)),
    decode_head=dict(type="AmodalMaskHead", in_channels=(32, 64, 128, 256), channels=64, dropout=0.0),
    flip_test=False,
)
train_pipeline = [
    dict(type="LoadHandImage"),
    dict(
        type="HandCropAugment",
        encoder={{_base_.codec}},
        shift=0.1,
        scale=0.2,
        rotation_deg=30.0,
        rotation_prob=0.4,
        flip_prob=0.5,
    ),
    dict(type="LoadLimbMasks"),
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="PackAmodalInputs"),
]
test_pipeline = [
    dict(type="LoadHandImage"),
    dict(type="HandCrop", encoder={{_base_.codec}}),
    dict(type="LoadLimbMasks"),
    dict(type="PackAmodalInputs"),
]
train_dataloader = dict(
    batch_size=16, num_workers=0, persistent_workers=False, dataset=dict(mask_root=mask_root, pipeline=train_pipeline)
)
test_dataloader = dict(num_workers=0, dataset=dict(mask_root=mask_root, pipeline=test_pipeline))
# The baselines are given the true visible masks.
test_evaluator = [
    dict(type="AmodalIoU"),
    dict(type="AmodalIoU", baseline="visible", prefix="visible"),
    dict(type="AmodalIoU", baseline="hull", prefix="hull"),
]
test_cfg = dict()
val_dataloader = None
val_evaluator = None
val_cfg = None

train_cfg = dict(by_epoch=True, max_epochs=max_epochs)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.01, fused=True),
    paramwise_cfg=dict(norm_decay_mult=0.0, custom_keys={"head": dict(lr_mult=3.0)}),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.02, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", eta_min_ratio=0.005, by_epoch=True, begin=0, convert_to_iter_based=True),
]
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=1, max_keep_ckpts=1, save_best=None, save_optimizer=False, rule=None),
)
custom_hooks = [dict(type="SampleSeedHook"), dict(type="SkipReportHook"), dict(type="ChannelsLastHook")]
log_processor = dict(window_size=20)
