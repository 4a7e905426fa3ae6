"""A network with its normalisation in front."""

import torch
from torch import nn

import models


class Sum(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum(dim=(1, 2, 3))


def test_each_colour_has_its_own_mean_and_deviation() -> None:
    module = models.Normalised(Sum(), mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 2.0))
    x = torch.ones(1, 3, 2, 2)

    # 4 pixels of (1 - .5)/.5 = 1, (1 - .25)/.25 = 3 and 1/2.
    assert module(x).tolist() == [18.0]


def test_it_moves_and_saves_its_constants_with_the_network() -> None:
    module = models.Normalised(models.build("notebook-cnn"), mean=(0.1, 0.2, 0.3), std=(1, 2, 3))

    assert [round(value, 6) for value in module.state_dict()["mean"].flatten().tolist()] == [0.1, 0.2, 0.3]
    assert module.std.dtype == torch.float32
    assert models.parameter_count(module) == 127_230


def test_it_names_the_attribution_layer_of_its_network() -> None:
    lite = models.build("efficientnet-lite0")
    constants = {"mean": (0.5,) * 3, "std": (0.5,) * 3}

    assert models.Normalised(lite, **constants).attribution_layer() is lite.blocks.stage4_2
    assert models.Normalised(Sum(), **constants).attribution_layer() is None


def test_it_reads_larger_images_where_its_network_does() -> None:
    network = models.build("nodescope-net").eval()
    module = models.Normalised(network, mean=(0.7, 0.5, 0.7), std=(0.2, 0.3, 0.2)).eval()
    image = torch.rand(1, 3, 104, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = module.logit_map(image)
        single = module(image[:, :, 8:])

    assert found.shape == (1, 2, 1)
    torch.testing.assert_close(found[0, 1], single, rtol=1e-4, atol=1e-4)
    assert not hasattr(models.Normalised(Sum(), mean=(0.5,) * 3, std=(0.5,) * 3), "logit_map")
