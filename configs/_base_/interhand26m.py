# InterHand2.6M and its metrics. `--data-root` says where it is; `codec` is shared by network and data.
codec = dict(type="InterHand3DCodec", input_size=(256, 256), heatmap_size=(64, 64, 64), sigma=2.5, depth_range_mm=400.0)
data_root = "data/InterHand2.6M"

# The official ranges. Shift and scale in parts of the box; rotation_deg is one standard deviation, cut at two.
train_pipeline = [
    dict(type="LoadHandImage"),
    dict(
        type="HandCropAugment",
        encoder=codec,
        shift=0.15,
        scale=0.25,
        rotation_deg=45.0,
        rotation_prob=0.6,
        flip_prob=0.5,
    ),
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
    dataset=dict(
        type="InterHandDataset",
        data_root=data_root,
        split="train",
        annot_subset="all",
        ann_ids_file=None,
        hand_types=None,
        blocklist=None,
        cache_dir=None,
        crop_cache=None,
        strict="error",
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    # Padding would count some samples twice on several processes.
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(
        type="InterHandDataset",
        data_root=data_root,
        split="val",
        annot_subset="machine_annot",  # of the older layout; the only one that has val
        depth_source="gt",
        rootnet_file=None,
        fps=5,
        ann_ids_file=None,
        hand_types=None,
        blocklist=None,
        cache_dir=None,
        strict="error",
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=4,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(
        type="InterHandDataset",
        data_root=data_root,
        split="test",
        annot_subset="all",
        depth_source="gt",
        rootnet_file=None,
        boxes=None,
        fps=5,
        ann_ids_file=None,
        hand_types=None,
        blocklist=None,
        cache_dir=None,
        strict="error",
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
val_evaluator = [dict(type="MPJPE"), dict(type="MRRPE"), dict(type="HandednessAccuracy")]
test_evaluator = val_evaluator
