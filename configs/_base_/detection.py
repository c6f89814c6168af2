# Settings that hand detectors share; the data comes from tools/make_scenes.py.
# Boxes have the definition of InterHand2.6M: the tight box of a hand's joints, enlarged by 1.2. They may extend beyond
# the image and are not clipped, so that the crop computed from them is the one that the pose network was trained with.
default_scope = "mmdet"
data_root = "data/scenes"
metainfo = dict(classes=("hand",))
# Width and height. They are small, so that a network learns on a CPU in minutes; hands down to a tenth of the image
# are found.
input_size = (192, 192)

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="RandomResize", scale=input_size, ratio_range=(0.75, 1.0), keep_ratio=True, clip_object_border=False),
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
        # "instances" holds the boxes in pixels of the original image, which CocoMetric compares with.
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "instances"),
    ),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="CocoDataset",
        data_root=data_root,
        metainfo=metainfo,
        ann_file="annotations/coco/hand_train.json",
        data_prefix=dict(img="images/train/"),
        filter_cfg=dict(filter_empty_gt=False),  # scenes without hands are useful as negatives
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=16,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="CocoDataset",
        data_root=data_root,
        metainfo=metainfo,
        ann_file="annotations/coco/hand_test.json",
        data_prefix=dict(img="images/test/"),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(type="CocoMetric", metric="bbox")
test_cfg = dict()
# No validation: the weights of the last epoch are the result.
val_dataloader = None
val_evaluator = None
val_cfg = None

custom_imports = dict(imports=["interhand_mm.registry"])
randomness = dict(seed=0)
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=10),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", interval=1, max_keep_ckpts=1),
    sampler_seed=dict(type="DistSamplerSeedHook"),
)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=1),
    dist_cfg=dict(backend="nccl"),
)
log_level = "INFO"
log_processor = dict(window_size=20)
load_from = None
resume = False
work_dir = None
visualizer = dict(type="Visualizer", vis_backends=[dict(type="LocalVisBackend")])
