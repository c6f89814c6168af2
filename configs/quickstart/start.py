# What marginal.py and marginal_bgaug.py both begin with in the quick start: no photographs, the rate not yet falling.
_base_ = ["marginal.py"]

param_scheduler = [dict(type="LinearLR", start_factor=0.02, by_epoch=False, begin=0, end=60)]
