"""The network of the Keras course report (3,411,521 parameters)."""

from typing import ClassVar

from torch import Tensor, nn

from models.registry import register


class KerasCNN(nn.Module):
    """Three 3×3 convolutions without padding (ReLU, 2×2 max pooling, dropout), then dense layers down to one logit.

    Initialised as Keras does, Glorot uniform with zero bias, because the report's recipe relies on it.
    """

    unsupported_attributions: ClassVar[dict[str, str]] = {}

    def __init__(
        self,
        *,
        channels: tuple[int, ...] = (32, 64, 128),
        hidden: tuple[int, ...] = (256, 128, 64),
        dropout: float = 0.2,
    ):
        super().__init__()
        convolutions: list[nn.Module] = []
        width_in, side = 3, 96
        for width in channels:
            convolutions += [nn.Conv2d(width_in, width, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(dropout)]
            width_in, side = width, (side - 2) // 2
        dense: list[nn.Module] = [nn.Flatten()]
        width_in = width_in * side * side
        for width in hidden:
            dense += [nn.Linear(width_in, width), nn.ReLU(), nn.Dropout(dropout)]
            width_in = width
        self.features = nn.Sequential(*convolutions)
        self.classifier = nn.Sequential(*dense, nn.Linear(width_in, 1))
        self.apply(_glorot)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tumour logit (N,) of float N×3×96×96."""
        logit: Tensor = self.classifier(self.features(x)).squeeze(1)
        return logit

    def attribution_layer(self) -> nn.Module:
        """Return the layer for class activation maps: the end of the convolutions, 10×10 cells."""
        return self.features


def _glorot(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@register("keras-cnn")
def keras_cnn(*, dropout: float = 0.2) -> KerasCNN:
    """Return the Keras report's network."""
    return KerasCNN(dropout=dropout)
