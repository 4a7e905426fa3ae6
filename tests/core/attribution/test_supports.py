"""Which methods mean something on which network: what each network declares is proven here."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import models
from core.attribution import METHODS, AttributionOptions, attribute, available, rules, supports
from core.attribution.cam import declared_layer, describe_layer
from core.attribution.patch import baseline_of
from core.attribution.replica import full_copy_of
from core.bundle import load_bundle
from core.bundle.shipped import SHIPPED
from core.errors import AttributionError
from core.prediction import Predictor

pytestmark = pytest.mark.filterwarnings("ignore:Setting forward, backward hooks:UserWarning")

GENERAL = ["saliency", "input-x-gradient", "smoothgrad", "integrated-gradients", "gradient-shap", "occlusion"]
NETWORKS = [*models.names(), *SHIPPED]
COARSE = {"mobilenet-v2", "nodescope"}
"""Those that declare their last layer, because maps of finer ones point at tumour less often (docs/RESULTS.md)."""
TOLERANCE = 1e-5
"""Gap in a sum, as a share of its terms' sizes, that is rounding and LRP's epsilon in double precision."""


def network(name: str) -> nn.Module:
    """Return a network of the registry, its norms and activations stirred up as training does, or a shipped one."""
    if name in SHIPPED:
        return Predictor(load_bundle(name), device="cpu").module
    torch.manual_seed(0)
    built = models.build(name)
    noise = torch.Generator().manual_seed(1)
    for module in built.modules():
        moments = [buffer for buffer_name, buffer in module.named_buffers(recurse=False) if "running_" in buffer_name]
        if moments:  # small variances drive activations up, so that ReLU6 saturates
            moments[0].copy_(torch.randn(moments[0].shape, generator=noise) * 0.1)
            moments[1].copy_(0.02 + torch.rand(moments[1].shape, generator=noise) * 0.3)
    return models.Normalised(built, mean=(0.7, 0.55, 0.7), std=(0.25, 0.3, 0.22)).eval()


def in_double(model: nn.Module) -> tuple[nn.Module, Tensor]:
    """Return a copy and a patch where rounding cannot be taken for a missing rule."""
    pixels = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(96))
    return full_copy_of(model).double(), pixels.double()


def added_up(parts: Tensor, change: float) -> bool:
    return abs(float(parts.sum()) - change) <= TOLERANCE * float(parts.abs().sum())


class GuidedReLU(torch.autograd.Function):
    """The rule of Springenberg 2014, written down a second time: what comes back is dropped where it is negative."""

    @staticmethod
    def forward(ctx, x: Tensor, top: float) -> Tensor:
        ctx.save_for_backward((x > 0) & (x < top))
        return x.clamp(0, top)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        (open_,) = ctx.saved_tensors
        return gradient.clamp(min=0) * open_, None


def guided_everywhere(model: nn.Module, pixels: Tensor, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """Return the guided gradient with the rule in every ReLU that the pass reaches, as a layer or as a function."""
    given = pixels.clone().requires_grad_()
    with monkeypatch.context() as patched:
        for place, name in ((F, "relu"), (torch, "relu"), (Tensor, "relu")):
            patched.setattr(place, name, lambda x, **_: GuidedReLU.apply(x, float("inf")))
        for name in ("relu6", "hardtanh"):  # torch's own layer calls the second one
            patched.setattr(F, name, lambda x, *_, **__: GuidedReLU.apply(x, 6.0))
        logit = model(given)
    return torch.autograd.grad(logit.sum(), given)[0]


def guided_holds(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> bool:
    twin, pixels = in_double(model)
    expected = guided_everywhere(twin, pixels, monkeypatch)
    found = rules.guided_backprop(twin, pixels)
    plain = torch.autograd.grad(twin(pixels.requires_grad_()).sum(), pixels)[0]
    same = torch.allclose(found, expected, rtol=1e-6, atol=1e-9 * float(expected.abs().max()))
    return same and not torch.allclose(found, plain, rtol=0.01, atol=0.01 * float(plain.abs().max()))


def deeplift_adds_up(model: nn.Module) -> bool:
    twin, pixels = in_double(model)
    white = baseline_of(pixels, "white")
    with torch.no_grad():
        change = float(twin(pixels)[0] - twin(white)[0])
    return added_up(rules.deeplift(twin, pixels, white), change)


def lrp_adds_up(model: nn.Module) -> bool:
    return added_up(*rules.lrp(*in_double(model), without_biases=True))


def holds(method: str, model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Tell whether a method with rules of its own keeps its promise; a layer that Captum cannot pass breaks it."""
    checks: dict[str, Callable[[], bool]] = {
        "guided-backprop": lambda: guided_holds(model, monkeypatch),
        "deeplift": lambda: deeplift_adds_up(model),
        "lrp": lambda: lrp_adds_up(model),
    }
    try:
        return checks[method]()
    except (AssertionError, RuntimeError, TypeError):
        return False


@pytest.mark.parametrize("method", ["guided-backprop", "deeplift", "lrp"])
@pytest.mark.parametrize("name", NETWORKS)
def test_rules_hold_exactly_where_a_network_declares_it(
    name: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network(name)
    reason = supports(method, model)
    assert holds(method, model, monkeypatch) == (reason is None)
    assert reason is None or (reason.startswith("It") and reason.endswith("."))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_declared_layer_sees_the_whole_logit_in_six_by_six_cells_or_more(name: str) -> None:
    model = network(name)
    layer = declared_layer(model)
    assert supports("grad-cam", model) is supports("hires-cam", model) is None
    assert supports("guided-grad-cam", model) == supports("guided-backprop", model)
    maps: list[Tensor] = []

    def cut(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        maps.append(output)
        return output.detach()

    handle = layer.register_forward_hook(cut)
    logit = model.requires_grad_(False)(torch.rand(1, 3, 96, 96, requires_grad=True))
    handle.remove()
    assert not logit.requires_grad  # no way from the patch to the logit passes by this layer
    assert len(maps) == 1
    assert min(maps[0].shape[2:]) >= (3 if name in COARSE else 6)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_general_methods_do_what_they_say_on_every_network(name: str, patch: Tensor) -> None:
    model = network(name)
    pixels = patch[None].clone().requires_grad_()
    slope = torch.autograd.grad(model(pixels).sum(), pixels)[0][0].numpy()
    still = AttributionOptions(noise_samples=2, noise_std=0.0)

    def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
        # In sum and not pixel by pixel: another batch rounds differently, and ReLU6 may then open or close a few units.
        assert np.abs(found - expected).sum() < 0.01 * np.abs(expected).sum()

    assert_close(attribute(model, patch, method="saliency").values, slope)
    assert_close(attribute(model, patch, method="smoothgrad", options=still).values, slope)
    assert_close(attribute(model, patch, method="input-x-gradient").values, slope * patch.numpy())
    whole = AttributionOptions(occlusion_window=96, occlusion_stride=96)
    covered = attribute(model, patch, method="occlusion", options=whole)
    change = covered.logit - covered.baseline_logit
    assert covered.values.sum(axis=0)[0, 0] == pytest.approx(change, abs=1e-4 * (1 + abs(change)))
    for method in ("integrated-gradients", "gradient-shap"):
        options = AttributionOptions(steps=200, noise_samples=200, noise_std=0.0, baseline="blur")
        found = attribute(model, patch, method=method, options=options)
        scale = float(np.abs(found.values).sum()) + 1e-6
        assert abs(found.completeness_gap) < 0.05 * scale


def test_the_shipped_bundles_support_what_they_did() -> None:
    default, symmetric = (network(name) for name in SHIPPED)
    assert available(default) == [name for name in METHODS if name != "lrp"]
    assert available(symmetric) == list(METHODS)


@pytest.mark.parametrize("name", models.names())
def test_declared_methods_are_methods_with_rules(name: str) -> None:
    declared = models.build(name).unsupported_attributions
    assert all(METHODS[method].family == "rules" for method in declared)


class Stranger(nn.Module):
    """A network from elsewhere, which declares nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 16, stride=16)
        self.end = nn.Linear(4 * 36, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.end(F.silu(self.stem(x)).flatten(1)).squeeze(1)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_network_that_declares_nothing_gets_what_suits_any_network(patch: Tensor, wrapped: bool) -> None:
    inner = Stranger()
    model = models.Normalised(inner, mean=(0.5,) * 3, std=(0.2,) * 3) if wrapped else inner
    assert available(model) == GENERAL
    assert "does not name one" in supports("grad-cam", model)
    assert supports("guided-backprop", model) == "Its rule is for ReLU, and this network also computes silu."
    assert "does not declare" in supports("lrp", model)
    with pytest.raises(AttributionError, match=r"Guided Backpropagation cannot explain .*also computes silu"):
        attribute(model, patch, method="guided-backprop")
    with pytest.raises(
        AttributionError, match=r"Grad-CAM cannot explain .*does not name one .* Choose one of saliency, input-x"
    ):
        attribute(model, patch)
    assert np.abs(attribute(model, patch, layer=inner.stem).values).max() > 0  # a layer given by hand will do
    with pytest.raises(AttributionError, match="also computes silu"):
        attribute(model, patch, method="guided-grad-cam", layer=inner.stem)


def test_a_network_of_known_parts_is_not_taken_for_one_of_them() -> None:
    """What a network declares holds for the whole of it only."""
    network = nn.Sequential(nn.SiLU(), models.build("keras-cnn"))
    assert supports("guided-backprop", models.build("keras-cnn")) is None
    assert "also computes silu" in supports("guided-backprop", network)


class Odd(nn.Module):
    """Rectifies in one way or another."""

    def __init__(self, bend: Callable[[Tensor], Tensor], *pool: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 8, stride=4)
        self.bend, self.pool = bend, nn.Sequential(*pool)
        self.again, self.end = nn.Conv2d(8, 8, 3), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.bend(self.again(self.pool(self.bend(self.stem(x))))).mean(dim=(2, 3))).squeeze(1)


class Two(nn.Module):
    """A layer for each use."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 8, stride=4), nn.BatchNorm2d(8), nn.ReLU6(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.ReLU()
        )
        self.end = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.layers(x).mean(dim=(2, 3))).squeeze(1)


@pytest.mark.parametrize(
    ("make", "guided", "deeplift"),
    [
        (Two, None, None),
        (lambda: Odd(nn.ReLU()), None, "uses bend more than once"),
        (lambda: Odd(nn.ReLU(), nn.MaxPool2d(3, 2)), None, "windows that do not overlap"),
        (lambda: Odd(F.relu), "rectifies outside of layers", "rectifies outside of layers"),
        (lambda: Odd(nn.GELU()), "also computes gelu", "also computes gelu"),
        (lambda: Odd(nn.ReLU(), nn.Sigmoid()), "also computes sigmoid", "also computes sigmoid"),
    ],
)
def test_rules_are_offered_by_what_happens_on_a_pass(
    make: Callable[[], nn.Module], guided: str | None, deeplift: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = make().eval()
    for method, expected in (("guided-backprop", guided), ("deeplift", deeplift)):
        reason = supports(method, model)
        if expected is None:
            assert reason is None
            assert holds(method, model, monkeypatch)
        else:
            assert expected in reason
    assert "does not declare" in supports("lrp", model)


@pytest.mark.parametrize("name", ["test_resnet", "regnetx_002", "mobilenetv2_035", "test_vit", "test_byobnet"])
def test_rules_hold_where_they_are_offered_on_networks_of_timm(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("timm")
    model = network(f"timm:{name}")
    for method in ("guided-backprop", "deeplift"):
        assert supports(method, model) is not None or holds(method, model, monkeypatch)


def test_a_declared_reason_is_given(patch: Tensor) -> None:
    network = Stranger()
    network.unsupported_attributions = {"guided-backprop": "It has no rule for SiLU."}
    network.attribution_layer = lambda: network.stem
    assert available(network) == [name for name in METHODS if name != "guided-backprop"]
    with pytest.raises(AttributionError, match=r"Guided Backpropagation cannot explain this network. .*rule for SiLU"):
        attribute(network, patch, method="guided-backprop")
    with pytest.raises(AttributionError, match="SiLU"):
        attribute(network, patch, method="guided-grad-cam", layer=network.stem)


def test_the_declaration_is_read_anew_each_time() -> None:
    network = Stranger()
    assert supports("deeplift", network) is not None
    network.unsupported_attributions = {}
    assert supports("deeplift", network) is None


def test_a_layer_is_described_once_and_anew_after_a_change(patch: Tensor) -> None:
    network = Stranger()
    passes: list[int] = []
    network.stem.register_forward_hook(lambda *_: passes.append(1))
    first = describe_layer(network, network.stem)
    assert describe_layer(network, network.stem) is first
    network.stem = nn.Conv2d(3, 4, 8, stride=16)
    assert describe_layer(network, network.stem).grid.rows.first == 4


def test_unknown_methods_and_networks_without_one_logit_are_refused(linear, patch):
    with pytest.raises(AttributionError, match="no attribution method 'gradcam'; choose one of grad-cam"):
        attribute(linear, patch, method="gradcam")
    with pytest.raises(AttributionError, match="no attribution method 'gradcam'"):
        supports("gradcam", linear)
    two = nn.Sequential(nn.Flatten(), nn.Linear(3 * 96 * 96, 2))
    with pytest.raises(AttributionError, match=r"shape \(1, 2\)"):
        attribute(two, patch, method="saliency")
