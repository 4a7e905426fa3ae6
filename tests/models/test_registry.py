"""The networks by name: parameters, arguments, and what comes out."""

import json

import pytest
import torch

import models

PARAMETERS = {
    "notebook-cnn": 127_230,
    "keras-cnn": 3_411_521,
    "efficientnet-lite0": 3_372_289,
    "efficientnet-lite1": 4_136_961,
    "efficientnet-lite2": 4_812_353,
    "mobilenet-v2": 2_225_153,
    "resnet18": 11_177_025,
    "resnet50": 23_510_081,
}


def test_names_are_sorted_and_hold_the_published_networks() -> None:
    assert models.names() == sorted(set(models.names()))
    assert set(PARAMETERS) <= set(models.names())


@pytest.mark.parametrize("name", PARAMETERS)
def test_trainable_parameters_are_those_of_the_publications(name: str) -> None:
    assert models.parameter_count(models.build(name)) == PARAMETERS[name]


def test_frozen_parameters_are_not_counted() -> None:
    model = models.build("notebook-cnn")
    for parameter in model.classifier.parameters():
        parameter.requires_grad_(False)

    # Four 3×3 convolutions with bias: 3-8-16-32-64.
    assert models.parameter_count(model) == 224 + 1168 + 4640 + 18496


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(models.UnknownModelError, match=r"no network called 'vgg'.*keras-cnn, .*resnet50"):
        models.build("vgg")


def test_a_wrong_argument_is_named() -> None:
    with pytest.raises(models.UnknownModelError, match=r"'resnet18' does not take \{'depth': 3\}"):
        models.build("resnet18", depth=3)


def test_a_value_that_the_network_cannot_use_is_refused() -> None:
    with pytest.raises(models.UnknownModelError, match=r"'notebook-cnn' does not take \{'dropout': 5\}"):
        models.build("notebook-cnn", dropout=5)


def test_complete_arguments_hold_the_defaults_as_json_gives_them_back() -> None:
    assert models.complete_arguments("efficientnet-lite0", {"side": 144}) == {"dropout": 0.2, "side": 144}
    complete = models.complete_arguments("nodescope-net", {})
    assert complete == {"widths": [4, 6, 10, 12, 18, 30, 44], "dropout": 0.1}
    assert json.loads(json.dumps(complete)) == complete
    with pytest.raises(models.UnknownModelError, match="no network called 'alexnet'"):
        models.complete_arguments("alexnet", {})


def test_a_name_is_given_once() -> None:
    with pytest.raises(models.UnknownModelError, match="Two networks are called 'resnet18'"):
        models.register("resnet18")(lambda: torch.nn.Identity())


@pytest.mark.parametrize("name", models.names())
def test_every_network_gives_one_finite_float32_logit_a_patch(name: str) -> None:
    torch.manual_seed(0)
    model = models.build(name).eval()
    patches = torch.rand(3, 3, 96, 96, generator=torch.Generator().manual_seed(1))

    with torch.inference_mode():
        logits = model(patches)

    assert logits.shape == (3,)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()
    assert len(set(logits.tolist())) == 3  # each patch has its own


@pytest.mark.parametrize("name", models.names())
def test_a_patch_alone_gets_the_logit_that_it_gets_among_others(name: str) -> None:
    torch.manual_seed(0)
    model = models.build(name).eval()
    patches = torch.rand(4, 3, 96, 96, generator=torch.Generator().manual_seed(2))

    with torch.inference_mode():
        together, single = model(patches), torch.cat([model(patch[None]) for patch in patches])

    torch.testing.assert_close(together, single, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "cells"), [("efficientnet-lite0", 6), ("mobilenet-v2", 3), ("resnet18", 6), ("resnet50", 6)]
)
def test_the_head_is_the_last_layer_and_the_attribution_layer_has_a_map(name: str, cells: int) -> None:
    model = models.build(name).eval()
    maps: list[torch.Tensor] = []
    layer = model.attribution_layer()
    layer.register_forward_hook(lambda _module, _arguments, output: maps.append(output))

    with torch.inference_mode():
        model(torch.zeros(1, 3, 96, 96))

    assert maps[0].shape[2:] == (cells, cells)
    head = {id(parameter) for parameter in model.head().parameters()}
    assert 0 < len(head) < len(list(model.parameters()))
    assert head <= {id(parameter) for parameter in model.parameters()}
