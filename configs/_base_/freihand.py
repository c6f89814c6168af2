# FreiHAND in 2D: one right hand, 21 heatmaps. `--data-root` says where it is; `codec` is shared by network and data.
# Sigma 3 is published, the size of crop and heatmap is not: FreiHAND's pictures are 224 px.
codec = dict(type="mmpose.MSRAHeatmap", input_size=(224, 224), heatmap_size=(224, 224), sigma=3.0)
data_root = "data/FreiHAND"

train_pipeline = [
    dict(type="LoadHandImage"),
    dict(
        type="HandCropAugment",
        encoder=codec,
        shift=0.06,
        scale=0.1,
        rotation_deg=20.0,
        rotation_prob=0.5,
        flip_left_to_right=True,  # lefts, in data sets that have them, are mirrored; nothing else is
    ),
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="PackHand2DInputs", encoder=None),
]
test_pipeline = [
    dict(type="LoadHandImage"),
    dict(type="HandCrop", encoder=codec, flip_left_to_right=True),
    dict(type="PackHandInputs"),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="FreiHANDDataset",
        data_root=data_root,
        split="train",
        versions=("gs", "hom", "sample", "auto"),
        box="image",  # all of the picture, as for the evaluation set, whose joints nobody is given
        strict="error",
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(
        type="FreiHANDDataset",
        data_root=data_root,
        split="val",
        versions=("gs", "hom", "sample", "auto"),
        box="image",
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
        type="FreiHANDDataset",
        data_root=data_root,
        split="test",
        versions=("gs", "hom", "sample", "auto"),
        box="image",
        strict="error",
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
# PCK of the hand's size; mmpose prints that of the whole picture: norm="bbox".
val_evaluator = dict(type="Keypoints2D", thr=0.2, norm="joints")
test_evaluator = val_evaluator
