# What marginal.py and marginal_bgaug.py both begin with in the quick start: no photographs, the rate not yet falling.
# It has the machine to itself, so a worker loads while all cores train.
_base_ = ["marginal.py"]

train_dataloader = dict(num_workers=1, persistent_workers=True)
param_scheduler = [dict(type="LinearLR", start_factor=0.02, by_epoch=False, begin=0, end=60)]
