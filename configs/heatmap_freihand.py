# mmpose's ResNet-50 and HeatmapHead (SimpleBaselines) in the U-Net's place: same data, crops, schedule and metrics.
# Any of mmpose's 2D heads goes in like this: its codec as `codec`, the same codec as the packer's `encoder`,
# and its loss named with its scope (mmpose's defaults have none).
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
    train_cfg=dict(compute_acc=False),  # on the CPU, every step, and not in bfloat16
)
train_pipeline = [
    dict(type="LoadHandImage"),
    dict(
        type="HandCropAugment",
        encoder=codec,
        shift=0.06,
        scale=0.1,
        rotation_deg=20.0,
        rotation_prob=0.5,
        flip_left_to_right=True,
    ),
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="PackHand2DInputs", encoder=codec),  # mmpose's heads read dense targets
]
train_dataloader = dict(dataset=dict(versions=("gs", "hom", "sample", "auto"), pipeline=train_pipeline))
train_cfg = dict(max_epochs=100)
