# Settings that all configs share.
default_scope = "interhand_mm"
custom_imports = dict(imports=["interhand_mm.registry"])  # lets mmengine's own tools use these configs
randomness = dict(seed=0)
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", interval=1, max_keep_ckpts=3, save_best="MPJPE/all", rule="less"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
)
custom_hooks = [dict(type="SampleSeedHook"), dict(type="SkipReportHook")]
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=1),
    dist_cfg=dict(backend="nccl"),
)
log_level = "INFO"
log_processor = dict(window_size=50)
load_from = None
resume = False
work_dir = None
# Scalars and images are written to vis_data/ in the work directory. To write them for TensorBoard as well, run
# pip install tensorboard and add a second backend:
# --cfg-options visualizer.vis_backends="[{'type':'LocalVisBackend'},{'type':'TensorboardVisBackend'}]"
visualizer = dict(type="InterHandVisualizer", vis_backends=[dict(type="LocalVisBackend")])
# name -> transforms: the test set is evaluated once more for each name, with these transforms after the crop
test_variants = dict()
