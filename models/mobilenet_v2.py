"""MobileNetV2 with one logit: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018."""

from typing import ClassVar

from torch import Tensor, nn

from models.efficientnet_lite import ReLU6
from models.enlarged import PATCH, check_side, enlarge
from models.registry import register


class MobileNetV2(nn.Module):
    """torchvision's MobileNetV2, whose features keep their names, with a last layer of one output.

    Args:
        dropout: share of the pooled features that is dropped in training.
        side: patches are first enlarged to this many pixels a side, bilinearly. The published weights know things from
            pictures of 224, in which they are larger; the cost grows with the area.

    Raises:
        ValueError: `side` is smaller than a patch, or so large that a batch would not fit into memory.
    """

    unsupported_attributions: ClassVar[dict[str, str]] = {
        "lrp": "It has no rule for ReLU6 layers, which this network has.",
    }

    def __init__(self, *, dropout: float = 0.2, side: int = PATCH):
        import torchvision  # takes seconds, so it is left to where a network is built

        super().__init__()
        check_side(side)
        self.side = side
        network = torchvision.models.mobilenet_v2(weights=None)
        self.features: nn.Sequential = network.features
        for parent in list(self.features.modules()):
            for name, child in parent.named_children():
                if isinstance(child, nn.ReLU6):  # torchvision's overwrites its input, which saliency maps look at
                    setattr(parent, name, ReLU6())
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(network.last_channel, 1)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tumour logit (N,) of float N×3×96×96."""
        pooled = self.features(enlarge(x, self.side)).mean(dim=(2, 3))
        logit: Tensor = self.classifier(self.dropout(pooled)).squeeze(1)
        return logit

    def attribution_layer(self) -> nn.Module:
        """Return the layer for class activation maps: the last one.

        Its cells are large, 32×32 (enlarged) pixels, but what earlier ones end with has both signs, and maps of them
        point at tumour less often (docs/RESULTS.md).
        """
        return self.features[18]

    def head(self) -> nn.Module:
        """Return the layer that is trained while the backbone is frozen."""
        return self.classifier


@register("mobilenet-v2")
def mobilenet_v2(*, dropout: float = 0.2, side: int = PATCH) -> MobileNetV2:
    """Return a MobileNetV2 with one logit."""
    return MobileNetV2(dropout=dropout, side=side)
