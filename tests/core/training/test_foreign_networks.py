"""Networks from elsewhere, from the command line to the bundle, with all that a run of Nodescope's own has."""

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

import models
from core.attribution import available
from core.bundle import Bundle, Card, load_bundle
from core.commands import main
from core.errors import BundleError, ConfigError, WeightsError
from core.evaluation import Calibration
from core.prediction import Predictor
from core.prediction.ood_warnings import examine
from core.runs import Run, TrainingConfig, create_run, open_run
from core.training import trainer
from core.training.execute import execute
from core.training.pretrained import load_pretrained
from models import registry

SMALL = ("--epochs", "2", "--batch-size", "16", "--device", "cpu", "--quiet")
needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="timm is not installed")
NETWORKS = [
    "acme-networks:tiny",
    pytest.param("timm:test_resnet", marks=needs_timm),
    pytest.param("timm:test_vit", marks=needs_timm),
]


@pytest.fixture
def data(kaggle_folder: Callable[..., Path]) -> Path:
    return kaggle_folder({f"{number:03}": number % 2 for number in range(120)})


def _train(name: str, data: Path, folder: Path, *more: str) -> Run:
    assert main(["train", "--data", str(data), "--model", name, "--run-dir", str(folder), *SMALL, *more]) == 0
    return open_run(folder)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_trains_resumes_to_the_last_bit_and_predicts(
    name: str, acme: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _train(name.rpartition(":")[2] if name.startswith("acme") else name, data, tmp_path / "run")
    assert run.config().model == name
    bundle = load_bundle(run.bundle_path)
    assert bundle.card.package == models.package_of(name)
    assert bundle.ood_model is not None
    predictor = Predictor(bundle, device="cpu")
    patches = torch.randint(0, 256, (3, 96, 96, 3), dtype=torch.uint8).numpy()
    plain = bundle.network()(torch.from_numpy(patches).permute(0, 3, 1, 2) / 255).detach().numpy()
    assert predictor.predict(patches).logits == pytest.approx(plain, abs=1e-4)
    assert all(each.ood_score is not None for each in examine(predictor, patches))

    stopped = create_run(run.config(), tmp_path / "stopped")
    with monkeypatch.context() as patch:
        real, steps = trainer.Trainer._after_step, iter(range(100))

        def stop(self: trainer.Trainer) -> None:
            if next(steps) == 5:
                self.run.request_stop()
            real(self)

        patch.setattr(trainer.Trainer, "_after_step", stop)
        assert execute(stopped).state == "stopped"
    execute(stopped)
    again = load_bundle(stopped.bundle_path)
    assert all(torch.equal(value, again.weights[key]) for key, value in bundle.weights.items())


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("acme-networks:tiny", {"guided-backprop", "deeplift"}),
        pytest.param(
            "timm:test_resnet", {"grad-cam", "hires-cam", "guided-backprop", "guided-grad-cam"}, marks=needs_timm
        ),
        pytest.param("timm:test_vit", set(), marks=needs_timm),
    ],
)
def test_methods_are_offered_by_what_the_network_has(name: str, found: set[str], acme: Path) -> None:
    network = models.Normalised(models.build(name), mean=(0.5,) * 3, std=(0.5,) * 3).eval()
    special = {"grad-cam", "hires-cam", "guided-backprop", "guided-grad-cam", "deeplift", "lrp"}
    assert special & set(available(network)) == found


def test_without_its_package_one_sentence_says_what_to_do(
    acme: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _train("tiny", data, tmp_path / "run")
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each != str(acme)])
    registry._entries.cache_clear()
    sys.modules.pop("acme_networks")

    bundle = load_bundle(run.bundle_path)  # its card can be read
    assert run.config().model == "acme-networks:tiny"
    assert main(["predict", str(data), "--bundle", str(run.bundle_path), "--out", str(tmp_path / "p.csv")]) == 2

    said = capsys.readouterr().err.strip()
    assert said == (
        "error: run needs the network acme-networks:tiny, which comes with the package acme-networks 1.5 and is not "
        'installed here. If you trust that package, run: pip install "acme-networks==1.5"'
    )
    assert "acme_networks" not in sys.modules
    assert bundle.card.package == ("acme-networks", "1.5")


def _card(tiny_bundle: Bundle, model: str, package: tuple[str, str] | None) -> Card:
    return tiny_bundle.card.with_changes(model=model, package=package)


def test_a_strangers_card_cannot_name_another_package(tiny_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r'package acme 2\.0 and is not .*run: pip install "acme==2\.0"'):
        Bundle(_card(tiny_bundle, "acme:tiny", ("evil", "2.0")), tiny_bundle.weights).network()
    Bundle(_card(tiny_bundle, "notebook-cnn", ("evil", "2.0")), tiny_bundle.weights).network()
    bundle = Bundle(_card(tiny_bundle, "acme:tiny", ("acme", "2; rm -rf ~")), tiny_bundle.weights)
    with pytest.raises(BundleError, match=r"package\.version must match"):
        bundle.save(tmp_path / "x.safetensors")


def test_another_version_is_named_where_weights_do_not_fit(acme: Path, tiny_bundle: Bundle) -> None:
    bundle = Bundle(_card(tiny_bundle, "acme-networks:tiny", ("acme-networks", "1.4")), tiny_bundle.weights)
    with pytest.raises(BundleError, match=r"made with acme-networks 1\.4, and here is 1\.5; run: pip install"):
        bundle.network()


def test_a_network_that_is_not_there_is_refused_before_anything_is_made(
    acme: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--data", str(data), "--run-dir", str(tmp_path / "run"), *SMALL]
    assert main([*words, "--model", "other:net"]) == 2
    assert "Run: pip install other" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match=r"model must be one of .*acme-networks:tiny or PACKAGE:NAME, got 'nothing'"):
        TrainingConfig(model="nothing")


@needs_timm
def test_published_weights_of_timm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainingConfig().with_changes(model="timm:test_vit", pretrained="imagenet")
    assert (config.mean, config.std) == ((0.5,) * 3, (0.5,) * 3)
    assert TrainingConfig().with_changes(model="timm:test_vit").std == (0.25,) * 3

    network = models.build("timm:test_vit")
    torch.save(network.state_dict(), tmp_path / "own.pth")
    torch.save(network.network.state_dict(), tmp_path / "timm.pth")
    for name in ("own.pth", "timm.pth"):
        other = models.build("timm:test_vit")
        load_pretrained(other, str(tmp_path / name))
        assert torch.equal(other.network.pos_embed, network.network.pos_embed)
    with pytest.raises(WeightsError, match=r"timm\.pth does not fit timm:test_resnet \("):
        load_pretrained(models.build("timm:test_resnet"), str(tmp_path / "timm.pth"))

    def unreachable(self: object, weights: object) -> None:
        raise FileNotFoundError("no network.\nMore about it")

    monkeypatch.setattr(models.TimmNetwork, "load_published", unreachable)
    with pytest.raises(WeightsError, match=r"cannot be had for timm:test_vit \(no network\)\. Check the network, or"):
        load_pretrained(network, "imagenet")


def test_a_card_without_a_package_keeps_its_json(tiny_bundle: Bundle) -> None:
    assert "package" not in tiny_bundle.card.to_json()
    card = _card(tiny_bundle, "acme:tiny", ("acme", "2.0"))
    assert card.to_json()["package"] == {"name": "acme", "version": "2.0"}
    assert Card.from_json(card.to_json()) == card
    assert card.calibration == Calibration(temperature=2.0, bias=0.25)
