# InterNet with three 1D marginals per joint in place of the 3D heatmap: a light head, decoded by expectation.
_base_ = ["internet.py"]

model = dict(
    backbone=dict(out_indices=(2, 3)),
    head=dict(
        _delete_=True,
        type="InterHandMarginalHead",
        in_channels=(1024, 2048),  # stages 3 and 4 of the ResNet; the joints attend to a map of 16 x 16 cells
        channels=256,
        num_heads=8,
        # The weight is small, because this loss is in bins and the others are in nats.
        loss_root_depth=dict(type="RootDepthLoss", loss_weight=0.1),
        decoder={{_base_.codec}},
    ),
)
