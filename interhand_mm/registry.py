"""The registries of the scope 'interhand_mm'. A config needs no `custom_imports` other than this module.

Importing it is cheap, because the modules under `locations` are imported when a config first needs them.
`mmpose.registry`, which is light unlike `mmpose.models`, is imported so that configs can use names like `mmpose.X`.
"""

from __future__ import annotations

from importlib.util import find_spec

import mmengine.registry as mmengine
import mmpose.registry  # also makes the scope 'mmpose' known to the root registries
from mmengine.registry import Registry

_SCOPE = "interhand_mm"
# Folders of plugins with registered classes of their own. The core works without them.
_PLUGINS = [name for name in ("hdr",) if find_spec(f"{_SCOPE}.{name}")]


def _child(name: str, parent: Registry, *locations: str, plugins: str = "") -> Registry:
    locations += tuple(f"{plugin}.{plugins}" for plugin in _PLUGINS if plugins)
    return Registry(name, parent=parent, scope=_SCOPE, locations=[f"{_SCOPE}.{place}" for place in locations])


MODELS = _child("model", mmengine.MODELS, "models", plugins="models")
DATASETS = _child("dataset", mmengine.DATASETS, "datasets", plugins="data")
TRANSFORMS = _child("transform", mmengine.TRANSFORMS, "datasets.transforms", plugins="data.transforms")
DATA_SAMPLERS = _child("data sampler", mmengine.DATA_SAMPLERS, "datasets")
FUNCTIONS = _child("function", mmengine.FUNCTIONS, "datasets")
METRICS = _child("metric", mmengine.METRICS, "evaluation.metrics", plugins="evaluation")
LOOPS = _child("loop", mmengine.LOOPS, "engine")
HOOKS = _child("hook", mmengine.HOOKS, "engine")
VISUALIZERS = _child("visualizer", mmengine.VISUALIZERS, "visualization.visualizer")
OPTIM_WRAPPERS = _child("optimizer wrapper", mmengine.OPTIM_WRAPPERS, "engine")
OPTIM_WRAPPER_CONSTRUCTORS = _child("optimizer wrapper constructor", mmengine.OPTIM_WRAPPER_CONSTRUCTORS, "engine")
CODECS = _child("codec", mmengine.TASK_UTILS, "codecs")

# These contain nothing of ours. Without a child of our scope, mmengine logs a warning at every build.
_EMPTY = [
    _child(parent.name, parent)
    for parent in (
        mmengine.EVALUATOR,
        mmengine.LOG_PROCESSORS,
        mmengine.MODEL_WRAPPERS,
        mmengine.OPTIMIZERS,
        mmengine.PARAM_SCHEDULERS,
        mmengine.RUNNERS,
        mmengine.RUNNER_CONSTRUCTORS,
        mmengine.STRATEGIES,
        mmengine.VISBACKENDS,
        mmengine.WEIGHT_INITIALIZERS,
        mmpose.registry.KEYPOINT_CODECS,
    )
]
