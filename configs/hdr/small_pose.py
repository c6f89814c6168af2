# Single-hand pose for a CPU: the quick start's network on one clean right hand of 128 px.
# It learns from single hands, as published, and from the hands that tools/restore_hands.py restores in two-hand frames,
# because it sees painted skin at test.
_base_ = ["../quickstart/marginal.py"]

codec = dict(input_size=(128, 128))
data_root = "data/quickstart/hdr"
mask_root = "masks"  # below data_root
load = dict(type="LoadHandImage")
ranges = dict(shift=0.05, scale=0.1, rotation_deg=30.0, rotation_prob=0.6)
crop = dict(type="OneHandCrop", encoder={{_base_.codec}}, enlarge=1.25, part="limb")
packed = [
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="EncodeHand", encoder={{_base_.codec}}),
    dict(type="PackHandInputs"),
]
# A crop of two hands shows up to twice as much of an arm, so `context` is 2 for single hands. Restored frames have such
# a crop.
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
test_variants = dict(_delete_=True)  # the variant with photographs needs the crop of both hands
# `OneHandDataset` marks handedness and relative root depth as unknown, so these outputs are not trained.
test_evaluator = [dict(type="HandEPE")]
