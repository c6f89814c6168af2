# The better single-hand pose: the quick start's own network on one clean right hand, 128 px, for a CPU.
# Published SH setting: it learns from single hands alone and never sees another hand in its crop.
_base_ = ["../quickstart/marginal.py"]

codec = dict(input_size=(128, 128))
train_pipeline = [
    dict(type="LoadHandImage"),
    dict(
        type="OneHandCrop",
        encoder={{_base_.codec}},
        enlarge=1.25,
        part="limb",
        context=2.0,  # a crop of two hands shows up to twice as much of an arm
        shift=0.05,
        scale=0.1,
        rotation_deg=30.0,
        rotation_prob=0.6,
    ),
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="EncodeHand", encoder={{_base_.codec}}),
    dict(type="PackHandInputs"),
]
test_pipeline = [
    dict(type="LoadHandImage"),
    dict(type="OneHandCrop", encoder={{_base_.codec}}, enlarge=1.25, part="limb"),
    dict(type="PackHandInputs"),
]
train_dataloader = dict(dataset=dict(type="OneHandDataset", interacting=None, pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(type="OneHandDataset", interacting=None, pipeline=test_pipeline))
# Its other outputs, handedness and relative root depth, have nothing to learn from; `OneHandDataset` says so.
test_evaluator = [dict(type="HandEPE")]
