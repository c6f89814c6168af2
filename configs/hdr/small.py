# The quick start's network with the small HDR plugin. The key `model.hdr` is all that turns the plugin on.
# Its checkpoints are those of the small networks in this folder; topdown_demo.py --hdr takes others.
_base_ = ["../quickstart/marginal.py"]

model = dict(
    hdr=dict(
        type="HDRPlugin",
        segmentor=dict(config="configs/hdr/small_segmentor.py", checkpoint="work_dirs/small_segmentor/segmentor.pth"),
        inpaintor=dict(config="configs/hdr/small_inpaintor.py", checkpoint="work_dirs/small_inpaintor/inpaintor.pth"),
        pose=dict(config="configs/hdr/small_pose.py", checkpoint="work_dirs/small_pose/pose.pth"),
        crop_scale=2,  # 192 px instead of 96, which are too few to paint in
        segmentor_size=128,
        hand_size=128,
        enlarge=1.25,  # as the networks were trained; published: 2.0
        removal=True,
        deocclusion=True,
        masks="pred",
        margin=5,
    )
)
