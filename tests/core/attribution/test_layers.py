"""Which layer a class activation map looks at, and where its cells lie."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.attribution import attribute
from core.attribution.cam import declared_layer, describe_layer
from core.attribution.geometry import Axis, Grid, grid_of, stretched
from core.errors import AttributionError


class Named(nn.Module):
    def __init__(self, choice: str | None) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 2, 8, stride=8)
        self.second = nn.Conv2d(2, 2, 1)
        self.choice = choice

    def forward(self, x: Tensor) -> Tensor:
        return self.second(F.relu(self.first(x))).mean(dim=(1, 2, 3))

    def attribution_layer(self) -> nn.Module | None:
        return None if self.choice is None else self.get_submodule(self.choice)


def test_a_network_may_name_its_layer_or_leave_it_open():
    network = Named("first")
    assert declared_layer(network) is network.first
    assert describe_layer(nn.Sequential(network), network.first).name == "0.first"
    assert declared_layer(nn.Sequential(network)) is network.first
    assert declared_layer(Named(None)) is None
    network.attribution_layer = lambda: "first"
    with pytest.raises(AttributionError, match="returned str; it must return one of the network's modules"):
        declared_layer(network)


def test_layers_that_cannot_be_drawn_are_refused(convolutional, patch):
    with pytest.raises(AttributionError, match="not a module of this network"):
        attribute(convolutional, patch, layer=nn.Conv2d(3, 3, 1))
    with pytest.raises(AttributionError, match=r"shape \(1, 8\); .* N×C×h×w"):
        describe_layer(convolutional, convolutional.network.head[1])
    with pytest.raises(AttributionError, match="Saliency explains pixels"):
        attribute(convolutional, patch, method="saliency", layer=convolutional.network.features[0])
    twice = nn.ReLU()
    network = nn.Sequential(nn.Conv2d(3, 2, 8, stride=8), twice, twice, nn.Flatten(), nn.Linear(288, 1), nn.Flatten(0))
    with pytest.raises(AttributionError, match="used 2 times"):
        describe_layer(network, twice)


def test_valid_convolutions_look_at_the_middle_of_the_patch(convolutional):
    grid = describe_layer(convolutional, declared_layer(convolutional)).grid
    assert grid == Grid(Axis(19, 8), Axis(19, 8))  # 0.5+1, ·2, +0.5, ... by hand: 19, 27, ..., 75


def test_the_grid_is_where_a_cell_s_gradient_is_centred():
    network = nn.Sequential(nn.Conv2d(3, 1, 5), nn.AvgPool2d(2), nn.Conv2d(1, 1, 3, stride=2), nn.AvgPool2d(3, 2, 1))
    pixels = torch.rand(1, 3, 96, 96, requires_grad=True)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1)
    cells = network.requires_grad_(False)(pixels)
    axis = grid_of(cells).rows
    for row, column in ((3, 4), (5, 2)):
        slope = torch.autograd.grad(cells[0, 0, row, column], pixels, retain_graph=True)[0][0].sum(dim=0)
        middle = float((slope.sum(dim=1) * (torch.arange(96) + 0.5)).sum() / slope.sum())
        assert middle == pytest.approx(axis.first + axis.step * row, abs=1e-3)


@pytest.mark.parametrize(
    ("layers", "first", "step"),
    [
        ([nn.Conv2d(3, 1, 3, padding=1)], 0.5, 1),
        ([nn.Conv2d(3, 1, 3, stride=2, padding=1), nn.Conv2d(1, 1, 3, stride=2, padding=1)], 0.5, 4),
        ([nn.Conv2d(3, 1, 3, dilation=4)], 4.5, 1),
        ([nn.ZeroPad2d(2), nn.Conv2d(3, 1, 5), nn.MaxPool2d(2)], 1.0, 2),
        ([nn.AvgPool2d(16)], 8, 16),
    ],
)
def test_the_grid_follows_from_kernel_stride_and_padding(layers, first, step):
    pixels = torch.rand(1, 3, 96, 96, requires_grad=True)
    assert grid_of(nn.Sequential(*layers).requires_grad_(False)(pixels)) == Grid(Axis(first, step), Axis(first, step))


def test_unknown_geometry_is_stretched():
    pixels = torch.rand(1, 3, 96, 96, requires_grad=True)
    enlarged = nn.Sequential(nn.Conv2d(3, 1, 16, stride=16), nn.Upsample(scale_factor=2))(pixels)
    assert grid_of(enlarged) == stretched(12, 12) == Grid(Axis(4, 8), Axis(4, 8))


def test_a_lit_cell_is_drawn_at_its_place():
    cells = np.zeros((8, 8), np.float32)
    cells[2, 5] = 3
    drawn = Grid(Axis(19, 8), Axis(19, 8)).project(cells)
    assert drawn[34:36, 58:60] == pytest.approx(3 * (1 - 0.5 / 8) ** 2)  # either side of (35, 59)
    assert drawn.max() == drawn[34, 58]
    assert drawn[34, 67] == 0
    corner = np.zeros((8, 8), np.float32)
    corner[0, 0] = 1
    faded = Grid(Axis(19, 8), Axis(19, 8)).project(corner)
    assert (faded[15:19, 15:19] == 1).all()  # half a step outwards, from 19 to 15
    assert faded[10, 18] == pytest.approx(1 - 4.5 / 8)  # then down to nothing at 7
    assert (faded[:7] == 0).all()
    assert (faded[:, :7] == 0).all()


def test_a_stretched_map_is_torch_s_bilinear_resizing():
    cells = torch.rand(1, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(cells, size=(96, 96), mode="bilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(stretched(6, 6).project(cells[0, 0].numpy()), expected, atol=1e-6)
