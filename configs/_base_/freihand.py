# FreiHAND in 2D: one right hand, 21 heatmaps. --data-root sets the folder. Network and data share one codec.
# Sigma 3 is published; the sizes of the crop and the heatmap are not. FreiHAND's images have 224 x 224 px.
codec = dict(type="mmpose.MSRAHeatmap", input_size=(224, 224), heatmap_size=(224, 224), sigma=3.0)
data_root = "data/FreiHAND"

train_crop = dict(
    type="HandCropAugment",
    encoder=codec,
    shift=0.06,
    scale=0.1,
    rotation_deg=20.0,
    rotation_prob=0.5,
    flip_left_to_right=True,  # mirrors left hands, if the data set has any
)
train_pipeline = [
    dict(type="LoadHandImage"),
    train_crop,
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="PackHand2DInputs", encoder=None),
]
test_pipeline = [
    dict(type="LoadHandImage"),
    dict(type="HandCrop", encoder=codec, flip_left_to_right=True),
    dict(type="PackHandInputs"),
]
# box="image" crops the whole image, as in the evaluation set, whose images come without joints and boxes.
freihand = dict(type="FreiHANDDataset", data_root=data_root, box="image")
train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(split="train", pipeline=train_pipeline, **freihand),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(
        split="val",
        versions=("gs", "hom", "sample", "auto"),
        test_mode=True,
        pipeline=test_pipeline,
        **freihand,
    ),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=4,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(split="test", test_mode=True, pipeline=test_pipeline, **freihand),
)
# PCK relative to the size of the hand. norm="bbox" is mmpose's PCK, relative to the whole image.
val_evaluator = dict(type="Keypoints2D", thr=0.2, norm="joints")
test_evaluator = val_evaluator
