# The Inpaintor for a CPU, trained in minutes: six levels of 24 and more channels, on one hand's crop of 128 px.
# It learns from rendered interactions with each hand as the target, and from single hands that are combined anew in
# every epoch.
_base_ = ["../_base_/runtime.py"]

data_root = "data/quickstart/hdr"
max_epochs = 3
size = (128, 128)

model = dict(
    type="HandInpaintor",
    data_preprocessor=dict(
        type="InpaintPreprocessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    generator=dict(type="PartialConvUNet", in_channels=8, base_channels=24, depth=6),
    discriminator=None,
    vgg16=None,
    loss_weights=dict(valid=0.3, hole_deocclusion=12.0, hole_removal=6.0, tv=0.1),
    residual=True,
    dilation=5,  # the same fraction of the crop as the published 9 px of 256
)
augmented = [
    dict(type="MirrorHands"),
    dict(type="CropTarget", size=size, shift=0.08, scale=0.2, rotation_deg=30.0, rotation_prob=0.5),
    dict(type="JointColorJitter", gain=0.2, shift=20.0, contrast=0.2),
    dict(type="PackAmodalInputs"),
]
aih = dict(type="AIHDataset", data_root=data_root, split="train", annot_subset="all", strict="error")
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="ConcatDataset",
        datasets=[
            dict(part="render", pipeline=[dict(type="LoadAIH"), *augmented], **aih),
            dict(
                part="syn",
                online=True,
                pipeline=[
                    dict(type="LoadAIH"),
                    dict(type="SynthesizeInteraction", occlusion=(0.0, 0.9), front_prob=0.7),
                    *augmented,
                ],
                **aih,
            ),
        ],
    ),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(
        type="AIHDataset",
        data_root=data_root,
        split="test",
        part="render",
        annot_subset="all",
        strict="error",
        test_mode=True,
        pipeline=[
            dict(type="LoadAIH"),
            dict(type="MirrorHands"),
            dict(type="CropTarget", size=size),
            dict(type="PackAmodalInputs"),
        ],
    ),
)
test_evaluator = [
    dict(type="RestorationScore"),
    dict(type="RestorationScore", baseline="mean", prefix="mean"),
    dict(type="RestorationScore", baseline="telea", prefix="telea"),
]
test_cfg = dict()

train_cfg = dict(by_epoch=True, max_epochs=max_epochs)
optim_wrapper = dict(
    constructor="SubmoduleOptimWrapperConstructor",
    generator=dict(
        type="OptimWrapper",
        optimizer=dict(type="AdamW", lr=2e-3, weight_decay=0.01, fused=True),
        # The output layer has no batch norm and divides by about 300 values, so its weights must become large.
        paramwise_cfg=dict(custom_keys={"dec_1": dict(lr_mult=20.0)}),
        clip_grad=dict(max_norm=5.0),
    ),
)
schedule = [
    dict(type="LinearLR", start_factor=0.02, by_epoch=False, begin=0, end=100),
    dict(type="CosineAnnealingLR", eta_min_ratio=0.005, by_epoch=True, begin=0, convert_to_iter_based=True),
]
param_scheduler = dict(generator=schedule)
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=1, max_keep_ckpts=1, save_best=None, save_optimizer=False, rule=None),
)
custom_hooks = [dict(type="SampleSeedHook"), dict(type="SkipReportHook"), dict(type="ChannelsLastHook")]
log_processor = dict(window_size=20)
# One DDP wrapper per network, because each network has its own optimizer step.
model_wrapper_cfg = dict(type="MMSeparateDistributedDataParallel")
