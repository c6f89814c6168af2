# marginal.py with photographs behind some of the training samples: the experiment of internet_bgaug.py in minutes.
_base_ = ["marginal.py"]

# mask="file" reads the renderer's exact masks (train_dataloader.dataset.mask_root). Real InterHand2.6M has none:
# internet_bgaug.py uses "matte" there, "threshold" is the published recipe and leaves lamps and clothes.
# The published share is 0.5; in so short a training that costs the original set 4.8 % of its error, 0.3 costs 2.7 %
# (augmented set: 29.8 and 30.4 mm, one seed).
train_pipeline = [
    dict(type="LoadHandImage"),
    {{_base_.train_crop}},
    dict(type="RandomBackgroundReplace", prob=0.3, mask="file"),
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="EncodeHand", encoder={{_base_.codec}}),
    dict(type="PackHandInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
