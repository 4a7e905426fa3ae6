"""Networks of other packages: found by name, loaded when they are built, and seen to fit."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import models
from models import registry


def _rewrite(acme: Path, code: str, entries: str = "tiny = acme_networks:tiny") -> None:
    (acme / "acme_networks.py").write_text(code)
    (acme / "acme_networks-1.5.dist-info" / "entry_points.txt").write_text(f"[nodescope.networks]\n{entries}\n")
    registry._entries.cache_clear()
    sys.modules.pop("acme_networks", None)


def test_it_is_known_by_both_names_and_not_imported_before_it_is_built(acme: Path) -> None:
    assert models.names()[-1] == "acme-networks:tiny"
    for name in ("tiny", "acme-networks:tiny", "Acme_Networks:tiny"):
        assert models.full_name(name) == "acme-networks:tiny"
        assert models.package_of(name) == ("acme-networks", "1.5")
    assert "acme_networks" not in sys.modules

    network = models.build("tiny", width=8)

    assert models.parameter_count(network) == 8 * 75 + 8 + 16 + 9
    assert models.complete_arguments("tiny", {}) == {"width": 16}
    models.check("tiny", {"width": 8})


def test_nodescopes_own_networks_come_with_no_package(acme: Path) -> None:
    assert models.package_of("resnet18") is None
    assert models.package_of("acme-networks:other") is None
    assert models.full_name("resnet18") == "resnet18"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("acme-networks:large", r"package acme-networks has no network called 'large'; choose from acme-networks:tiny"),
        ("other:tiny", r"comes with the package other, which is not installed .* Run: pip install other$"),
        ("x; rm -rf /:tiny", r"There is no network called"),
        ("large", r"no network called 'large'; choose from .*acme-networks:tiny, or one of the package timm"),
    ],
)
def test_what_is_not_there_is_said(acme: Path, name: str, message: str) -> None:
    with pytest.raises(models.UnknownModelError, match=message):
        models.full_name(name)


def test_a_name_that_two_packages_use_needs_the_package(acme: Path) -> None:
    other = acme / "rival-2.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 2\n")
    (other / "entry_points.txt").write_text("[nodescope.networks]\ntiny = acme_networks:tiny\n")
    registry._entries.cache_clear()

    with pytest.raises(models.UnknownModelError, match="choose acme-networks:tiny or rival:tiny"):
        models.build("tiny")
    assert models.package_of("rival:tiny") == ("rival", "2")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import gone", r"acme-networks:tiny \(acme_networks:tiny\) cannot be loaded: No module named 'gone'"),
        ("", r"cannot be loaded: .*has no attribute 'tiny'"),
        ("tiny = lambda: 3", "is a int and no torch.nn.Module"),
        ("from torch import nn\ntiny = lambda: nn.Flatten()", r"must return one logit a patch.* returned \(2, 27648\)"),
        ("from torch import nn\ntiny = lambda: nn.Linear(5, 1)", "does not work on patches 96×96: .*shapes cannot be"),
        ("from torch import nn\ntiny = lambda side: nn.Flatten()", "does not take {}: .*'side'"),
    ],
)
def test_one_that_does_not_fit_is_refused_before_a_training(acme: Path, code: str, message: str) -> None:
    _rewrite(acme, code)
    with pytest.raises(models.UnknownModelError, match=message):
        models.check("tiny", {})


def test_what_a_bundle_could_not_hold_is_refused(acme: Path) -> None:
    _rewrite(
        acme,
        "import torch\nfrom torch import nn\n"
        "class Tiny(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.register_buffer('seen', torch.zeros(3, dtype=torch.float64))\n"
        "    def forward(self, x):\n"
        "        return x.mean(dim=(1, 2, 3))\n"
        "tiny = Tiny\n",
    )
    with pytest.raises(models.UnknownModelError, match="keeps seen in a kind of number that no bundle holds"):
        models.check("tiny", {})


def test_norms_that_stand_behind_other_convolutions_are_found_out() -> None:
    """In call order each norm comes before the convolution that stands in front of it."""

    class Before(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3)
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(self.norm(x)).mean(dim=(1, 2, 3))

    torch.manual_seed(0)
    network = Before().eval()
    network.norm.running_mean.fill_(0.7)
    network.norm.running_var.fill_(0.2)

    assert not models.agree(network, models.fold(network))
    assert models.agree(network, network)
