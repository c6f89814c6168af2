# InterNet's head with 3D heatmaps of 32^3 bins on the same small backbone, to compare with the marginals.
_base_ = ["marginal.py"]

codec = dict(heatmap_size=(32, 32, 32), sigma=1.25)
model = dict(
    backbone=dict(out_indices=(3,)),
    head=dict(
        _delete_=True,
        type="InterNetHead",
        in_channels=256,
        deconv_channels=128,
        refine=True,
        decoder={{_base_.codec}},
    ),
)
