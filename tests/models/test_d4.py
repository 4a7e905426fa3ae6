"""The symmetric layers: the group, the filters in eight orientations, the normalisation, the pooling, the folding."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models import d4

ELEMENTS = range(d4.ORDER)


def _noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _on_fields(x: Tensor, element: int) -> Tensor:
    """Turn or mirror a map N×8F×H×W: orientation g of the result is what was at element⁻¹g, turned."""
    n, channels, height, width = x.shape
    fields = x.view(n, d4.ORDER, channels // d4.ORDER, height, width)
    moved = [fields[:, d4.product(d4.inverse(element), g)] for g in ELEMENTS]
    return d4.transform(torch.stack(moved, dim=1).flatten(1, 2), element)


class TestTheGroup:
    def test_its_eight_elements_make_eight_different_images(self) -> None:
        image = torch.arange(9).view(3, 3)
        assert len({tuple(d4.transform(image, g).flatten().tolist()) for g in ELEMENTS}) == 8

    def test_elements_do_what_their_numbers_say(self) -> None:
        image = torch.tensor([[1, 2], [3, 4]])
        assert d4.transform(image, 0).tolist() == [[1, 2], [3, 4]]
        assert d4.transform(image, 1).tolist() == [[2, 4], [1, 3]]
        assert d4.transform(image, 4).tolist() == [[2, 1], [4, 3]]
        assert d4.transform(image, 5).tolist() == [[1, 3], [2, 4]]

    @pytest.mark.parametrize("first", ELEMENTS)
    @pytest.mark.parametrize("second", ELEMENTS)
    def test_a_product_acts_like_one_after_the_other(self, first: int, second: int) -> None:
        image = torch.arange(12).view(3, 4)
        one_by_one = d4.transform(d4.transform(image, second), first)
        assert torch.equal(d4.transform(image, d4.product(first, second)), one_by_one)

    @pytest.mark.parametrize("element", ELEMENTS)
    def test_an_inverse_undoes(self, element: int) -> None:
        assert d4.product(d4.inverse(element), element) == 0
        assert d4.product(element, d4.inverse(element)) == 0


class TestExpandedFilters:
    def test_a_lifting_filter_stands_there_in_eight_orientations(self) -> None:
        layer = d4.LiftConv2d(3, 2, 4)
        expanded = layer.expanded()
        for g in ELEMENTS:
            assert torch.equal(expanded[2 * g : 2 * g + 2], d4.transform(layer.weight, g))

    def test_a_group_filter_is_turned_and_sees_the_orientations_from_its_own(self) -> None:
        layer = d4.GroupConv2d(2, 3, 3)
        expanded = layer.expanded().view(8, 3, 8, 2, 3, 3)
        base = layer.weight.view(3, 8, 2, 3, 3)
        for g in ELEMENTS:
            for h in ELEMENTS:
                relative = next(k for k in ELEMENTS if d4.product(g, k) == h)
                assert torch.equal(expanded[g, :, h], d4.transform(base[:, relative], g))

    def test_the_first_copy_is_the_filter_as_it_is_stored(self) -> None:
        layer = d4.GroupConv2d(2, 3, 3)
        assert torch.equal(layer.expanded()[:3], layer.weight)

    @pytest.mark.parametrize("kind", ["lift", "group"])
    def test_first_weights_suit_what_one_output_sums(self, kind: str) -> None:
        torch.manual_seed(0)
        layer = d4.LiftConv2d(3, 64, 6) if kind == "lift" else d4.GroupConv2d(16, 64, 3)
        filters = layer.expanded().detach()
        assert float(filters.std()) == pytest.approx(math.sqrt(2 / filters[0].numel()), rel=0.03)

    def test_every_stored_weight_gets_the_gradient_of_its_eight_copies(self) -> None:
        layer = d4.GroupConv2d(2, 3, 3)
        torch.autograd.backward(layer.expanded().sum())
        assert layer.weight.grad is not None
        assert torch.equal(layer.weight.grad, torch.full_like(layer.weight, 8))

    def test_a_whole_network_can_be_laid_out_with_channels_last(self) -> None:
        layers = nn.Sequential(d4.LiftConv2d(3, 2, 3), d4.FieldNorm(2), d4.GroupConv2d(2, 2, 3)).double().eval()
        image = _noise(2, 3, 9, 9)
        expected = layers(image)
        found = layers.to(memory_format=torch.channels_last)(image.contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


class TestEquivariance:
    @pytest.mark.parametrize("element", ELEMENTS)
    @pytest.mark.parametrize(("side", "kernel", "stride"), [(9, 3, 1), (8, 2, 1), (12, 6, 2), (11, 5, 3)])
    def test_lifting_a_turned_image_turns_the_fields(self, element: int, side: int, kernel: int, stride: int) -> None:
        layer = d4.LiftConv2d(3, 2, kernel, stride=stride).double()
        image = _noise(2, 3, side, side)
        expected = _on_fields(layer(image), element)
        torch.testing.assert_close(layer(d4.transform(image, element)), expected, rtol=0, atol=1e-12)

    def test_a_stride_that_drops_a_column_is_not_exact(self) -> None:
        layer = d4.LiftConv2d(3, 2, 5, stride=2).double()
        image = _noise(2, 3, 12, 12)
        assert float((layer(d4.transform(image, 2)) - _on_fields(layer(image), 2)).detach().abs().max()) > 0.1

    @pytest.mark.parametrize("element", ELEMENTS)
    @pytest.mark.parametrize("kernel", [1, 2, 3])
    def test_turned_fields_give_turned_fields(self, element: int, kernel: int) -> None:
        layer = d4.GroupConv2d(2, 3, kernel).double()
        fields = _noise(2, 16, 6, 6)
        expected = _on_fields(layer(fields), element)
        torch.testing.assert_close(layer(_on_fields(fields, element)), expected, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("element", ELEMENTS)
    def test_the_mean_over_orientations_turns_with_the_patch(self, element: int) -> None:
        fields = _noise(2, 16, 5, 5)
        pool = d4.GroupPool()
        expected = d4.transform(pool(fields), element)
        torch.testing.assert_close(pool(_on_fields(fields, element)), expected, rtol=0, atol=1e-12)

    def test_the_mean_over_orientations_has_the_right_value(self) -> None:
        fields = torch.arange(16.0).view(1, 16, 1, 1)
        assert d4.GroupPool()(fields).flatten().tolist() == [7.0, 8.0]


class TestFieldNorm:
    """The oracle: torch's batch normalisation of N×F×8×H×W."""

    def _pair(self) -> tuple[d4.FieldNorm, nn.BatchNorm3d]:
        mine, oracle = d4.FieldNorm(3).double(), nn.BatchNorm3d(3).double()
        scale, shift = _noise(3, seed=1), _noise(3, seed=2)
        for norm in (mine, oracle):
            norm.load_state_dict({"weight": scale, "bias": shift}, strict=False)
        return mine, oracle

    def _oracle(self, norm: nn.BatchNorm3d, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        normed: Tensor = norm(x.view(n, 8, 3, height, width).transpose(1, 2))
        return normed.transpose(1, 2).flatten(1, 2)

    def test_training_normalises_by_the_batch_and_remembers_it(self) -> None:
        mine, oracle = self._pair()
        batch = 2 * _noise(4, 24, 5, 6) + 1
        torch.testing.assert_close(mine(batch), self._oracle(oracle, batch), rtol=0, atol=1e-12)
        torch.testing.assert_close(mine.running_mean, oracle.running_mean, rtol=0, atol=1e-12)
        torch.testing.assert_close(mine.running_var, oracle.running_var, rtol=0, atol=1e-12)

    def test_its_own_backward_pass_is_the_true_gradient(self) -> None:
        mine, oracle = self._pair()
        batch, weights = 2 * _noise(4, 24, 5, 6) + 1, _noise(4, 24, 5, 6, seed=3)
        found, expected = batch.clone().requires_grad_(), batch.clone().requires_grad_()
        torch.autograd.backward(mine(found), weights)
        torch.autograd.backward(self._oracle(oracle, expected), weights)
        torch.testing.assert_close(found.grad, expected.grad, rtol=0, atol=1e-11)
        torch.testing.assert_close(mine.weight.grad, oracle.weight.grad, rtol=0, atol=1e-11)
        torch.testing.assert_close(mine.bias.grad, oracle.bias.grad, rtol=0, atol=1e-11)

    def test_evaluation_uses_what_it_remembers(self) -> None:
        mine, oracle = self._pair()
        for step in range(3):
            batch = 2 * _noise(4, 24, 5, 6, seed=step) + step
            mine(batch)
            self._oracle(oracle, batch)
        mine.eval()
        oracle.eval()
        torch.testing.assert_close(mine(batch), self._oracle(oracle, batch), rtol=0, atol=1e-12)

    def test_half_precision_keeps_its_moments_in_full(self) -> None:
        norm = d4.FieldNorm(2)
        batch = (_noise(4, 16, 8, 8) + 3).bfloat16().requires_grad_()
        normed = norm(batch)
        torch.autograd.backward(normed, normed.detach())
        assert normed.dtype == torch.bfloat16
        assert norm.running_mean.dtype == torch.float32
        assert norm.running_mean.tolist() == pytest.approx([0.3, 0.3], abs=0.01)
        assert batch.grad is not None
        assert batch.grad.dtype == torch.bfloat16


class TestRingPool:
    def test_a_window_of_four_has_corners_edges_and_a_middle(self) -> None:
        assert d4.RingPool(4).orbits.tolist() == [[0, 1, 1, 0], [1, 2, 2, 1], [1, 2, 2, 1], [0, 1, 1, 0]]

    def test_at_first_it_is_the_mean(self) -> None:
        fields = _noise(2, 5, 6, 7)
        torch.testing.assert_close(d4.RingPool(4).double()(fields), F.avg_pool2d(fields, 4, 1), rtol=0, atol=1e-12)

    def test_its_weights_add_up_to_one_and_do_not_change_when_turned(self) -> None:
        pool = d4.RingPool(5).double()
        nn.init.normal_(pool.weight, generator=torch.Generator().manual_seed(0))
        window = pool.window().detach()
        assert float(window.sum()) == pytest.approx(1)
        assert len(set(window.flatten().tolist())) == 6
        for element in ELEMENTS:
            assert torch.equal(d4.transform(window, element), window)


@pytest.mark.parametrize("kind", ["lift", "group"])
def test_folding_a_normalisation_changes_nothing(kind: str) -> None:
    layer = d4.LiftConv2d(16, 3, 4, stride=2) if kind == "lift" else d4.GroupConv2d(2, 3, 3)
    norm = d4.FieldNorm(3)
    for number, tensor in enumerate((norm.weight, norm.bias, norm.running_mean, norm.running_var)):
        tensor.data.copy_(_noise(3, seed=number).abs() + 0.1)
    layers = nn.Sequential(layer, norm).double().eval()
    fields = _noise(2, 16, 8, 8)
    folded = d4.fold(layer, norm)
    assert type(folded) is nn.Conv2d
    torch.testing.assert_close(folded(fields), layers(fields), rtol=0, atol=1e-12)


@pytest.mark.parametrize("layer", [d4.LiftConv2d(3, 2, 5), d4.GroupConv2d(2, 3, 3)])
def test_the_filters_of_a_gpu_and_their_gradient_are_those_of_the_cpu(layer: d4.LiftConv2d | d4.GroupConv2d) -> None:
    count = layer.table[0].numel()
    filters = _noise(3, 2, count, seed=1).requires_grad_()
    other = filters.detach().clone().requires_grad_()
    expected = filters[:, :, layer.table]
    weights = _noise(*expected.shape, seed=2)

    found = d4._Permute.apply(other, layer.table)

    assert torch.equal(found, expected)
    (expected * weights).sum().backward()
    (found * weights).sum().backward()
    assert filters.grad is not None
    torch.testing.assert_close(other.grad, filters.grad)
