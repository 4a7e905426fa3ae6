"""Nodescope in Python: the names for notebooks and scripts. Everything else is open too, in :mod:`core`.

Example:
    >>> import nodescope
    >>> data = nodescope.open_data("demo")
    >>> model = nodescope.load("nodescope")
    >>> nodescope.evaluate(data, model).to_frame()

docs/PYTHON.md goes through them. For research only, never for diagnosis.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from core import __version__
from core.errors import NodescopeError

if TYPE_CHECKING:
    from nodescope.data import Division, open_data, split
    from nodescope.measuring import Measured, evaluate
    from nodescope.predicting import Explanation, Model, Predicted, explain, load, predict
    from nodescope.slides import SlideResult, open_slide, predict_slide
    from nodescope.training import Trained, train

_PLACES = {
    "open_data": "data", "split": "data", "Division": "data",
    "load": "predicting", "predict": "predicting", "explain": "predicting",
    "Model": "predicting", "Predicted": "predicting", "Explanation": "predicting",
    "evaluate": "measuring", "Measured": "measuring",
    "train": "training", "Trained": "training",
    "open_slide": "slides", "predict_slide": "slides", "SlideResult": "slides",
}  # fmt: skip

__all__ = [
    "Division", "Explanation", "Measured", "Model", "NodescopeError", "Predicted", "SlideResult", "Trained",
    "__version__", "evaluate", "explain", "load", "open_data", "open_slide", "predict", "predict_slide", "split",
    "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Only when it is asked for: PyTorch takes seconds to import, and the command `nodescope --help` needs none of it.
    if name not in _PLACES:
        raise AttributeError(f"module 'nodescope' has no attribute {name!r}")
    return getattr(import_module(f"nodescope.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
