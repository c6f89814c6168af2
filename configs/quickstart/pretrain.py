# The epochs that marginal.py and marginal_bgaug.py share in the quick start: no photographs, constant learning rate.
_base_ = ["marginal.py"]

param_scheduler = [dict(type="LinearLR", start_factor=0.02, by_epoch=False, begin=0, end=60)]
