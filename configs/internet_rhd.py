# InterNet on RHD by the official recipe: 50 epochs, learning rate divided by 10 at epochs 45 and 47. The data set class
# reads the parsed and the original release.
_base_ = ["internet.py"]

data_root = "data/RHD"
train_dataloader = dict(dataset=dict(type="RHDDataset", data_root=data_root))
test_dataloader = dict(dataset=dict(type="RHDDataset", data_root=data_root))
test_evaluator = [dict(type="EPE"), dict(type="HandAUC"), dict(type="HandednessAccuracy")]

# The data set has no validation split for choosing an epoch, so the last epoch is the result.
val_dataloader = None
val_evaluator = None
val_cfg = None
default_hooks = dict(checkpoint=dict(save_best=None, rule=None))

param_scheduler = [dict(type="MultiStepLR", milestones=[45, 47], gamma=0.1, by_epoch=True)]
train_cfg = dict(max_epochs=50)
