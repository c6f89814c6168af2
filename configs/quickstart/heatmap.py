# mmpose's ResNet and HeatmapHead in place of the U-Net, on the data of unet_all.py, to compare with the U-Net.
_base_ = ["unet.py"]

codec = dict(heatmap_size=(16, 16), sigma=1.0)
model = dict(
    backbone=dict(_delete_=True, type="mmpose.ResNet", depth=18, stem_channels=32, base_channels=32),
    head=dict(
        _delete_=True,
        type="mmpose.HeatmapHead",
        in_channels=256,
        out_channels=21,
        deconv_out_channels=(128, 128, 128),
        loss=dict(type="mmpose.KeypointMSELoss", use_target_weight=True),
        decoder={{_base_.codec}},
    ),
    train_cfg=dict(compute_acc=False),  # the accuracy would run on the CPU in every step and does not support bfloat16
)
train_pipeline = [
    dict(type="LoadHandImage"),
    {{_base_.crop}},
    dict(type="GreenScreen", mask="file"),
    dict(type="RandomBackgroundReplace", prob=0.75, mask="file"),
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="PackHand2DInputs", encoder={{_base_.codec}}),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
