# unet.py on all backgrounds: a quarter green screen and three quarters photographs, as in FreiHAND's four versions.
_base_ = ["unet.py"]

train_pipeline = [
    dict(type="LoadHandImage"),
    {{_base_.crop}},
    dict(type="GreenScreen", mask="file"),
    dict(type="RandomBackgroundReplace", prob=0.75, mask="file"),
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="PackHand2DInputs", encoder=None),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
