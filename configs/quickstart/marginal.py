# A small network that learns both hands on a CPU in minutes: half-width ResNet-18 at 96 px with 1D marginals.
# tools/quickstart.py renders its data, chooses the number of epochs from the available time, and uses bfloat16 if the
# CPU supports it.
_base_ = ["../_base_/runtime.py", "../_base_/interhand26m.py"]

codec = dict(input_size=(96, 96))
data_root = "data/quickstart"

model = dict(
    type="InterHandEstimator",
    data_preprocessor=dict(
        type="mmpose.PoseDataPreprocessor", mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0], bgr_to_rgb=True
    ),
    backbone=dict(type="mmpose.ResNet", depth=18, stem_channels=32, base_channels=32, out_indices=(2, 3)),
    head=dict(
        type="InterHandMarginalHead",
        in_channels=(128, 256),
        channels=128,
        loss_keypoint=dict(type="MarginalLoss", expectation_weight=0.3),
        # The weight is small, because this loss is in bins and the others are in nats.
        loss_root_depth=dict(type="RootDepthLoss", loss_weight=0.1),
        decoder={{_base_.codec}},
    ),
    test_cfg=dict(flip_test=False),
    channels_last=True,
)

# Weaker augmentation than the official one. Because all hands come from below, left and right are learned quickly, and
# the full augmentation costs 3 mm after 20,000 samples. Errors of detected boxes are smaller than this augmentation.
train_crop = dict(
    type="HandCropAugment",
    encoder={{_base_.codec}},
    shift=0.06,
    scale=0.1,
    rotation_deg=20.0,
    rotation_prob=0.3,
    flip_prob=0.5,
)
train_pipeline = [
    dict(type="LoadHandImage"),
    train_crop,
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="EncodeHand", encoder={{_base_.codec}}),
    dict(type="PackHandInputs"),
]
# Exact masks of the renderer; marginal_bgaug.py uses them.
mask_root = "masks"  # below data_root
# No workers: the quick start trains two networks at once, one per core.
train_dataloader = dict(
    batch_size=32, num_workers=0, persistent_workers=False, dataset=dict(mask_root=mask_root, pipeline=train_pipeline)
)
test_dataloader = dict(num_workers=0, dataset=dict(mask_root=mask_root))

# No validation: each pass would take a fifth of an epoch, and the weights of the last epoch are the result.
val_dataloader = None
val_evaluator = None
val_cfg = None
train_cfg = dict(by_epoch=True, max_epochs=12)
test_cfg = dict()

optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=3e-3, weight_decay=0.01, fused=True),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.02, by_epoch=False, begin=0, end=60),
    dict(type="CosineAnnealingLR", eta_min_ratio=0.005, by_epoch=True, begin=0, convert_to_iter_based=True),
]
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(interval=1, max_keep_ckpts=1, save_best=None, save_optimizer=False, rule=None),
)
log_processor = dict(window_size=10)

# The photograph is chosen by a hash of the sample's name, so all models are tested on the same images. The masks are
# exact: the published threshold would leave lamps and clothes around the hands, and so make the augmented set easier.
test_variants = dict(augmented=[dict(type="RandomBackgroundReplace", prob=1.0, mask="file", fixed_seed=0)])
