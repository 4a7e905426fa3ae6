"""Small networks whose attributions can be worked out by hand."""

from collections.abc import Callable
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """logit = w · x + b, with w of shape 3×96×96."""

    unsupported_attributions: ClassVar[dict[str, str]] = {}

    def __init__(self, weight: Tensor, bias: float = 0.0):
        super().__init__()
        self.flatten = nn.Flatten()
        self.dense = nn.Linear(weight.numel(), 1)
        with torch.no_grad():
            self.dense.weight.copy_(weight.reshape(1, -1))
            self.dense.bias.fill_(bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.flatten(x)).squeeze(1)


class Normalised(nn.Module):
    def __init__(self, network: nn.Module, mean: float, std: float):
        super().__init__()
        self.network = network
        self.mean = mean
        self.std = std
        self.unsupported_attributions = network.unsupported_attributions

    def forward(self, x: Tensor) -> Tensor:
        return self.network((x - self.mean) / self.std)


class Convolutional(nn.Module):
    """Four valid convolutions with pooling, so that the last map before the end is 8×8."""

    unsupported_attributions: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in (4, 4, 6, 6):
            layers += [nn.Conv2d(channels, width, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
            channels = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(6 * 4 * 4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x)).squeeze(1)

    def attribution_layer(self) -> nn.Module:
        return self.features[10]


def _seeded(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def weight() -> Tensor:
    return _seeded(3, 96, 96, seed=1) / 100


@pytest.fixture
def linear(weight: Tensor) -> nn.Module:
    return Linear(weight, bias=0.25)


@pytest.fixture
def make_linear() -> Callable[..., nn.Module]:
    return Linear


@pytest.fixture
def make_normalised() -> Callable[..., nn.Module]:
    return Normalised


@pytest.fixture
def convolutional() -> nn.Module:
    network = Convolutional()
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            spread = 0.1 if parameter.dim() == 1 else (2 / parameter[0].numel()) ** 0.5
            parameter.copy_(_seeded(*parameter.shape, seed=40 + index) * spread)
    return Normalised(network.train(), 0.6, 0.25)


@pytest.fixture
def patch() -> Tensor:
    """A patch 3×96×96 in [0, 1]."""
    return torch.rand(3, 96, 96, generator=torch.Generator().manual_seed(7))
