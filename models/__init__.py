"""Networks that take normalised patches, float N×3×96×96, and return the tumour logit, shape (N,).

They know nothing of files, settings or screens: arguments are plain values, weights are loaded by others.

A network declares how it can be explained. ``unsupported_attributions`` maps the attribution methods that do not suit
it to one sentence each; without it its layers are looked at, see :mod:`core.attribution.fit`.
``attribution_layer()`` names the layer for class activation maps.
"""

from models import efficientnet_lite, keras_cnn, mobilenet_v2, nodescope_net, notebook_cnn, resnet
from models.errors import UnknownModelError
from models.folding import agree, fold
from models.normalised import Normalised
from models.registry import (
    FOREIGN,
    build,
    check,
    complete_arguments,
    full_name,
    names,
    normalisation,
    package_of,
    parameter_count,
    register,
)
from models.timm_network import TimmNetwork

BAKES_TO = {"nodescope-net": nodescope_net.BAKED}
"""Networks that are trained in one form and predict in another: name of each -> name of what its ``bake()`` returns."""

__all__ = [
    "BAKES_TO",
    "FOREIGN",
    "Normalised",
    "TimmNetwork",
    "UnknownModelError",
    "agree",
    "build",
    "check",
    "complete_arguments",
    "efficientnet_lite",
    "fold",
    "full_name",
    "keras_cnn",
    "mobilenet_v2",
    "names",
    "nodescope_net",
    "normalisation",
    "notebook_cnn",
    "package_of",
    "parameter_count",
    "register",
    "resnet",
]
