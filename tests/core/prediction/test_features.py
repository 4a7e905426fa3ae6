"""Features are those of the last call of their layer, and what comes behind it is not run."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import models
from core.prediction.features import _caught, early_features, layers_of
from core.prediction.predictor import as_input


@pytest.mark.parametrize(("name", "calls"), [("notebook-cnn", 1), ("resnet50", 3)])
def test_early_features_are_those_of_a_whole_pass(name: str, calls: int) -> None:
    torch.manual_seed(0)
    module = models.Normalised(models.build(name), mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2)).eval()
    predictor: Any = SimpleNamespace(
        module=module,
        device=torch.device("cpu"),
        seen=lambda pixels: pixels,
        in_portions=lambda work: work(16),
        computed=lambda *_: None,
    )
    pixels = np.random.default_rng(0).integers(0, 255, (16, 96, 96, 3), dtype=np.uint8)
    layer, outputs = layers_of(module).early, list[torch.Tensor]()
    # A copy, because the next layer may write into it.
    keep = module.get_submodule(layer).register_forward_hook(lambda _module, _given, output: outputs.append(+output))
    with torch.no_grad():
        module(as_input(pixels, predictor.device))
    keep.remove()
    assert len(outputs) == calls
    flat = outputs[-1].flatten(2)
    expected = torch.cat([flat.mean(dim=2), flat.std(dim=2)], dim=1).numpy()
    assert (early_features(predictor, pixels, layer=layer) == expected).all()

    given = as_input(pixels[:1], predictor.device)
    assert len(_caught(module, given, layer, lambda _given, output: output, last=1)) == 1
    assert (early_features(predictor, pixels, layer=layer) == expected).all()
