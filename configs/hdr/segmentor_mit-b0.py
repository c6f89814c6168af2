# The smallest encoder of the family, 3.7 instead of 81 M parameters, and a rate of its own: for one GPU.
_base_ = ["segmentor_mit-b5.py"]

model = dict(backbone=dict(size="b0"), decode_head=dict(norm_cfg=dict(type="BN")))
optim_wrapper = dict(optimizer=dict(lr=6e-4))
