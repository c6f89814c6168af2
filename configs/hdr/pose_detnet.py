# SHPE as published: DetNet for right hands, Adam 1e-4, 600 000 iterations, /10 at 500 000 and 550 000, batch 48.
# It has no loader: AIH has no joints. A loader gives inputs, keypoints_crop, keypoints_cam and visible (SingleHandPose).
_base_ = ["../_base_/runtime.py"]
max_iters = 600_000

model = dict(
    type="SingleHandPose",
    data_preprocessor=dict(
        type="ImgDataPreprocessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    width=64,
    sigma=2.5,
    loss_weights=(1.0, 1.0, 5.0),
)
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-4))
param_scheduler = [dict(type="MultiStepLR", milestones=[500_000, 550_000], gamma=0.1, by_epoch=False)]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters)
log_processor = dict(by_epoch=False)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=3000, save_best=None))
