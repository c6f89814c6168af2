# mmpose's ResNet-50 and HeatmapHead (SimpleBaselines) in place of the U-Net: same data, crops, schedule and metrics.
# Any 2D head of mmpose can be used in this way: set its codec as `codec` and as `encoder` of the packer, and give the
# type of its loss with the scope "mmpose.", which mmpose's defaults omit.
_base_ = ["unet_freihand.py"]

codec = dict(_delete_=True, type="mmpose.MSRAHeatmap", input_size=(256, 256), heatmap_size=(64, 64), sigma=2.0)
model = dict(
    backbone=dict(_delete_=True, type="mmpose.ResNet", depth=50, init_cfg=None),
    head=dict(
        _delete_=True,
        type="mmpose.HeatmapHead",
        in_channels=2048,
        out_channels=21,
        loss=dict(type="mmpose.KeypointMSELoss", use_target_weight=True),
        decoder=codec,
    ),
    train_cfg=dict(compute_acc=False),  # the accuracy would run on the CPU in every step and does not support bfloat16
)
train_pipeline = [
    dict(type="LoadHandImage"),
    {{_base_.train_crop}},
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="PackHand2DInputs", encoder=codec),  # mmpose's heads need dense targets from the packer
]
train_dataloader = dict(dataset=dict(versions=("gs", "hom", "sample", "auto"), pipeline=train_pipeline))
train_cfg = dict(max_epochs=100)
