# What every run shares.
default_scope = "interhand_mm"
custom_imports = dict(imports=["interhand_mm.registry"])  # mmengine's own tools work with these configs too
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
# vis_data/ in the work directory. For TensorBoard as well (pip install tensorboard), a second backend:
# --cfg-options visualizer.vis_backends="[{'type':'LocalVisBackend'},{'type':'TensorboardVisBackend'}]"
visualizer = dict(type="InterHandVisualizer", vis_backends=[dict(type="LocalVisBackend")])
test_variants = dict()  # name -> transforms put after the crop: the test set again, changed
