# InterNet by the official recipe: ResNet-50, 256 px, 64^3 bins, Adam 1e-4, batch 16 per GPU, 20 epochs; the learning
# rate is divided by 10 at epochs 15 and 17.
_base_ = ["_base_/runtime.py", "_base_/interhand26m.py"]

model = dict(
    type="InterHandEstimator",
    data_preprocessor=dict(
        type="mmpose.PoseDataPreprocessor", mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0], bgr_to_rgb=True
    ),
    backbone=dict(
        type="mmpose.ResNet",
        depth=50,
        # ImageNet weights, downloaded once; tools/train.py --from-scratch starts from random weights.
        init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet50"),
    ),
    head=dict(type="InterNetHead", in_channels=2048, deconv_channels=256, refine=False, decoder={{_base_.codec}}),
    test_cfg=dict(flip_test=False),
    channels_last=False,
)

# The fused form computes the same update in one pass over the weights.
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-4, fused=True), accumulative_counts=1)
param_scheduler = [dict(type="MultiStepLR", milestones=[15, 17], gamma=0.1, by_epoch=True)]
# Published for four GPUs; the official code does not scale the learning rate.
auto_scale_lr = dict(base_batch_size=64, enable=False)
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=1)
val_cfg = dict()
test_cfg = dict()
# After each validation, draw four predictions next to the ground truth:
# vis_data/vis_image/val_predictions_ITERATION.png.
default_hooks = dict(visualization=dict(type="HandVisualizationHook", num=4))
