# InterNet's recipe with three 1-D marginals a joint in place of the volume: a light head, decoded by expectation.
_base_ = ["internet.py"]

model = dict(
    backbone=dict(out_indices=(2, 3)),
    head=dict(
        _delete_=True,
        type="InterHandMarginalHead",
        in_channels=(1024, 2048),  # of stages 3 and 4; joints look at a 16 x 16 map
        channels=256,
        num_heads=8,
        loss_root_depth=dict(type="RootDepthLoss", loss_weight=0.1),  # in bins, where the others are in nats
        decoder={{_base_.codec}},
    ),
)
