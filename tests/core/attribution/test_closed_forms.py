"""Attributions that can be worked out by hand."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.attribution import AttributionOptions, attribute, centre_share

pytestmark = pytest.mark.filterwarnings("ignore:Setting forward, backward hooks:UserWarning")


def total(values: Tensor | np.ndarray) -> float:
    return float(np.asarray(values, dtype=np.float64).sum())


@pytest.mark.parametrize("method", ["integrated-gradients", "gradient-shap"])
@pytest.mark.parametrize("baseline", ["white", "black", "blur"])
def test_path_methods_on_a_linear_network_are_weight_times_difference(linear, weight, patch, method, baseline):
    options = AttributionOptions(baseline=baseline, noise_std=0.0, noise_samples=5, internal_batch=2)
    found = attribute(linear, patch, method=method, options=options)

    blank = {"white": torch.ones_like(patch), "black": torch.zeros_like(patch)}
    if baseline in blank:
        expected = weight * (patch - blank[baseline])
        np.testing.assert_allclose(found.values, expected, atol=1e-6)
        assert found.baseline_logit == pytest.approx(total(weight * blank[baseline]) + 0.25, abs=1e-4)
    assert found.logit == pytest.approx(total(weight * patch) + 0.25, abs=1e-4)
    assert found.completeness_gap == pytest.approx(0, abs=1e-4)


def test_the_blurred_baseline_has_the_patch_s_mean_and_no_detail(make_linear, patch):
    mean = make_linear(torch.full((3, 96, 96), 1 / (3 * 96 * 96)))
    found = attribute(mean, patch, method="integrated-gradients", options=AttributionOptions(baseline="blur"))
    assert found.baseline_logit == pytest.approx(float(patch.mean()), abs=1e-3)
    checkers = torch.ones(96, 96)
    checkers[::2, ::2] = checkers[1::2, 1::2] = -1
    fine = make_linear(checkers.expand(3, 96, 96) / 9216)
    striped = (0.5 + checkers / 2).expand(3, 96, 96)
    sharp = attribute(fine, striped, method="integrated-gradients", options=AttributionOptions(baseline="blur"))
    assert sharp.logit == pytest.approx(1.5, abs=1e-4)
    assert sharp.baseline_logit == pytest.approx(0, abs=1e-3)


def test_slopes_on_a_linear_network_are_the_weights(linear, weight, patch):
    np.testing.assert_array_equal(attribute(linear, patch, method="saliency").values, weight)
    np.testing.assert_allclose(attribute(linear, patch, method="smoothgrad").values, weight, atol=1e-7)
    np.testing.assert_allclose(attribute(linear, patch, method="input-x-gradient").values, weight * patch, atol=1e-7)


def test_a_method_that_promises_nothing_has_no_gap(linear, patch):
    found = attribute(linear, patch, method="saliency")
    assert (found.baseline_logit, found.completeness_gap) == (None, None)
    covered = attribute(linear, patch, method="occlusion")
    assert covered.baseline_logit is not None
    assert covered.completeness_gap is None


def test_occlusion_on_a_linear_network_is_the_sum_in_the_window(linear, weight, patch):
    options = AttributionOptions(occlusion_window=32, occlusion_stride=32, internal_batch=4)
    found = attribute(linear, patch, method="occlusion", options=options).values.sum(axis=0)
    parts = (weight * (patch - 1)).sum(dim=0)
    for row in (0, 32, 64):
        for column in (0, 32, 64):
            window = np.s_[row : row + 32, column : column + 32]
            np.testing.assert_allclose(found[window], total(parts[window]), atol=2e-5)


def test_occlusion_averages_the_windows_that_cover_a_pixel(linear, weight, patch):
    options = AttributionOptions(occlusion_window=64, occlusion_stride=32)
    found = attribute(linear, patch, method="occlusion", options=options).values.sum(axis=0)
    parts = (weight * (patch - 1)).sum(dim=0)
    windows = {(r, c): total(parts[r : r + 64, c : c + 64]) for r in (0, 32) for c in (0, 32)}
    assert found[0, 0] == pytest.approx(windows[0, 0], abs=5e-5)
    assert found[0, 40] == pytest.approx((windows[0, 0] + windows[0, 32]) / 2, abs=5e-5)
    assert found[48, 48] == pytest.approx(sum(windows.values()) / 4, abs=5e-5)


def test_uint8_patches_are_read_as_pixels_in_unit_range(linear, weight):
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    found = attribute(linear, pixels, method="input-x-gradient")
    expected = weight.numpy() * (pixels.transpose(2, 0, 1) / 255)
    np.testing.assert_allclose(found.values, expected, atol=1e-6)


class Pooled(nn.Module):
    """6×6 means of the patch, a 1×1 convolution, ReLU, and a weighted sum: class activation maps by hand."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(16)
        self.mix = nn.Conv2d(3, 2, 1, bias=False)
        self.activation = activation
        self.register_buffer("votes", torch.linspace(-1, 2, 72).reshape(1, 2, 6, 6))
        with torch.no_grad():
            self.mix.weight.copy_(torch.tensor([[1.0, -1.0, 0.0], [0.0, 2.0, -1.0]])[..., None, None])

    def forward(self, x: Tensor) -> Tensor:
        return (self.activation(self.mix(self.pool(x))) * self.votes).sum(dim=(1, 2, 3))

    def attribution_layer(self) -> nn.Module:
        return self.activation


def test_grad_cam_by_hand(patch):
    network = Pooled(nn.ReLU())
    found = attribute(network, patch, method="grad-cam")
    means = patch.unfold(1, 16, 16).unfold(2, 16, 16).mean(dim=(3, 4))
    maps = torch.stack([means[0] - means[1], 2 * means[1] - means[2]]).clamp(min=0)
    weights = network.votes[0].mean(dim=(1, 2))
    cells = (weights[:, None, None] * maps).sum(dim=0)
    expected = F.interpolate(cells[None, None], size=(96, 96), mode="bilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(found.values.sum(axis=0), expected, atol=1e-6)
    np.testing.assert_array_equal(found.values[0], found.values[2])
    assert found.logit == pytest.approx(float((maps * network.votes[0]).sum()), abs=1e-5)


def test_hires_cam_by_hand_adds_up_to_the_logit(patch):
    network = Pooled(nn.ReLU())
    means = patch.unfold(1, 16, 16).unfold(2, 16, 16).mean(dim=(3, 4))
    maps = torch.stack([means[0] - means[1], 2 * means[1] - means[2]]).clamp(min=0)
    cells = (network.votes[0] * maps).sum(dim=0)
    found = attribute(network, patch, method="hires-cam")
    expected = F.interpolate(cells[None, None], size=(96, 96), mode="bilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(found.values.sum(axis=0), expected, atol=1e-6)
    assert total(cells) == pytest.approx(found.logit, abs=1e-5)


def test_grad_cam_of_a_chosen_layer(patch):
    network = Pooled(nn.ReLU())
    found = attribute(network, patch, layer=network.mix)
    means = patch.unfold(1, 16, 16).unfold(2, 16, 16).mean(dim=(3, 4))
    maps = torch.stack([means[0] - means[1], 2 * means[1] - means[2]])
    slopes = network.votes[0] * (maps > 0)
    cells = (slopes.mean(dim=(1, 2))[:, None, None] * maps).sum(dim=0)
    expected = F.interpolate(cells[None, None], size=(96, 96), mode="bilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(found.values.sum(axis=0), expected, atol=1e-6)


class Signed(nn.Module):
    """logit = sum over pixels of sign · activation(scale · (red - shift)); the sign is + on the left half."""

    unsupported_attributions: ClassVar[dict[str, str]] = {}

    def __init__(self, activation: nn.Module, scale: float, shift: float) -> None:
        super().__init__()
        self.red = nn.Conv2d(3, 1, 1)
        self.activation = activation
        signs = torch.ones(1, 1, 96, 96)
        signs[..., 48:] = -1
        self.register_buffer("signs", signs)
        with torch.no_grad():
            self.red.weight.copy_(torch.tensor([scale, 0, 0]).reshape(1, 3, 1, 1))
            self.red.bias.fill_(-scale * shift)

    def forward(self, x: Tensor) -> Tensor:
        return (self.activation(self.red(x)) * self.signs).sum(dim=(1, 2, 3))


@pytest.mark.parametrize(
    ("activation", "scale", "open_below"), [(nn.ReLU(inplace=True), 1.0, 9.0), (nn.ReLU6(inplace=True), 10.0, 0.8)]
)
def test_guided_backprop_by_hand(patch, activation, scale, open_below):
    network = Signed(activation, scale, shift=0.2)
    found = attribute(network, patch, method="guided-backprop").values
    slope = scale * ((patch[0] > 0.2) & (patch[0] < open_below))
    plain = slope * network.signs[0, 0]
    np.testing.assert_allclose(found[0], plain.clamp(min=0))  # negative slopes do not get back through ReLU
    np.testing.assert_array_equal(found[1:], 0)
    np.testing.assert_allclose(attribute(network, patch, method="saliency").values[0], plain)


def test_guided_grad_cam_is_the_product_of_the_two(convolutional, patch):
    guided = attribute(convolutional, patch, method="guided-backprop").values
    cam = attribute(convolutional, patch, method="grad-cam").values.sum(axis=0)
    product = attribute(convolutional, patch, method="guided-grad-cam").values
    assert np.abs(product).max() > 0
    np.testing.assert_allclose(product, guided * np.maximum(cam, 0), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("scale", [10.0, 30.0])  # at 30 the patch and the baseline saturate ReLU6
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.ReLU6(inplace=True), nn.Sigmoid()])
def test_deeplift_by_hand(patch, activation, scale):
    network = Signed(activation, scale, shift=0.5)
    found = attribute(network, patch, method="deeplift")
    act = nn.ReLU6() if isinstance(activation, nn.ReLU6) else activation
    change = act(scale * (patch[0] - 0.5)) - act(torch.tensor(scale / 2))
    np.testing.assert_allclose(found.values[0], change * network.signs[0, 0], atol=1e-4)
    np.testing.assert_array_equal(found.values[1:], 0)
    assert found.completeness_gap == pytest.approx(0, abs=0.02)  # of a sum over 9,216 pixels of size 5


def test_lrp_of_a_linear_network_shares_the_logit_of_the_normalised_patch(make_linear, make_normalised, weight, patch):
    network = make_normalised(make_linear(weight), 0.5, 0.25)
    found = attribute(network, patch, method="lrp")
    expected = weight * (patch - 0.5) / 0.25
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    assert total(found.values) == pytest.approx(found.logit, abs=1e-3)


def test_centre_share_counts_sizes(make_linear, patch):
    even = make_linear(torch.ones(3, 96, 96))
    assert centre_share(attribute(even, patch, method="saliency")) == pytest.approx(1 / 9)
    alternating = torch.ones(3, 96, 96)
    alternating[:, ::2] = -1
    assert centre_share(attribute(make_linear(alternating), patch, method="saliency")) == pytest.approx(1 / 9)
    centre = torch.zeros(3, 96, 96)
    centre[:, 32:64, 32:64] = -2
    assert centre_share(attribute(make_linear(centre), patch, method="saliency")) == 1
    nothing = make_linear(torch.zeros(3, 96, 96))
    assert np.isnan(centre_share(attribute(nothing, patch, method="saliency")))
