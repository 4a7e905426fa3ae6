"""The small network of the Kaggle notebook "PyTorch CNN Binary Image Classification" (127,230 parameters)."""

from typing import ClassVar

from torch import Tensor, nn

from models.registry import register


class NotebookCNN(nn.Module):
    """Four 3×3 convolutions without padding, each with ReLU and 2×2 max pooling, then two dense layers.

    The last layer has an output for each class, as in the notebook, whose log-softmax and NLL loss equal binary
    cross-entropy on their difference; the difference is what this module returns.
    """

    unsupported_attributions: ClassVar[dict[str, str]] = {
        "lrp": "It hands out a single output of the last layer, and this network's logit is the difference of two.",
    }

    def __init__(self, *, channels: tuple[int, ...] = (8, 16, 32, 64), hidden: int = 100, dropout: float = 0.25):
        super().__init__()
        layers: list[nn.Module] = []
        width_in, side = 3, 96
        for width in channels:
            layers += [nn.Conv2d(width_in, width, 3), nn.ReLU(), nn.MaxPool2d(2)]
            width_in, side = width, (side - 2) // 2
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(width_in * side * side, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the tumour logit (N,) of float N×3×96×96."""
        scores: Tensor = self.classifier(self.features(x))
        return scores[:, 1] - scores[:, 0]

    def attribution_layer(self) -> nn.Module:
        """Return the layer for class activation maps: the last ReLU, 8×8 cells, before pooling leaves 4×4."""
        return self.features[-2]


@register("notebook-cnn")
def notebook_cnn(*, dropout: float = 0.25) -> NotebookCNN:
    """Return the notebook's network."""
    return NotebookCNN(dropout=dropout)
