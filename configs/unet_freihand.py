# U-Net on FreiHAND, published stage 1: 150 epochs on the green-screen version alone. It fails on other backgrounds;
# unet_freihand_all.py continues its training. Published are: three steps down and up, a 3x3 last layer, sigma 3, the
# loss 1 - Dice and the number of epochs. Chosen here: widths, crop, optimizer, learning rate and batch size.
_base_ = ["_base_/runtime.py", "_base_/freihand.py"]

model = dict(
    type="InterHandEstimator",
    data_preprocessor=dict(
        type="mmpose.PoseDataPreprocessor", mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0], bgr_to_rgb=True
    ),
    backbone=dict(type="UNet", base_channels=32, steps=3),
    head=dict(
        type="HandHeatmapHead",
        in_channels=32,
        out_channels=21,
        deconv_out_channels=None,
        final_layer=dict(kernel_size=3, padding=1),
        # Initial heatmap values are near 0.02, about the share of the map that a Gaussian covers, in place of 0.5.
        init_cfg=dict(type="Normal", layer="Conv2d", std=0.001, bias=-4.0),
        loss=dict(type="interhand_mm.DiceHeatmapLoss"),
        decoder={{_base_.codec}},
    ),
    test_cfg=dict(flip_test=False),
    channels_last=False,
)

train_dataloader = dict(dataset=dict(versions=("gs",)))
train_cfg = dict(by_epoch=True, max_epochs=150, val_interval=5)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-3, fused=True))
param_scheduler = [dict(type="CosineAnnealingLR", eta_min_ratio=0.01, by_epoch=True, convert_to_iter_based=True)]
default_hooks = dict(checkpoint=dict(save_best="EPE_px"))
