# mobilenet_marginal.py tested on photographs of single hands in COCO form with 3D keypoints (docs/how-to/dataset.md).
_base_ = ["mobilenet_marginal.py"]

photos = "data/hand_crops"
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="CocoHandDataset",
        ann_file=photos + "/hands.json",
        img_dir=photos + "/images",
        test_mode=True,
        pipeline={{_base_.test_pipeline}},
    )
)
# The depth of the wrist is the annotated one; "PA" is measured after Procrustes alignment.
test_evaluator = [
    dict(type="Keypoints2D", thr=0.2, norm="joints"),
    dict(type="FreiHANDScore", depth="gt"),
    dict(type="HandednessAccuracy"),
]
test_variants = dict(_delete_=True)
