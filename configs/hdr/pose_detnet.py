# SingleHandPose as published: DetNet for right hands, Adam 1e-4, divided by 10 at 500 000 and 550 000 of 600 000
# iterations, batch 48.
# Trained on single hands of InterHand2.6M, left ones mirrored. For a CPU, model.width=16 takes a sixteenth of the work.
_base_ = ["../_base_/runtime.py"]
data_root = "data/InterHand2.6M"
max_iters = 600_000

codec = dict(
    type="InterHand3DCodec", input_size=(256, 256), sigma=2.5
)  # only its input_size, the size of the crop, is used
model = dict(
    type="SingleHandPose",
    data_preprocessor=dict(
        type="ImgDataPreprocessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    width=64,
    sigma=2.5,
    loss_weights=(1.0, 1.0, 5.0),
)
train_dataloader = dict(
    batch_size=48,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="OneHandDataset",
        data_root=data_root,
        split="train",
        mask_root=None,  # with masks, hands are cut out like in the plugin; without, by the annotated box
        cache_dir=None,
        strict="error",
        pipeline=[
            dict(type="LoadHandImage"),
            dict(
                type="OneHandCrop",
                encoder=codec,
                enlarge=1.25,
                shift=0.15,
                scale=0.25,
                rotation_deg=45.0,
                rotation_prob=0.6,
            ),
            dict(type="ChannelJitter", low=0.8, high=1.2),
            dict(type="PackOneHand"),
        ],
    ),
)
test_dataloader = dict(
    batch_size=48,
    num_workers=4,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(
        type="OneHandDataset",
        data_root=data_root,
        split="test",
        mask_root=None,
        cache_dir=None,
        strict="error",
        test_mode=True,
        pipeline=[
            dict(type="LoadHandImage"),
            dict(type="OneHandCrop", encoder=codec, enlarge=1.25),
            dict(type="PackOneHand"),
        ],
    ),
)
test_evaluator = [dict(type="HandEPE")]
test_cfg = dict()
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-4, fused=True))
param_scheduler = [dict(type="MultiStepLR", milestones=[500_000, 550_000], gamma=0.1, by_epoch=False)]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters)
log_processor = dict(by_epoch=False)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=3000, save_best=None))
