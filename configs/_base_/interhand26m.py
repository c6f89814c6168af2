# InterHand2.6M and its metrics. --data-root sets the folder. Network and data share one codec.
codec = dict(type="InterHand3DCodec", input_size=(256, 256), heatmap_size=(64, 64, 64), sigma=2.5, depth_range_mm=400.0)
data_root = "data/InterHand2.6M"

# The official ranges. Shift and scale are fractions of the box; rotation_deg is one standard deviation, clipped at two.
train_crop = dict(
    type="HandCropAugment",
    encoder=codec,
    shift=0.15,
    scale=0.25,
    rotation_deg=45.0,
    rotation_prob=0.6,
    flip_prob=0.5,
)
train_pipeline = [
    dict(type="LoadHandImage"),
    train_crop,
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="EncodeHand", encoder=codec),
    dict(type="PackHandInputs"),
]
test_pipeline = [
    dict(type="LoadHandImage"),
    dict(type="HandCrop", encoder=codec),
    dict(type="PackHandInputs"),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(type="InterHandDataset", data_root=data_root, split="train", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    # With round_up, the last batch would be padded, and several processes would count some samples twice.
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(
        type="InterHandDataset",
        data_root=data_root,
        split="val",
        annot_subset="machine_annot",  # the only subset of the older layout that has a validation split
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=4,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(type="InterHandDataset", data_root=data_root, split="test", test_mode=True, pipeline=test_pipeline),
)
val_evaluator = [dict(type="MPJPE"), dict(type="MRRPE"), dict(type="HandednessAccuracy")]
test_evaluator = val_evaluator
