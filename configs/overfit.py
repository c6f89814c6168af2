# Check an installation: overfit InterNet to any four frames of InterHand2.6M, from random weights and without
# augmentation. --data-root names a folder with those four frames. docs/guide/training.md lists the errors to expect.
# The whole chain is exercised: annotations, crops, losses, decoding and evaluation.
_base_ = ["internet.py"]

model = dict(channels_last=True, backbone=dict(init_cfg=None))
train_pipeline = [
    dict(type="LoadHandImage"),
    dict(
        type="HandCropAugment",
        encoder={{_base_.codec}},
        shift=0,
        scale=0,
        rotation_deg=45.0,
        rotation_prob=0,
        flip_prob=0,
    ),
    dict(type="ChannelJitter", low=1, high=1),
    dict(type="EncodeHand", encoder={{_base_.codec}}),
    dict(type="PackHandInputs"),
]
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(pipeline=train_pipeline))
# Validation runs on the four training frames.
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(split="train"))

train_cfg = dict(max_epochs=300, val_interval=100)
param_scheduler = [dict(type="MultiStepLR", milestones=[300], gamma=0.1, by_epoch=True)]
optim_wrapper = dict(type="Bfloat16OptimWrapper", optimizer=dict(lr=2e-3))
default_hooks = dict(checkpoint=dict(interval=300))
