"""Norms in the weights of convolutions: the same answers."""

import pytest
import torch
from torch import nn

import models


def _trained(name: str) -> nn.Module:
    """A network whose norms have seen something."""
    torch.manual_seed(0)
    network = models.build(name).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
    return network


@pytest.mark.parametrize("name", models.names())
@torch.inference_mode()
def test_every_network_answers_the_same_when_folded(name: str) -> None:
    network = _trained(name).double()  # so that rounding is far below what tells patches apart, however untrained
    x = torch.rand(3, 3, 96, 96, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = network(x)

    folded = models.fold(network)

    torch.testing.assert_close(folded(x), expected, rtol=0, atol=1e-5 * float(expected.std()))
    assert torch.equal(network(x), expected)  # the network itself is as it was


@pytest.mark.parametrize(
    ("name", "norms"), [("efficientnet-lite0", 49), ("mobilenet-v2", 52), ("resnet18", 20), ("resnet50", 53)]
)
def test_no_norm_behind_a_convolution_is_left(name: str, norms: int) -> None:
    network = models.build(name)

    assert sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()) == norms
    assert not any(isinstance(module, nn.BatchNorm2d) for module in models.fold(network).modules())


def test_a_norm_behind_something_else_stays() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4))

    assert isinstance(models.fold(network)[2], nn.BatchNorm2d)
