# Continue InterNet with photographs behind half of the samples, and test it with and without them.
# Start from the published InterNet or your own: --load-from CHECKPOINT; photographs: --backgrounds TRAIN_DIR [TEST_DIR].
# As published: epochs 21 to 40 of one run, Adam 1e-4, /10 at 15, 25 and 35, batch 32; epoch 29 (9 here) was reported.
_base_ = ["internet.py"]

train_pipeline = [
    dict(type="LoadHandImage"),
    {{_base_.train_crop}},
    dict(type="RandomBackgroundReplace", prob=0.5, mask="matte"),
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="EncodeHand", encoder={{_base_.codec}}),
    dict(type="PackHandInputs"),
]
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))

# A hash of the sample's name draws the photograph, so every run sees the same ones and none are stored.
test_variants = dict(augmented=[dict(type="RandomBackgroundReplace", prob=1.0, mask="threshold", fixed_seed=0)])

# The published run kept counting from epoch 20, so it was past its first step: 1e-5, then /10 at its epochs 25 and 35.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
param_scheduler = [dict(type="MultiStepLR", milestones=[5, 15], gamma=0.1, by_epoch=True)]
train_cfg = dict(max_epochs=20)
