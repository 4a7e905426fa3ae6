"""Each network is one graph for a compiler while it learns: CUDA graphs then launch all of it at once."""

import pytest
import torch

import models
from models import d4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["notebook-cnn", "keras-cnn", "efficientnet-lite0", "nodescope-net"])
def test_a_network_that_learns_is_one_graph(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(d4, "_copies", d4._Permute.apply)  # as on a GPU
    network = models.Normalised(models.build(name), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)).train()
    torch._dynamo.reset()

    found = torch._dynamo.explain(network.to(memory_format=torch.channels_last))(torch.rand(2, 3, 96, 96))

    assert (found.graph_count, found.graph_break_count) == (1, 0), found.break_reasons
