# RTMDet-tiny with one class "hand", 192 px and random initial weights.
# It is better to start from a COCO checkpoint of the same network, if you have the file:
#   --load-from rtmdet_tiny_coco.pth --cfg-options model.bbox_head.exp_on_reg=False
_base_ = ["../_base_/detection.py"]

norm_cfg = dict(type="BN")
act_cfg = dict(type="SiLU", inplace=True)
model = dict(
    type="RTMDet",
    use_syncbn=False,  # not available on CPUs, and the batches are large enough without it
    data_preprocessor=dict(
        type="DetDataPreprocessor",
        mean=[103.53, 116.28, 123.675],
        std=[57.375, 57.12, 58.395],
        bgr_to_rgb=False,
    ),
    backbone=dict(
        type="CSPNeXt",
        arch="P5",
        expand_ratio=0.5,
        deepen_factor=0.167,
        widen_factor=0.375,
        channel_attention=True,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
        init_cfg=None,
    ),
    neck=dict(
        type="CSPNeXtPAFPN",
        in_channels=[96, 192, 384],
        out_channels=96,
        num_csp_blocks=1,
        expand_ratio=0.5,
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
    ),
    bbox_head=dict(
        type="RTMDetSepBNHead",
        num_classes=1,
        in_channels=96,
        feat_channels=96,
        stacked_convs=2,
        share_conv=True,
        pred_kernel_size=1,
        exp_on_reg=True,  # avoids negative box sides at random weights; the COCO checkpoint was trained without it
        with_objectness=False,
        anchor_generator=dict(type="MlvlPointGenerator", offset=0, strides=[8, 16, 32]),
        bbox_coder=dict(type="DistancePointBBoxCoder", clip_border=False),
        loss_cls=dict(type="QualityFocalLoss", use_sigmoid=True, beta=2.0, loss_weight=1.0),
        loss_bbox=dict(type="GIoULoss", loss_weight=2.0),
        norm_cfg=norm_cfg,
        act_cfg=act_cfg,
    ),
    train_cfg=dict(
        assigner=dict(type="DynamicSoftLabelAssigner", topk=13), allowed_border=-1, pos_weight=-1, debug=False
    ),
    test_cfg=dict(
        nms_pre=1000, min_bbox_size=0, score_thr=0.001, nms=dict(type="nms", iou_threshold=0.5), max_per_img=100
    ),
)

train_dataloader = dict(batch_size=8)
train_cfg = dict(by_epoch=True, max_epochs=8)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.05, fused=True),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0, bypass_duplicate=True),
    clip_grad=dict(max_norm=35.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=200),
    dict(type="CosineAnnealingLR", eta_min_ratio=0.01, by_epoch=True, begin=0, convert_to_iter_based=True),
]
# No weight averaging: it takes a tenth of the step time, and the learning rate falls to a hundredth anyway.
custom_hooks = [dict(type="interhand_mm.ChannelsLastHook")]
