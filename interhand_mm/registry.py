"""Child registries of scope 'interhand_mm'; a config needs no `custom_imports` beyond this module.

Importing it is cheap: the modules under `locations` load when a config first asks for something.
`mmpose.registry` (light, unlike `mmpose.models`) is imported so that `mmpose.X` is known as a scope.
"""

from __future__ import annotations

from importlib.util import find_spec

import mmengine.registry as mmengine
import mmpose.registry  # also makes the scope 'mmpose' known to the root registries
from mmengine.registry import Registry

_SCOPE = "interhand_mm"
# Folders beside the core with registered parts of their own. The core works without them.
_PLUGINS = [name for name in ("hdr",) if find_spec(f"{_SCOPE}.{name}")]


def _child(name: str, parent: Registry, *locations: str, plugins: str = "") -> Registry:
    locations += tuple(f"{plugin}.{plugins}" for plugin in _PLUGINS if plugins)
    return Registry(name, parent=parent, scope=_SCOPE, locations=[f"{_SCOPE}.{place}" for place in locations])


MODELS = _child("model", mmengine.MODELS, "models", plugins="models")
DATASETS = _child("dataset", mmengine.DATASETS, "datasets", plugins="data")
TRANSFORMS = _child("transform", mmengine.TRANSFORMS, "datasets.transforms", plugins="data.transforms")
DATA_SAMPLERS = _child("data sampler", mmengine.DATA_SAMPLERS, "datasets")
METRICS = _child("metric", mmengine.METRICS, "evaluation.metrics", plugins="evaluation")
HOOKS = _child("hook", mmengine.HOOKS, "engine")
VISUALIZERS = _child("visualizer", mmengine.VISUALIZERS, "visualization.visualizer")
OPTIM_WRAPPERS = _child("optimizer wrapper", mmengine.OPTIM_WRAPPERS, "engine")
OPTIM_WRAPPER_CONSTRUCTORS = _child("optimizer wrapper constructor", mmengine.OPTIM_WRAPPER_CONSTRUCTORS, "engine")
CODECS = _child("codec", mmengine.TASK_UTILS, "codecs")

# Nothing of ours is in these; without a child of our scope mmengine warns at every build before it takes its own.
_EMPTY = [
    _child(parent.name, parent)
    for parent in (
        mmengine.EVALUATOR,
        mmengine.FUNCTIONS,
        mmengine.LOG_PROCESSORS,
        mmengine.LOOPS,
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
