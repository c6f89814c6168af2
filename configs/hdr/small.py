# The quick start's network with the small HDR plugin in front of it: `model.hdr` is the one key that switches it on.
# The checkpoints are those that tools/quickstart.py trains; topdown_demo.py --hdr takes others.
_base_ = ["../quickstart/marginal.py"]

model = dict(
    hdr=dict(
        type="HDRPlugin",
        segmentor=dict(config="configs/hdr/small_segmentor.py", checkpoint="work_dirs/small_segmentor/segmentor.pth"),
        inpaintor=dict(config="configs/hdr/small_inpaintor.py", checkpoint="work_dirs/small_inpaintor/inpaintor.pth"),
        pose=dict(config="configs/hdr/small_pose.py", checkpoint="work_dirs/small_pose/pose.pth"),
        crop_scale=2,  # 192 px in place of 96: there is nothing to paint in on 96
        segmentor_size=128,
        hand_size=128,
        enlarge=1.25,  # as its networks were trained; 2.0 is published
        removal=True,
        deocclusion=True,
        masks="pred",
        margin=5,
    )
)
