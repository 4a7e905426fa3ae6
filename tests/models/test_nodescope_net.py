"""Nodescope's own network: exact symmetry, logit maps, its plain form, and what explains it."""

import copy
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import models
from core.attribution import METHODS, AttributionOptions, attribute, available
from core.attribution.cam import describe_layer
from core.attribution.trust import completeness
from core.data import Dataset, read
from models import d4
from models.nodescope_net import BAKED, BakedNodescopeNet, NodescopeNet

SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "test.zip"
"""Real patches, where somebody has laid them beside the checkout."""


def _network(seed: int, images: Tensor) -> NodescopeNet:
    """A network in evaluation mode as if trained: with statistics of these images, on which logits are of order 1."""
    torch.manual_seed(seed)
    network = models.build("nodescope-net")
    assert isinstance(network, NodescopeNet)
    for module in network.modules():
        if isinstance(module, d4.FieldNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            module.momentum = 1.0
    nn.init.normal_(network.cells.weight)
    with torch.no_grad():
        network(images)
        network.eval()
        logits = network(images)
        network.classifier.weight.div_(logits.std())
        network.classifier.bias.sub_(network(images).mean())
    return network.eval()


@pytest.fixture(scope="module")
def patches(request: pytest.FixtureRequest) -> Tensor:
    """Four patches of tissue, real where they are there, in [0, 1]."""
    if SAMPLE.is_file():
        with zipfile.ZipFile(SAMPLE) as archive:
            members = [archive.read(name) for name in sorted(archive.namelist()) if name.endswith(".webp")][:4]
        pixels = np.stack([np.asarray(Image.open(io.BytesIO(member)).convert("RGB")) for member in members])
    else:
        demo: Dataset = request.getfixturevalue("small_demo")
        pixels = read(demo.store, range(4))
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="module")
def network(patches: Tensor) -> NodescopeNet:
    return _network(0, patches)


@pytest.fixture(scope="module")
def baked(network: NodescopeNet) -> BakedNodescopeNet:
    return network.bake()


class TestSymmetry:
    @pytest.mark.parametrize("seed", range(3))
    def test_eight_views_have_one_logit_in_double_precision(self, patches: Tensor, seed: int) -> None:
        network = _network(seed, patches).double()
        logits = torch.stack([network(d4.transform(patches.double(), view)) for view in range(8)]).detach()
        assert float((logits - logits[0]).abs().max()) < 1e-9
        assert float(logits[0].std()) > 1e-3

    @pytest.mark.parametrize("form", ["trained", "baked"])
    def test_eight_views_have_one_logit(
        self, patches: Tensor, network: NodescopeNet, baked: BakedNodescopeNet, form: str
    ) -> None:
        model = network if form == "trained" else baked
        with torch.inference_mode():
            logits = torch.stack([model(d4.transform(patches, view)) for view in range(8)])
        assert float((logits - logits[0]).abs().max()) < 1e-5

    def test_a_training_step_is_as_symmetric(self, patches: Tensor) -> None:
        torch.manual_seed(0)
        network = NodescopeNet(dropout=0.0).double()
        logits = torch.stack([network(d4.transform(patches.double(), view)) for view in range(8)]).detach()
        assert float((logits - logits[0]).abs().max()) < 1e-9

    def test_a_network_that_breaks_it_is_found_out(self, patches: Tensor) -> None:
        network = _network(0, patches)
        convolution = network.layers.get_submodule("conv4")
        assert isinstance(convolution, d4.GroupConv2d)
        convolution.table = convolution.table.flip(0)
        logits = network(patches) - network(d4.transform(patches, 1))
        assert float(logits.detach().abs().max()) > 1e-3


class TestLogitMap:
    @pytest.mark.parametrize("form", ["trained", "baked"])
    @pytest.mark.parametrize(("height", "width"), [(96, 96), (128, 192), (192, 128), (109, 121)])
    def test_every_value_is_the_logit_of_the_patch_there(
        self, network: NodescopeNet, baked: BakedNodescopeNet, form: str, height: int, width: int
    ) -> None:
        model = network if form == "trained" else baked
        region = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            found = model.logit_map(region)[0]
            rows, columns = range(0, height - 95, 8), range(0, width - 95, 8)
            cuts = torch.cat([region[..., y : y + 96, x : x + 96] for y in rows for x in columns])
            expected = model(cuts).view(len(rows), len(columns))
        assert found.shape == expected.shape
        assert float((found - expected).abs().max()) < 1e-5

    @pytest.mark.parametrize("form", ["trained", "baked"])
    def test_sizes_that_are_no_patch_are_refused(
        self, network: NodescopeNet, baked: BakedNodescopeNet, form: str
    ) -> None:
        model = network if form == "trained" else baked
        with pytest.raises(ValueError, match=r"found \(1, 3, 128, 128\).*logit_map"):
            model(torch.zeros(1, 3, 128, 128))
        with pytest.raises(ValueError, match=r"at least 96; found \(1, 3, 95, 128\)"):
            model.logit_map(torch.zeros(1, 3, 95, 128))


class TestBaking:
    @pytest.mark.parametrize("seed", range(3))
    def test_the_plain_form_gives_the_same_logits(self, patches: Tensor, seed: int) -> None:
        network = _network(seed, patches)
        with torch.inference_mode():
            logits = network(patches)
            assert float((network.bake()(patches) - logits).abs().max()) < 1e-5
        assert float(logits.std()) == pytest.approx(1, abs=0.01)

    def test_it_is_made_of_plain_layers(self, baked: BakedNodescopeNet) -> None:
        kinds = {type(module) for module in baked.layers} | {type(baked.classifier)}
        assert kinds == {nn.Conv2d, nn.ReLU, nn.AvgPool2d}

    def test_a_bundle_can_store_and_build_it(self, patches: Tensor) -> None:
        arguments = {"widths": [1, 2, 1, 2, 1, 2, 3], "dropout": 0.3}
        network = models.build("nodescope-net", **arguments).eval()
        assert isinstance(network, NodescopeNet)
        again = models.build(BAKED, **arguments).eval()
        again.load_state_dict(network.bake().state_dict())
        with torch.inference_mode():
            torch.testing.assert_close(again(patches), network(patches), rtol=0, atol=1e-5)

    def test_it_keeps_the_mode_and_leaves_the_network_alone(self) -> None:
        network = NodescopeNet()
        before = {name: value.clone() for name, value in network.state_dict().items()}
        assert network.bake().training
        assert not network.eval().bake().training
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())

    def test_the_default_has_the_documented_size(self, network: NodescopeNet, baked: BakedNodescopeNet) -> None:
        assert models.parameter_count(network) == 164_888
        assert models.parameter_count(baked) == 1_323_361

    @pytest.mark.parametrize("widths", [(4, 6, 8), (4, 6, 8, 8, 12, 16, 0)])
    @pytest.mark.parametrize("name", ["nodescope-net", BAKED])
    def test_widths_that_do_not_fit_are_refused(self, name: str, widths: tuple[int, ...]) -> None:
        with pytest.raises(models.UnknownModelError, match="7 widths of at least 1"):
            models.build(name, widths=widths)


class TestExplanations:
    def test_every_method_holds_for_the_plain_form(self, baked: BakedNodescopeNet) -> None:
        model = models.Normalised(baked, mean=(0.7, 0.5, 0.7), std=(0.2, 0.3, 0.2))
        assert available(model) == list(METHODS)

    def test_the_symmetric_form_wants_only_a_rule_of_lrp(self, network: NodescopeNet) -> None:
        assert available(network) == [name for name in METHODS if name != "lrp"]

    def test_no_layer_is_used_twice(self, network: NodescopeNet, baked: BakedNodescopeNet) -> None:
        for model in (network, baked):
            used: list[nn.Module] = []
            leaves = [module for module in model.modules() if not any(module.children())]
            handles = [leaf.register_forward_hook(lambda each, *_, used=used: used.append(each)) for leaf in leaves]
            model(torch.rand(1, 3, 96, 96))
            for handle in handles:
                handle.remove()
            assert len(used) == len(set(used))
            assert sum(type(leaf) is nn.ReLU for leaf in used) == 7

    def test_deeplift_adds_up(self, baked: BakedNodescopeNet, patches: Tensor) -> None:
        for patch in patches[:3]:
            found = completeness(attribute(baked, patch, method="deeplift"))
            assert abs(found.change) > 1e-3
            assert abs(found.gap) < 1e-4

    def test_integrated_gradients_add_up(self, baked: BakedNodescopeNet, patches: Tensor) -> None:
        options = AttributionOptions(steps=800)
        found = completeness(attribute(baked, patches[0], method="integrated-gradients", options=options))
        assert abs(found.change) > 0.1
        assert found.relative < 0.02

    def test_behind_the_last_convolution_all_is_linear(self, baked: BakedNodescopeNet, patches: Tensor) -> None:
        """Activation × gradient of the last cells is the logit less its bias: what HiResCAM shows is the reason."""
        cells: list[Tensor] = []
        handle = baked.layers.get_submodule("relu7").register_forward_hook(lambda _m, _i, output: cells.append(output))
        logits = baked(patches)
        handle.remove()
        (slope,) = torch.autograd.grad(logits.sum(), cells)
        assert baked.classifier.bias is not None
        shares = (cells[0] * slope).sum(dim=(1, 2, 3)) + baked.classifier.bias
        torch.testing.assert_close(shares.detach(), logits.detach(), rtol=0, atol=1e-5)

    def test_the_last_cells_tile_the_labelled_centre(self, baked: BakedNodescopeNet) -> None:
        """A cell's gradient reaches 72 pixels about the middle of its square: 36 = 32 + 8 / 2 for the first of four."""
        image = torch.rand(1, 3, 96, 96).requires_grad_()
        cells = copy.deepcopy(baked).double().layers(image.double())
        for row, column in ((0, 0), (1, 2), (3, 3)):
            (reach,) = torch.autograd.grad(cells[0, :, row, column].sum(), image, retain_graph=True)
            rows, columns = (reach[0].abs().sum(dim=(0, axis)).nonzero().flatten() for axis in (2, 1))
            assert (int(rows[0]), int(rows[-1])) == (8 * row, 8 * row + 71)
            assert (int(columns[0]), int(columns[-1])) == (8 * column, 8 * column + 71)

    @pytest.mark.parametrize("form", ["trained", "baked"])
    def test_maps_are_drawn_from_six_by_six_cells(
        self, network: NodescopeNet, baked: BakedNodescopeNet, form: str
    ) -> None:
        model = network if form == "trained" else baked
        layer = describe_layer(model, model.attribution_layer())
        assert layer.name == "layers.relu6"
        assert (layer.grid.rows.first, layer.grid.rows.step) == (28.0, 8.0)
        shapes = []
        handle = model.attribution_layer().register_forward_hook(lambda _m, _i, output: shapes.append(output.shape[2:]))
        model(torch.rand(1, 3, 96, 96))
        handle.remove()
        assert shapes == [(6, 6)]
