# The network that lifts hands in anybody's photograph: mobilenet_marginal.py on renders like photographs ("wild"), on
# renders like InterHand2.6M ("studio"), and on photographs with the 2D keypoints of another network.
# docs/datasets/photographs.md shows how to get the data.
_base_ = ["mobilenet_marginal.py"]

data_root = None  # each data set has its own folder
model = dict(backbone=dict(frozen_stages=3))

load = [dict(type="LoadHandImage")]
empty = [dict(type="EmptyCrop", prob=0.08)]
# Wider than mobilenet_marginal.py, because detectors cut hands out less exactly than people annotate them.
crop = [
    dict(
        type="HandCropAugment",
        encoder={{_base_.codec}},
        shift=0.15,
        scale=0.35,
        rotation_deg=30.0,
        rotation_prob=0.6,
        flip_prob=0.5,
    )
]
replace = dict(type="RandomBackgroundReplace", mask="file")
effects = [
    dict(type="CameraEffects", spectrum=0.15),
    dict(type="EncodeHand", encoder={{_base_.codec}}),
    dict(type="PackHandInputs"),
]
renders = dict(type="InterHandDataset", split="train", mask_root="masks")
# Few of these get another photograph, because they are lit by the one that is behind them.
in_the_wild = [*load, *empty, *crop, dict(**replace, prob=0.2), *effects]
in_the_studio = [*load, *empty, *crop, dict(**replace, prob=0.5), *effects]
photos = dict(
    type="CocoHandDataset",
    ann_file="data/hand_photos/train.json",
    img_dir="data/hand_photos/train",
    label_prefix="pseudo_",
    min_side_score=0.7,
    pair_reach=2.2,
    part="train",
    pipeline=[*load, *crop, *effects],
)
train_dataloader = dict(
    sampler=dict(_delete_=True, type="SetSampler", weights=[40, 12, 8, 40], length=8000),
    dataset=dict(
        _delete_=True,
        type="MixedHandDataset",
        datasets=[
            dict(**renders, data_root="data/wild", pipeline=in_the_wild),
            dict(**renders, data_root="data/studio", pipeline=in_the_studio),
            dict(**renders, data_root="data/studio_photos", pipeline=in_the_studio),
            photos,
        ],
    ),
)
# mobilenet_photos.py tests the same network on photographs.
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="InterHandDataset",
        data_root="data/wild",
        split="test",
        test_mode=True,
        pipeline={{_base_.test_pipeline}},
    )
)
test_variants = dict(_delete_=True)
train_cfg = dict(max_epochs=12)
