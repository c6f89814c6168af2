# A hand detector for photographs: MobileNetV2 from ImageNet weights with the head of RTMDet, 224 px, one class "hand".
# It trains on scenes (tools/make_scenes.py) and on photographs with and without hands (tools/prepare_hand_photos.py).
_base_ = ["../quickstart/detector.py"]

data_root = "data/scenes"
photos_root = "data/hand_photos"
input_size = (224, 224)
model = dict(
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(
        _delete_=True,
        type="mmpose.MobileNetV2",
        out_indices=(2, 4, 6),
        frozen_stages=4,  # half the time of a training step without frozen stages
        init_cfg=dict(type="Pretrained", checkpoint="data/mobilenetv2_imagenet.pth"),
    ),
    neck=dict(in_channels=[32, 96, 320]),
)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="RandomResize", scale=input_size, ratio_range=(0.5, 1.6), keep_ratio=True, clip_object_border=False),
    dict(type="RandomCrop", crop_size=input_size, allow_negative_crop=True, bbox_clip_border=False),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="Pad", size=input_size, pad_val=dict(img=(114, 114, 114))),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=input_size, keep_ratio=True, clip_object_border=False),
    dict(type="Pad", size=input_size, pad_val=dict(img=(114, 114, 114))),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "instances"),
    ),
]
coco = dict(
    type="CocoDataset",
    metainfo={{_base_.metainfo}},
    filter_cfg=dict(filter_empty_gt=False),
    pipeline=train_pipeline,
)
train_dataloader = dict(
    batch_size=32,
    # The photographs show few people, so the scenes have to teach what hands of others look like.
    sampler=dict(_delete_=True, type="interhand_mm.SetSampler", weights=[45, 40, 15], length=3000),
    dataset=dict(
        _delete_=True,
        type="ConcatDataset",
        datasets=[
            dict(
                **coco,
                data_root=data_root,
                ann_file="annotations/coco/hand_train.json",
                data_prefix=dict(img="images/train/"),
            ),
            dict(**coco, ann_file=photos_root + "/hands_train.json", data_prefix=dict(img=photos_root + "/train/")),
            dict(**coco, ann_file=photos_root + "/negatives_train.json", data_prefix=dict(img="")),
        ],
    ),
)
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
train_cfg = dict(by_epoch=True, max_epochs=5)
