"""Networks of timm: what is found out about them from their shapes."""

from pathlib import Path

import pytest
import torch

import models
from models import timm_network

timm = pytest.importorskip("timm")


@pytest.mark.parametrize(
    ("name", "side", "told", "width", "layer"),
    [
        ("test_resnet", 96, False, 96, "layer3"),
        ("test_vit", 96, True, 64, ""),  # tokens
        ("mobilenetv3_small_050", 96, False, 1024, "blocks.4.0.bn1"),
        ("swin_tiny_patch4_window7_224", 96, True, 768, ""),  # maps N×h×w×C
        ("vit_small_patch14_dinov2", 98, True, 384, ""),  # whole tokens of 14: 96 would lose the rim
        ("efficientformer_l1", 224, True, 448, ""),  # takes one size only
    ],
)
def test_size_width_and_layer(name: str, side: int, told: bool, width: int, layer: str) -> None:
    assert timm_network._plan(f"timm:{name}") == timm_network.Plan(side, told, width, layer)
    assert models.complete_arguments(f"timm:{name}", {}) == {"dropout": 0.0, "side": side}


@pytest.mark.parametrize("name", ["timm:test_resnet", "timm:test_vit", "timm:test_vit2", "timm:test_efficientnet"])
def test_each_patch_has_one_logit_whatever_the_size(name: str) -> None:
    for arguments in ({}, {"side": 160}):
        models.check(name, arguments)
    network = models.build(name).eval()
    assert {id(each) for each in network.head().parameters()} < {id(each) for each in network.parameters()}
    with torch.device("meta"):
        assert models.build(name).state_dict().keys() == network.state_dict().keys()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:test_resnot", "has no network called 'test_resnot'; is it .*test_resnet"),
        ("timm:hf-hub:someone/network", "has no network called"),  # timm itself would fetch it
        ("timm:local-dir:/somewhere", "has no network called"),
    ],
)
def test_only_networks_by_name(name: str, message: str) -> None:
    with pytest.raises(models.UnknownModelError, match=message):
        models.build(name)


@pytest.mark.parametrize("argument", [{"pretrained": True}, {"checkpoint_path": "x"}, {"side": 5000}, {"side": 100}])
def test_a_card_cannot_ask_for_more_than_dropout_and_size(argument: dict[str, object]) -> None:
    with pytest.raises(models.UnknownModelError, match="does not take"):
        models.build("timm:test_vit", **argument)


def test_published_weights_are_fitted_to_the_size(tmp_path: Path) -> None:
    torch.manual_seed(3)
    published = timm.create_model("test_vit", num_classes=10)
    network = models.build("timm:test_vit")
    head = network.classifier.weight.clone()

    network.load_published(dict(published.state_dict()))

    assert torch.equal(network.network.blocks[1].attn.qkv.weight, published.blocks[1].attn.qkv.weight)
    assert published.pos_embed.shape[1] == 101  # 10×10 tokens
    assert network.network.pos_embed.shape[1] == 37  # 6×6
    assert torch.equal(network.classifier.weight, head)


def test_published_weights_bring_their_normalisation() -> None:
    assert models.normalisation("timm:vit_tiny_patch16_224") == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert models.normalisation("timm:resnet18") == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert models.normalisation("resnet18") is None


def test_without_timm_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(timm_network, "import_module", gone)
    with pytest.raises(models.UnknownModelError, match=r"is not installed\. Run: pip install timm$"):
        models.full_name("timm:resnet18")
