# InterNet on InterHand2.6M, RHD and FreiHAND together: half of each epoch from the first, a quarter from either other.
# One hand a picture teaches neither the other hand's joints nor the relative root depth; see docs/datasets/joint.md.
# --data-root InterHandDataset=DIR --data-root RHDDataset=DIR --data-root FreiHANDDataset=DIR
_base_ = ["internet.py"]

data_root = dict(
    _delete_=True,
    InterHandDataset="data/InterHand2.6M",
    RHDDataset="data/RHD",
    FreiHANDDataset="data/FreiHAND",
)
interhand = dict(type="InterHandDataset", data_root="", annot_subset="all", depth_source="gt", strict="error")
rhd = dict(type="RHDDataset", data_root="", depth=True, strict="error")  # depth=False: learn u and v alone
freihand = dict(type="FreiHANDDataset", data_root="", depth=True, box="joints", strict="error")
tested = dict(test_mode=True, pipeline={{_base_.test_pipeline}})

train_dataloader = dict(
    sampler=dict(_delete_=True, type="SetSampler", weights=[2, 1, 1], length=None),
    dataset=dict(
        _delete_=True,
        type="MixedHandDataset",
        datasets=[
            dict(split="train", pipeline={{_base_.train_pipeline}}, **interhand),
            dict(split="train", pipeline={{_base_.train_pipeline}}, **rhd),
            dict(split="train", pipeline={{_base_.train_pipeline}}, **freihand),
        ],
    ),
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="MixedHandDataset",
        datasets=[
            dict(split="val", **{**interhand, "annot_subset": "machine_annot"}, **tested),
            dict(split="val", **freihand, **tested),
        ],
    )
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="MixedHandDataset",
        datasets=[
            dict(split="test", **interhand, **tested),
            dict(split="test", **rhd, **tested),
            dict(split="test", **freihand, **tested),
        ],
    )
)
# One block of numbers for each set: `dataset` names it.
on_interhand = [dict(type=name, dataset="interhand3d") for name in ("MPJPE", "MRRPE", "HandednessAccuracy")]
on_rhd = [dict(type=name, dataset="rhd") for name in ("EPE", "HandAUC", "HandednessAccuracy")]
on_freihand = [dict(type="EPE", dataset="freihand"), dict(type="FreiHANDScore", dataset="freihand", depth="scale")]
val_evaluator = [*on_interhand, *on_freihand]
test_evaluator = [*on_interhand, *on_rhd, *on_freihand]
default_hooks = dict(checkpoint=dict(save_best="interhand3d/MPJPE/all"))
