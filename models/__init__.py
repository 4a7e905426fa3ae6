"""Networks that take normalised patches, float N×3×96×96, and return the tumour logit, shape (N,).

They know nothing of files, settings or screens: arguments are plain values, weights are loaded by others.

A network declares how it can be explained. ``unsupported_attributions`` maps the attribution methods that do not suit
it to one sentence each; without it only methods are offered that suit every differentiable network.
``attribution_layer()`` names the layer for class activation maps.
"""

from models import efficientnet_lite, keras_cnn, nodescope_net, notebook_cnn, resnet
from models.folding import fold
from models.normalised import Normalised
from models.registry import UnknownModelError, build, complete_arguments, names, parameter_count, register

BAKES_TO = {"nodescope-net": nodescope_net.BAKED}
"""Networks that are trained in one form and predict in another: name of each -> name of what its ``bake()`` returns."""

__all__ = [
    "BAKES_TO",
    "Normalised",
    "UnknownModelError",
    "build",
    "complete_arguments",
    "efficientnet_lite",
    "fold",
    "keras_cnn",
    "names",
    "nodescope_net",
    "notebook_cnn",
    "parameter_count",
    "register",
    "resnet",
]
