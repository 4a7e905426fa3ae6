"""The attribution methods by name, in plain words, and which of them a network supports.

Slopes, paths and occlusion mean something on every differentiable network. A method with rules of its own does so only
where its rules cover every step that the network takes. Networks say that themselves: ``unsupported_attributions``
holds the methods that do not suit one, with the reason, and a test proves both lists on every network of the registry.
Of a network that declares nothing, the steps of a pass are looked at (:mod:`core.attribution.fit`).
"""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from core.attribution.cam import declared_layer
from core.attribution.fit import obstacle
from core.errors import AttributionError

Family = Literal["cam", "gradient", "path", "rules", "perturbation"]
Sign = Literal["absolute", "positive", "signed"]


@dataclass(frozen=True)
class Method:
    """What a page needs to know about one attribution method.

    Attributes:
        name: Key in :data:`METHODS` and on the command line, such as ``grad-cam``.
        label: Name on screen.
        help: One plain sentence on what the map shows.
        family: ``cam`` (a layer's feature maps), ``gradient`` (slope at the patch), ``path`` (slopes on the
            way from a baseline), ``rules`` (own rules on the way back), ``perturbation`` (covers squares of the
            patch).
        cost: Rough number of forward passes at the default options; a backward pass counts as two.
        needs_layer: Whether the method explains a layer and so accepts ``layer=``.
        uses_baseline: Whether the result depends on :attr:`AttributionOptions.baseline`.
        uses_noise: Whether the result depends on the noise options and the seed.
        complete: Whether the attributions promise to add up to logit minus baseline logit.
        sign: How :func:`saliency_map` draws it by default.
        source: The paper.
    """

    name: str
    label: str
    help: str
    family: Family
    cost: int
    source: str
    needs_layer: bool = False
    uses_baseline: bool = False
    uses_noise: bool = False
    complete: bool = False
    sign: Sign = "absolute"


_ALL = (
    Method(
        name="grad-cam",
        label="Grad-CAM",
        help="Coarse map of where the network's last detailed feature maps hold evidence for tumour.",
        family="cam",
        cost=2,
        source="Selvaraju 2017, arXiv:1610.02391",
        needs_layer=True,
        sign="positive",
    ),
    Method(
        name="hires-cam",
        label="HiResCAM",
        help="Like Grad-CAM, but weighs every place by its own slope instead of the average slope.",
        family="cam",
        cost=2,
        source="Draelos 2020, arXiv:2011.08891",
        needs_layer=True,
        sign="positive",
    ),
    Method(
        name="saliency",
        label="Saliency",
        help="How strongly the logit would change if a pixel changed a little.",
        family="gradient",
        cost=3,
        source="Simonyan 2013, arXiv:1312.6034",
    ),
    Method(
        name="input-x-gradient",
        label="Input × Gradient",
        help="The slope at each pixel times the pixel's brightness; black pixels never count.",
        family="gradient",
        cost=3,
        source="Shrikumar 2016, arXiv:1605.01713",
    ),
    Method(
        name="smoothgrad",
        label="SmoothGrad",
        help="Saliency averaged over noisy copies of the patch, which calms the speckle.",
        family="gradient",
        cost=48,
        source="Smilkov 2017, arXiv:1706.03825",
        uses_noise=True,
    ),
    Method(
        name="integrated-gradients",
        label="Integrated Gradients",
        help="Sums the slopes as the patch fades in from a baseline; the attributions add up to the logit's change.",
        family="path",
        cost=96,
        source="Sundararajan 2017, arXiv:1703.01365",
        uses_baseline=True,
        complete=True,
        sign="signed",
    ),
    Method(
        name="gradient-shap",
        label="GradientSHAP",
        help="Integrated Gradients by random sampling, with noise on the patch.",
        family="path",
        cost=48,
        source="Lundberg 2017, arXiv:1705.07874",
        uses_baseline=True,
        uses_noise=True,
        complete=True,
        sign="signed",
    ),
    Method(
        name="guided-backprop",
        label="Guided Backpropagation",
        help="Sharp picture of the structures that excite the network; it shows edges more than reasons.",
        family="rules",
        cost=3,
        source="Springenberg 2014, arXiv:1412.6806",
    ),
    Method(
        name="guided-grad-cam",
        label="Guided Grad-CAM",
        help="Guided Backpropagation kept only where Grad-CAM is positive.",
        family="rules",
        cost=5,
        source="Selvaraju 2017, arXiv:1610.02391",
        needs_layer=True,
    ),
    Method(
        name="deeplift",
        label="DeepLIFT",
        help="Compares every unit with its value on the baseline; the attributions add up to the change in logit.",
        family="rules",
        cost=6,
        source="Shrikumar 2017, arXiv:1704.02685",
        uses_baseline=True,
        complete=True,
        sign="signed",
    ),
    Method(
        name="occlusion",
        label="Occlusion",
        help="How much the logit falls when a square of the patch is covered.",
        family="perturbation",
        cost=122,
        source="Zeiler 2013, arXiv:1311.2901",
        uses_baseline=True,
        sign="signed",
    ),
    Method(
        name="lrp",
        label="Layer-wise Relevance Propagation",
        help="Hands the logit back layer by layer, to each unit in proportion to what it gave.",
        family="rules",
        cost=4,
        source="Bach 2015, doi:10.1371/journal.pone.0130140",
        sign="signed",
    ),
)

METHODS: dict[str, Method] = {method.name: method for method in _ALL}
"""All methods, the cheapest and most informative first."""


def method_named(name: str) -> Method:
    """Return the method of this name. Raises :class:`AttributionError` where there is none."""
    if name not in METHODS:
        raise AttributionError(f"There is no attribution method {name!r}; choose one of {', '.join(METHODS)}.")
    return METHODS[name]


def supports(method: str, model: nn.Module) -> str | None:
    """Return None when a method means something on this network, else one sentence that says why not.

    Example:
        >>> supports("lrp", models.build("resnet18"))
        'It needs layers that are used once, and this network uses the ReLU of each block twice or more.'

    Raises:
        AttributionError: The method is unknown.
    """
    chosen = method_named(method)
    if chosen.family == "rules":
        declared: dict[str, str] | None = getattr(model, "unsupported_attributions", None)
        if declared is None and (reason := obstacle(method, model)) is not None:
            return reason
        if declared is not None and method in declared:
            return declared[method]
    if chosen.needs_layer and declared_layer(model) is None:
        return "It explains the feature maps of one layer, and this network does not name one for it."
    return None


def refusal(method: str, model: nn.Module, reason: str) -> AttributionError:
    """Return the error for a method that does not suit a network, with those that do."""
    suited = ", ".join(available(model))
    return AttributionError(f"{METHODS[method].label} cannot explain this network. {reason} Choose one of {suited}.")


def available(model: nn.Module) -> list[str]:
    """Return the names of the methods that this network supports, in the order of ``METHODS``."""
    return [name for name in METHODS if supports(name, model) is None]
