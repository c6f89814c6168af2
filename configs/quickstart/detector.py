# A small hand detector: the pose backbone of the quick start (half-width ResNet-18) with the head of RTMDet, 192 px.
# If you have weights of the pose network, start from them: --load-from work_dirs/quickstart/.../epoch_10.pth
_base_ = ["../_base_/detection.py"]

data_root = "data/quickstart_scenes"
model = dict(
    type="RTMDet",
    use_syncbn=False,  # not available on CPUs, and the batches are large enough without it
    data_preprocessor=dict(
        type="DetDataPreprocessor", mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0], bgr_to_rgb=True
    ),  # as in the pose network
    backbone=dict(
        type="ResNet",
        depth=18,
        stem_channels=32,
        base_channels=32,
        out_indices=(1, 2, 3),
        norm_eval=False,
        init_cfg=None,
    ),
    neck=dict(type="FPN", in_channels=[64, 128, 256], out_channels=64, num_outs=3, norm_cfg=dict(type="BN")),
    bbox_head=dict(
        type="RTMDetSepBNHead",
        num_classes=1,
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        share_conv=True,
        pred_kernel_size=1,
        exp_on_reg=True,
        with_objectness=False,
        anchor_generator=dict(type="MlvlPointGenerator", offset=0, strides=[8, 16, 32]),
        bbox_coder=dict(type="DistancePointBBoxCoder", clip_border=False),
        loss_cls=dict(type="QualityFocalLoss", use_sigmoid=True, beta=2.0, loss_weight=1.0),
        loss_bbox=dict(type="GIoULoss", loss_weight=2.0),
        norm_cfg=dict(type="BN"),
        act_cfg=dict(type="ReLU", inplace=True),
    ),
    train_cfg=dict(
        assigner=dict(type="DynamicSoftLabelAssigner", topk=13), allowed_border=-1, pos_weight=-1, debug=False
    ),
    test_cfg=dict(
        nms_pre=1000, min_bbox_size=0, score_thr=0.001, nms=dict(type="nms", iou_threshold=0.5), max_per_img=100
    ),
)
train_dataloader = dict(batch_size=16, num_workers=0, persistent_workers=False)
test_dataloader = dict(num_workers=0)
train_cfg = dict(by_epoch=True, max_epochs=6)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.02, fused=True),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0, bypass_duplicate=True),
    clip_grad=dict(max_norm=10.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=50),
    dict(type="CosineAnnealingLR", eta_min_ratio=0.01, by_epoch=True, begin=0, convert_to_iter_based=True),
]
custom_hooks = [dict(type="interhand_mm.ChannelsLastHook")]
