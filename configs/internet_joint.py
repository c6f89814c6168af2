# InterNet on InterHand2.6M, RHD and FreiHAND together. An epoch is half InterHand2.6M, a quarter RHD and a quarter
# FreiHAND. Images of one hand add no loss for the other hand's joints and the relative root depth; see
# docs/datasets/joint.md. The folders are set with
# --data-root InterHandDataset=DIR --data-root RHDDataset=DIR --data-root FreiHANDDataset=DIR
_base_ = ["internet.py"]

data_root = dict(
    _delete_=True,
    InterHandDataset="data/InterHand2.6M",
    RHDDataset="data/RHD",
    FreiHANDDataset="data/FreiHAND",
)
interhand = dict(type="InterHandDataset", data_root=data_root["InterHandDataset"])
# With depth=False, either of these two sets trains u and v only.
rhd = dict(type="RHDDataset", data_root=data_root["RHDDataset"])
freihand = dict(type="FreiHANDDataset", data_root=data_root["FreiHANDDataset"], box="joints")
train = dict(split="train", pipeline={{_base_.train_pipeline}})
val = dict(split="val", test_mode=True, pipeline={{_base_.test_pipeline}})
test = dict(split="test", test_mode=True, pipeline={{_base_.test_pipeline}})

train_dataloader = dict(
    sampler=dict(_delete_=True, type="SetSampler", weights=[2, 1, 1]),
    dataset=dict(
        _delete_=True,
        type="MixedHandDataset",
        datasets=[dict(**interhand, **train), dict(**rhd, **train), dict(**freihand, **train)],
    ),
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="MixedHandDataset",
        datasets=[dict(**interhand, **val, annot_subset="machine_annot"), dict(**freihand, **val)],
    )
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="MixedHandDataset",
        datasets=[dict(**interhand, **test), dict(**rhd, **test), dict(**freihand, **test)],
    )
)
# Each data set has its own metrics, selected by `dataset`.
on_interhand = [dict(type=name, dataset="interhand3d") for name in ("MPJPE", "MRRPE", "HandednessAccuracy")]
on_rhd = [dict(type=name, dataset="rhd") for name in ("EPE", "HandAUC", "HandednessAccuracy")]
on_freihand = [dict(type="EPE", dataset="freihand"), dict(type="FreiHANDScore", dataset="freihand", depth="scale")]
val_evaluator = [*on_interhand, *on_freihand]
test_evaluator = [*on_interhand, *on_rhd, *on_freihand]
default_hooks = dict(checkpoint=dict(save_best="interhand3d/MPJPE/all"))
