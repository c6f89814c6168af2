# Continue InterNet with photographs behind half of the samples, and test it with and without them.
# Start from the published or your own InterNet: --load-from CHECKPOINT; photographs: --backgrounds TRAIN_DIR [TEST_DIR].
# In print: epochs 21 to 40 of one run, Adam 1e-4, /10 at 15, 25 and 35, batch 32; epoch 29 (here 9) was reported.
_base_ = ["internet.py"]

train_pipeline = [
    dict(type="LoadHandImage"),
    dict(
        type="HandCropAugment",
        encoder={{_base_.codec}},
        shift=0.15,
        scale=0.25,
        rotation_deg=45.0,
        rotation_prob=0.6,
        flip_prob=0.5,
    ),
    dict(type="RandomBackgroundReplace", prob=0.5, mask="matte", backgrounds=None),
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="EncodeHand", encoder={{_base_.codec}}),
    dict(type="PackHandInputs"),
]
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))

# The same photograph for everyone: drawn by a hash of the sample's name, none stored.
test_variants = dict(
    augmented=[dict(type="RandomBackgroundReplace", prob=1.0, mask="threshold", backgrounds=None, fixed_seed=0)]
)

# The published run counted on from epoch 20, so past its first step: 1e-5, then /10 at its 25 and 35.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
param_scheduler = [dict(type="MultiStepLR", milestones=[5, 15], gamma=0.1, by_epoch=True)]
train_cfg = dict(max_epochs=20)
