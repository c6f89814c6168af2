# InterNet on FreiHAND, tested by FreiHAND's own protocol. The test also writes pred.json for the evaluation server into
# the work directory.
_base_ = ["internet.py"]

data_root = "data/FreiHAND"
# The evaluation set comes without boxes. Therefore box="image" crops the whole image, also in training.
freihand = dict(type="FreiHANDDataset", data_root=data_root, box="image")
train_dataloader = dict(dataset=freihand)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        split="val",
        versions=("gs", "hom", "sample", "auto"),
        test_mode=True,
        pipeline={{_base_.test_pipeline}},
        **freihand,
    )
)
test_dataloader = dict(dataset=freihand)
# The depth of the wrist is computed from the length of a bone, which is published for the evaluation set as well.
val_evaluator = [dict(type="EPE"), dict(type="HandAUC"), dict(type="FreiHANDScore", depth="scale")]
test_evaluator = [
    *val_evaluator,
    dict(type="FreiHANDSubmission", out_file="pred.json", depth="scale"),
]
default_hooks = dict(checkpoint=dict(save_best="EPE"))

param_scheduler = [dict(type="MultiStepLR", milestones=[45, 47], gamma=0.1, by_epoch=True)]
train_cfg = dict(max_epochs=50)
