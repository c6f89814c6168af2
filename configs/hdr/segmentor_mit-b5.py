# The Segmentor's published network, augmentation and schedule: MiT-B5, SegFormer head with four branches, AdamW 2.88e-3
# with 48 images per GPU, 500 000 iterations; resized by 0.5 to 2.0, cropped to 256 px, mirrored, colors distorted.
# The published training data (masks of InterHand2.6M crops) and the ImageNet weights of MiT-B5 are not available here:
# this config reads AIH, and starts from random weights unless init_cfg names a file.
_base_ = ["../_base_/runtime.py", "../_base_/aih.py"]
data_root = "data"
max_iters = 500_000

model = dict(
    type="HandSegmentor",
    data_preprocessor=dict(
        type="ImgDataPreprocessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    backbone=dict(
        type="MixVisionTransformer",
        size="b5",  # b0 and b1 are small
        drop_path_rate=0.1,
        # To start from ImageNet weights in mmseg's names: init_cfg=dict(type="Pretrained", checkpoint="mit_b5.pth")
    ),
    decode_head=dict(type="AmodalMaskHead", channels=256, dropout=0.1, norm_cfg=dict(type="SyncBN")),
    flip_test=False,
)
augmented = [
    dict(type="ResizeAndCropHands", size=(256, 256), ratio=(0.5, 2.0), max_share=0.75),
    dict(type="MirrorHands", prob=0.5),
    dict(type="PhotometricDistortion", brightness=32, contrast=(0.5, 1.5), saturation=(0.5, 1.5), hue=18),
    dict(type="PadHands", size=(256, 256)),
    dict(type="PackAmodalInputs"),
]
aih = dict(type="AIHDataset", data_root=data_root, split="train", annot_subset="all", strict="error")
train_dataloader = dict(
    sampler=dict(_delete_=True, type="InfiniteSampler", shuffle=True),
    dataset=dict(
        datasets=[
            dict(part="syn", pipeline=[dict(type="LoadAIH"), {{_base_.synthesis}}, *augmented], **aih),
            dict(part="render", pipeline=[dict(type="LoadAIH"), *augmented], **aih),
        ]
    ),
)
val_evaluator = [dict(type="AmodalIoU")]
test_evaluator = val_evaluator
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=2.88e-3, betas=(0.9, 0.999), weight_decay=0.01, fused=True),
    paramwise_cfg=dict(
        custom_keys={"pos_block": dict(decay_mult=0.0), "norm": dict(decay_mult=0.0), "head": dict(lr_mult=10.0)}
    ),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=1e-6, by_epoch=False, begin=0, end=1500),
    dict(type="PolyLR", power=1.0, eta_min=0.0, by_epoch=False, begin=1500, end=max_iters),
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=2500)
log_processor = dict(by_epoch=False)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=2500, save_best=None))
