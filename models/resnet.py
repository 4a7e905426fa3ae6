"""Torchvision's residual networks with one logit, as in the ResNet50 transfer report (23,510,081 parameters)."""

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

from models.registry import register

if TYPE_CHECKING:  # the import takes seconds, as long as PyTorch's own, so it is left to where a ResNet is built
    import torchvision


class ResNet(nn.Module):
    """A torchvision ResNet whose last layer gives the tumour logit.

    The weights are random; training loads pretrained ones into :attr:`network`.
    """

    unsupported_attributions: ClassVar[dict[str, str]] = {
        "deeplift": "Its rule for max pooling needs windows that do not overlap, and this network pools 3×3 in steps "
        "of 2.",
        "lrp": "It needs layers that are used once, and this network uses the ReLU of each block twice or more.",
    }

    def __init__(self, network: "torchvision.models.ResNet"):
        super().__init__()
        network.fc = nn.Linear(network.fc.in_features, 1)
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Return the tumour logit (N,) of float N×3×96×96."""
        logit: Tensor = self.network(x).squeeze(1)
        return logit

    def attribution_layer(self) -> nn.Module:
        """Return the layer for class activation maps: 6×6 at 96 px, where the last one has only 3×3."""
        layer: nn.Module = self.network.layer3
        return layer

    def head(self) -> nn.Module:
        """Return the layer that is trained while the backbone is frozen."""
        layer: nn.Module = self.network.fc
        return layer


@register("resnet18")
def resnet18() -> ResNet:
    """Return a ResNet18 with one logit."""
    import torchvision

    return ResNet(torchvision.models.resnet18(weights=None))


@register("resnet50")
def resnet50() -> ResNet:
    """Return the transfer report's ResNet50 with one logit."""
    import torchvision

    return ResNet(torchvision.models.resnet50(weights=None))
