# marginal.py with photographs behind some of the training samples: the experiment of internet_bgaug.py, in minutes.
_base_ = ["marginal.py"]

# mask="file" reads the exact masks of the renderer (train_dataloader.dataset.mask_root). InterHand2.6M has no masks, so
# internet_bgaug.py uses "matte"; "threshold" is the published recipe and leaves lamps and clothes.
# The published probability is 0.5. In such a short training it raises the error on the original set by 4.8 %, and 0.3
# raises it by 2.7 % (augmented set: 29.8 and 30.4 mm; one seed).
train_pipeline = [
    dict(type="LoadHandImage"),
    {{_base_.train_crop}},
    dict(type="RandomBackgroundReplace", prob=0.3, mask="file"),
    dict(type="ChannelJitter", low=0.8, high=1.2),
    dict(type="EncodeHand", encoder={{_base_.codec}}),
    dict(type="PackHandInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
