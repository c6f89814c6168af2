# The Segmentor with the smallest encoder, 3.7 M parameters instead of 81 M, and its own learning rate: for one GPU.
_base_ = ["segmentor_mit-b5.py"]

model = dict(backbone=dict(size="b0"), decode_head=dict(norm_cfg=dict(type="BN")))
optim_wrapper = dict(optimizer=dict(lr=6e-4))
