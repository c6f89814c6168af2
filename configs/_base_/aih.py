# AIH (docs/spec/hdr.md, section 5): AIH_Syn by the stored recipes and AIH_Render for training, AIH_Syn for validation and test.
# Pictures by tools/make_synthetic.py --aih are read the same way. With online=True partners and geometry are drawn anew.
data_root = "data"
annot_subset = "all"

color = [dict(type="JointColorJitter", gain=0.2, shift=20.0, contrast=0.2), dict(type="PackAmodalInputs")]
synthesis = dict(type="SynthesizeInteraction", occlusion=(0.05, 0.9), front_prob=0.5)
syn = dict(
    type="AIHDataset",
    data_root=data_root,
    split="train",
    part="syn",
    annot_subset=annot_subset,
    online=False,
    strict="error",
    pipeline=[dict(type="LoadAIH"), synthesis, *color],
)
render = dict(
    type="AIHDataset",
    data_root=data_root,
    split="train",
    part="render",
    annot_subset=annot_subset,
    strict="error",
    pipeline=[dict(type="LoadAIH", both=True), dict(type="MirrorHands"), *color],
)

train_dataloader = dict(
    batch_size=48,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(type="ConcatDataset", datasets=[syn, render]),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(
        type="AIHDataset",
        data_root=data_root,
        split="val",
        part="syn",
        online=False,
        annot_subset="machine_annot",
        strict="error",
        test_mode=True,
        pipeline=[dict(type="LoadAIH"), synthesis, dict(type="PackAmodalInputs")],
    ),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=4,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(
        type="AIHDataset",
        data_root=data_root,
        split="test",
        part="syn",
        online=False,
        annot_subset="machine_annot",
        strict="error",
        test_mode=True,
        pipeline=[dict(type="LoadAIH"), synthesis, dict(type="PackAmodalInputs")],
    ),
)
val_evaluator = [dict(type="AmodalIoU"), dict(type="RestorationScore")]
test_evaluator = val_evaluator
