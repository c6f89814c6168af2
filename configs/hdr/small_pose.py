# The better single-hand pose: the quick start's own network on one clean right hand, 128 px, for a CPU.
# It learns from single hands, as published, and from what tools/restore_hands.py makes of two-hand frames: painted
# skin, which it meets at test and would otherwise never have seen.
_base_ = ["../quickstart/marginal.py"]

codec = dict(input_size=(128, 128))
data_root = "data/quickstart/hdr"
mask_root = "data/quickstart/hdr/masks"
load = dict(type="LoadHandImage")
ranges = dict(shift=0.05, scale=0.1, rotation_deg=30.0, rotation_prob=0.6)
crop = dict(type="OneHandCrop", encoder={{_base_.codec}}, enlarge=1.25, part="limb")
packed = [
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="EncodeHand", encoder={{_base_.codec}}),
    dict(type="PackHandInputs"),
]
# A crop of two hands shows up to twice as much of an arm; a restored frame has one to be cut by.
single_pipeline = [load, dict(context=2.0, **crop, **ranges), *packed]
restored_pipeline = [load, dict(context=1.0, **crop, **ranges), *packed]
test_pipeline = [load, crop, dict(type="PackHandInputs")]
hands = dict(type="OneHandDataset", data_root=data_root, mask_root=mask_root, annot_subset="all", strict="error")
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="ConcatDataset",
        datasets=[
            dict(split="train", interacting=None, pipeline=single_pipeline, **hands),
            dict(split="restored_train", interacting=None, pipeline=restored_pipeline, **hands),
        ],
    )
)
test_dataloader = dict(
    dataset=dict(type="OneHandDataset", interacting=None, mask_root=mask_root, pipeline=test_pipeline)
)
test_variants = dict(_delete_=True)  # photographs need the crop of both hands
# Its other outputs, handedness and relative root depth, have nothing to learn from; `OneHandDataset` says so.
test_evaluator = [dict(type="HandEPE")]
