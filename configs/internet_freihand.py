# InterNet's recipe on FreiHAND; tested by its own protocol, and pred.json for its server is written.
_base_ = ["internet.py"]

data_root = "data/FreiHAND"
# Whole pictures, in training too, as the evaluation set comes without boxes.
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="FreiHANDDataset",
        data_root=data_root,
        split="train",
        versions=("gs", "hom", "sample", "auto"),
        box="image",
        strict="error",
        pipeline={{_base_.train_pipeline}},
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="FreiHANDDataset",
        data_root=data_root,
        split="val",
        versions=("gs", "hom", "sample", "auto"),
        box="image",
        strict="error",
        test_mode=True,
        pipeline={{_base_.test_pipeline}},
    )
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="FreiHANDDataset",
        data_root=data_root,
        split="test",
        box="image",
        strict="error",
        test_mode=True,
        pipeline={{_base_.test_pipeline}},
    )
)
# Absolute positions take the wrist's depth from the published bone length, which the evaluation set gives too.
val_evaluator = [dict(type="EPE"), dict(type="HandAUC"), dict(type="FreiHANDScore", depth="scale")]
test_evaluator = [
    *val_evaluator,
    dict(type="FreiHANDSubmission", out_file="work_dirs/internet_freihand/pred.json", depth="scale"),
]
default_hooks = dict(checkpoint=dict(save_best="EPE"))

param_scheduler = [dict(type="MultiStepLR", milestones=[45, 47], gamma=0.1, by_epoch=True)]
train_cfg = dict(max_epochs=50)
