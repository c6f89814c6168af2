# AIH (docs/spec/hdr.md, section 5). Training uses AIH_Syn, composed by its recipes, and AIH_Render; validation and test
# use AIH_Syn. Images from tools/make_synthetic.py --aih are read in the same way. With online=True, every epoch samples
# new pairs of hands and new geometry.
data_root = "data"

color = [dict(type="JointColorJitter", gain=0.2, shift=20.0, contrast=0.2), dict(type="PackAmodalInputs")]
synthesis = dict(type="SynthesizeInteraction", occlusion=(0.05, 0.9), front_prob=0.5)
aih = dict(type="AIHDataset", data_root=data_root)
syn = dict(split="train", part="syn", pipeline=[dict(type="LoadAIH"), synthesis, *color], **aih)
render = dict(
    split="train",
    part="render",
    pipeline=[dict(type="LoadAIH", both=True), dict(type="MirrorHands"), *color],
    **aih,
)
tested = dict(
    part="syn",
    annot_subset="machine_annot",
    test_mode=True,
    pipeline=[dict(type="LoadAIH"), synthesis, dict(type="PackAmodalInputs")],
    **aih,
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
    dataset=dict(split="val", **tested),
)
test_dataloader = dict(
    batch_size=32,
    num_workers=4,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(split="test", **tested),
)
val_evaluator = [dict(type="AmodalIoU"), dict(type="RestorationScore")]
test_evaluator = val_evaluator
