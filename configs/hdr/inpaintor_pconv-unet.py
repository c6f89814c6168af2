# The Inpaintor as published: U-Net of partial convolutions with transformer blocks, against a patch discriminator; Adam
# with 8e-4 and 8e-5, batch 48, 70 000 iterations (the released weights have 138 000).
_base_ = ["../_base_/runtime.py", "../_base_/aih.py"]

model = dict(
    type="HandInpaintor",
    data_preprocessor=dict(
        type="InpaintPreprocessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    generator=dict(type="PartialConvUNet", in_channels=8, base_channels=64),
    discriminator=dict(type="PatchDiscriminator", in_channels=5, base_channels=64),  # None for prediction only
    vgg16=None,  # local file with torchvision's ImageNet weights; without it the perceptual and style losses are off
    loss_weights=dict(valid=1.0, hole_deocclusion=6.0, hole_removal=6.0, tv=0.1, adversarial=0.1),
    dilation=9,
)
train_dataloader = dict(sampler=dict(_delete_=True, type="InfiniteSampler", shuffle=True))
val_evaluator = [dict(type="RestorationScore")]
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    constructor="SubmoduleOptimWrapperConstructor",
    generator=dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=8e-4, fused=True)),
    discriminator=dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=8e-5, betas=(0.0, 0.9), fused=True)),
)
param_scheduler = None
train_cfg = dict(type="IterBasedTrainLoop", max_iters=70_000, val_interval=1500)
log_processor = dict(by_epoch=False)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=3000, save_best=None))
# One DDP wrapper per network, because each network has its own optimizer step.
model_wrapper_cfg = dict(type="MMSeparateDistributedDataParallel")
