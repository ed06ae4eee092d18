"""Computer vision from lectures to practice, in pure Python on PyTorch.

    import tapetum
    run = tapetum.train("retinanet", "scenes", out="runs/first", epochs=3)
    model = tapetum.load(run)
    model.predict("photo.jpg").objects

Names are imported when they are first used, so that `import tapetum` costs nothing.
"""

from __future__ import annotations

from tapetum.base.faces import lazy_names

_PLACES = {
    "Batch": "tapetum.structures",
    "Result": "tapetum.api",
    "Limits": "tapetum.base.limits",
    "Model": "tapetum.structures",
    "PostprocessOptions": "tapetum.structures",
    "Predictor": "tapetum.api",
    "Objects": "tapetum.structures",
    "Prediction": "tapetum.structures",
    "Sample": "tapetum.structures",
    "Settings": "tapetum.runs.settings",
    "TapetumError": "tapetum.base.errors",
    "TrainOptions": "tapetum.runs.train_options",
    "Target": "tapetum.structures",
    "check": "tapetum.api",
    "convert": "tapetum.api",
    "evaluate": "tapetum.api",
    "evaluate_files": "tapetum.api",
    "export": "tapetum.api",
    "load": "tapetum.api",
    "report": "tapetum.api",
    "resume": "tapetum.api",
    "train": "tapetum.api",
}

__all__ = sorted(_PLACES)

__getattr__, __dir__ = lazy_names(__name__, _PLACES)
