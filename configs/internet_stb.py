# InterNet on STB by the official recipe: 50 epochs, /10 at 45 and 47. As parsed by its authors, or as published.
_base_ = ["internet.py"]

data_root = "data/STB"
original = dict(views=("BB_left", "BB_right"), root="palm")  # read of the original release alone
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="STBDataset",
        data_root=data_root,
        split="train",
        strict="error",
        pipeline={{_base_.train_pipeline}},
        **original,
    )
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="STBDataset",
        data_root=data_root,
        split="test",
        depth_source="gt",
        rootnet_file=None,
        cache_dir=None,
        strict="error",
        test_mode=True,
        pipeline={{_base_.test_pipeline}},
        **original,
    )
)
test_evaluator = [dict(type="EPE"), dict(type="HandAUC"), dict(type="HandednessAccuracy")]

# The set has no third part to choose an epoch by: the last one is the result.
val_dataloader = None
val_evaluator = None
val_cfg = None
default_hooks = dict(checkpoint=dict(save_best=None, rule=None))

param_scheduler = [dict(type="MultiStepLR", milestones=[45, 47], gamma=0.1, by_epoch=True)]
train_cfg = dict(max_epochs=50)
