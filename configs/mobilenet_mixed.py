# The network that lifts hands in anybody's photograph: mobilenet_marginal.py on renders like photographs ("wild"), on
# renders like InterHand2.6M ("studio"), and on photographs with the 2D keypoints of another network.
# docs/datasets/photographs.md shows how to get the data.
_base_ = ["mobilenet_marginal.py"]

data_root = None  # each data set has its own folder
load = [dict(type="LoadHandImage")]
empty = [dict(type="EmptyCrop", prob=0.05)]
crop = [{{_base_.train_crop}}]
replace = dict(type="RandomBackgroundReplace", mask="file")
# Weak: at this length of training, the default strength costs more on renders than it brings on photographs.
effects = [
    dict(
        type="CameraEffects",
        color=0.5,
        exposure=0.5,
        low_light=0.02,
        blur=0.08,
        motion_blur=0.05,
        resolution=0.1,
        noise=0.15,
        jpeg=0.2,
        cutout=0.1,
    ),
    dict(type="EncodeHand", encoder={{_base_.codec}}),
    dict(type="PackHandInputs"),
]
renders = dict(type="InterHandDataset", split="train", mask_root="masks")
# Few of these get another photograph, because many are lit by the one that is behind them.
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
    # The studio, where a person faces the camera, teaches right and left sooner than "wild" does.
    sampler=dict(_delete_=True, type="SetSampler", weights=[16, 22, 12, 20, 30], length=8000),
    dataset=dict(
        _delete_=True,
        type="MixedHandDataset",
        datasets=[
            dict(**renders, data_root="data/wild", pipeline=in_the_wild),
            dict(**renders, data_root="data/studio", pipeline=in_the_studio),
            dict(**renders, data_root="data/studio_photos", pipeline=in_the_studio),
            dict(**renders, data_root="data/poses_photos", pipeline=in_the_wild),
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
train_cfg = dict(max_epochs=40)
