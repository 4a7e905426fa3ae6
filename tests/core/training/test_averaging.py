"""The mean of weights: of the right networks, with norms that fit it, calibrated like any other bundle."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import models
from core.bundle import Bundle, halve, load_bundle
from core.commands import main
from core.data import Dataset
from core.errors import BundleError
from core.runs import TrainingConfig
from core.training.averaging import average
from core.training.data import TrainingData, gather

CONFIG = TrainingConfig(device="cpu")


@pytest.fixture
def data(coloured: Dataset) -> TrainingData:
    return gather([coloured], CONFIG)


def _other(bundle: Bundle, factor: float) -> Bundle:
    """The same network with each weight multiplied."""
    card = bundle.card.with_changes(name=f"times {factor}")
    weights = {name: value * factor if value.is_floating_point() else value for name, value in bundle.weights.items()}
    return replace(bundle, card=card, weights=weights)


def test_weights_are_the_mean_and_the_card_names_them(tiny_bundle: Bundle, data: TrainingData) -> None:
    other = _other(tiny_bundle, 0.5)

    made = average([tiny_bundle, other], data, CONFIG, name="mean")

    for name, value in tiny_bundle.weights.items():
        torch.testing.assert_close(made.weights[name].float(), value.float() * 0.75, rtol=2e-3, atol=1e-6)
    assert [each["digest"] for each in made.card.training["averaged"]] == [tiny_bundle.digest, other.digest]
    assert made.card.operating is not None
    assert [each.split for each in made.card.measured] == ["test", "valid"]


def test_norms_are_those_of_training_patches(tiny_bundle: Bundle, data: TrainingData) -> None:
    torch.manual_seed(0)
    card = tiny_bundle.card.with_changes(model="efficientnet-lite0", name="one")
    network = models.build("efficientnet-lite0")
    one = Bundle(card, halve(network.state_dict()))

    made = average([one, replace(one, card=card.with_changes(name="same"))], data, CONFIG, name="mean")

    # The first convolution is linear: its norm must hold the mean of its output over the patches.
    first = next(name for name in made.weights if name.endswith("running_mean"))
    seen = models.Normalised(models.build("efficientnet-lite0"), mean=card.mean, std=card.std)
    seen.network.load_state_dict({name: value.float() for name, value in one.weights.items()})
    found: list[torch.Tensor] = []
    layer = next(each for each in seen.modules() if isinstance(each, torch.nn.BatchNorm2d))
    layer.register_forward_hook(lambda _module, inputs, _output: found.append(inputs[0].mean((0, 2, 3))))
    pixels = torch.from_numpy(np.asarray(data.train.pixels[:])).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        seen.eval()(pixels)
    torch.testing.assert_close(made.weights[first].float(), found[0], rtol=5e-3, atol=1e-3)
    assert not torch.equal(made.weights[first], one.weights[first])


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"model": "keras-cnn"}, "one network only"), ({"mean": (0.1, 0.2, 0.3)}, "normalise pixels differently")],
)
def test_networks_that_have_no_mean_are_refused(
    tiny_bundle: Bundle, data: TrainingData, changes: dict[str, object], message: str
) -> None:
    other = replace(tiny_bundle, card=tiny_bundle.card.with_changes(**changes))
    with pytest.raises(BundleError, match=message):
        average([tiny_bundle, other], data, CONFIG, name="mean")
    with pytest.raises(BundleError, match="two bundles or more"):
        average([tiny_bundle], data, CONFIG, name="mean")


def test_the_command_writes_a_bundle(
    tiny_bundle: Bundle,
    coloured: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("core.commands.average.open_dataset", lambda _: coloured)
    paths = [str(tmp_path / f"{number}.safetensors") for number in range(2)]
    for path, bundle in zip(paths, (tiny_bundle, _other(tiny_bundle, 2)), strict=True):
        bundle.save(Path(path))

    status = main(["average", *paths, "--data", "demo", "--device", "cpu", "--out", str(tmp_path / "mean.safetensors")])

    assert status == 0
    made = load_bundle(tmp_path / "mean.safetensors")
    assert made.card.name == "mean"
    assert f"mean ({made.digest})" in capsys.readouterr().out
