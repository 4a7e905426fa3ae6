"""Which methods mean something on which network."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.attribution import METHODS, attribute, available, supports
from core.errors import AttributionError

pytestmark = pytest.mark.filterwarnings("ignore:Setting forward, backward hooks:UserWarning")


class Net(nn.Module):
    """A 1/16 stem, something in the middle that is to be judged, and a dense end."""

    def __init__(self, middle: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 16, stride=16)
        self.middle = middle
        self.end = nn.Linear(4 * 36, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.middle(self.stem(x)).flatten(1)).squeeze(1)


class Functional(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)


class Reused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU()
        self.mix = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.mix(self.act(x)))


class Gate(nn.Module):
    """As in squeeze-and-excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.act(x.mean(dim=(2, 3), keepdim=True))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(4, 4, 3, padding=1)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.act(self.mix(x))


def test_everything_holds_on_a_plain_relu_network(convolutional):
    assert available(convolutional) == list(METHODS)


@pytest.mark.parametrize(
    ("middle", "guided", "deeplift"),
    [
        (nn.ReLU(), None, None),
        (nn.ReLU6(), None, None),
        (nn.Sequential(nn.BatchNorm2d(4), nn.ReLU6(inplace=True)), None, None),
        (Residual(), None, None),
        (nn.SiLU(), "1 × SiLU", "1 × SiLU"),
        (nn.GELU(), "1 × GELU", "1 × GELU"),
        (nn.Sigmoid(), "1 × Sigmoid", None),
        (nn.LeakyReLU(0.1), "1 × LeakyReLU", None),
        (Functional(), "1 × ReLU as a function", "1 × ReLU as a function"),
        (nn.Sequential(nn.ReLU(), Functional()), "1 × ReLU as a function", "1 × ReLU as a function"),
        (Reused(), None, "middle.act several times"),
        (Gate(), "1 × Sigmoid", "products of activations"),
        (nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, 1, 1)), None, "without overlapping windows"),
        (nn.Identity(), "has none", None),
    ],
)
def test_guided_backprop_and_deeplift_hold_where_their_rules_cover_every_step(middle, guided, deeplift):
    torch.manual_seed(0)
    network = Net(middle)
    for method, reason in (("guided-backprop", guided), ("deeplift", deeplift)):
        found = supports(method, network)
        if reason is None:
            assert found is None
        else:
            assert reason in found
            assert found.endswith(".")


def test_deeplift_really_adds_up_where_it_is_said_to_hold(patch):
    torch.manual_seed(0)
    for middle in (nn.ReLU6(), Residual(), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU6(inplace=True))):
        found = attribute(Net(middle), patch, method="deeplift")
        assert abs(found.completeness_gap) < 1e-6
        assert abs(found.logit - found.baseline_logit) > 1e-4


def test_a_refused_method_raises_with_the_reason(patch):
    network = Net(nn.SiLU())
    with pytest.raises(AttributionError, match=r"Guided Backpropagation cannot explain .*1 × SiLU"):
        attribute(network, patch, method="guided-backprop")
    with pytest.raises(AttributionError, match="SiLU"):
        attribute(network, patch, method="guided-grad-cam", layer=network.stem)
    assert "guided-backprop" not in available(network)
    assert "saliency" in available(network)


@pytest.mark.parametrize(
    ("middle", "reason"),
    [
        (lambda: nn.BatchNorm2d(4), "batch normalisation"),
        (nn.ReLU6, "no rule for ReLU6"),
        (Functional, "no rule for Functional"),
        (Reused, "several times"),
        (Residual, "add up"),
        (lambda: nn.Sequential(nn.ReLU(), nn.MaxPool2d(1)), None),
    ],
)
def test_lrp_holds_where_it_conserves_relevance(middle, reason):
    torch.manual_seed(0)
    found = supports("lrp", Net(middle()))
    assert found is None if reason is None else reason in found


def test_class_activation_maps_need_a_convolution_with_enough_cells(linear):
    assert "convolution" in supports("grad-cam", linear)
    small = nn.Sequential(nn.Conv2d(3, 2, 24, stride=24), nn.ReLU(), nn.Flatten(), nn.Linear(32, 1), nn.Flatten(0))
    assert "6×6" in supports("hires-cam", small)
    assert supports("guided-backprop", small) is None
    assert "6×6" in supports("guided-grad-cam", small)


def test_the_answer_belongs_to_the_structure_not_to_the_object():
    assert supports("guided-backprop", Net(nn.SiLU())) == supports("guided-backprop", Net(nn.SiLU()))
    network = Net(nn.SiLU())
    assert supports("guided-backprop", network) is not None
    network.middle = nn.ReLU()
    assert supports("guided-backprop", network) is None


def test_unknown_methods_and_networks_without_one_logit_are_refused(linear, patch):
    with pytest.raises(AttributionError, match="no attribution method 'gradcam'; choose one of grad-cam"):
        attribute(linear, patch, method="gradcam")
    two = nn.Sequential(nn.Flatten(), nn.Linear(3 * 96 * 96, 2))
    with pytest.raises(AttributionError, match=r"shape \(1, 2\)"):
        supports("deeplift", two)


def test_asking_does_not_need_gradients_to_be_on():
    network = Net(nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU()))
    with torch.inference_mode():
        assert "deeplift" in available(network)
