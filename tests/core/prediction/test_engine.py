"""OpenVINO in PyTorch's place: the same answer, the same bits alone and in any batch, and said where it is not."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import models
from core.bundle import Bundle, load_bundle
from core.bundle.shipped import SHIPPED
from core.commands import evaluate as command
from core.commands import main
from core.data import Dataset, open_dataset
from core.errors import BundleError, DeviceError
from core.prediction import Predictor, engine, fit_ood_model
from core.prediction.ensemble import Ensemble
from core.prediction.features import early_features, late_features, layers_of
from core.prediction.region import read_region
from core.scoring.store import load_scores, score_and_store

ROOT = Path(__file__).resolve().parents[3]

needs_openvino = pytest.mark.skipif(not engine.installed(), reason="OpenVINO is not installed")


def _has_bf16() -> bool:
    return engine.installed() and "BF16" in engine._core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


needs_bf16 = pytest.mark.skipif(not _has_bf16(), reason="OpenVINO or a processor with bfloat16 is missing")


@pytest.fixture(scope="module")
def patches(small_demo: Dataset) -> np.ndarray:
    return small_demo.store.load(np.arange(0, 144, 3)).pixels


@pytest.fixture(scope="module")
def fast() -> Predictor:
    return Predictor(load_bundle("nodescope-net"), device="cpu:openvino")


def _assert_same(pixels: np.ndarray, bundle: Bundle) -> None:
    plain, fast = Predictor(bundle, device="cpu:torch"), Predictor(bundle, device="cpu:openvino")
    expected, found = plain.predict(pixels), fast.predict(pixels)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-4, atol=1e-4)
    assert found.logits.dtype == np.float32
    for count in (1, 5, 16, 17):
        assert fast.predict(pixels[-count:]).logits.tolist() == found.logits[-count:].tolist()
    assert (plain.kind, fast.kind) == ("cpu", "cpu-openvino")


@needs_openvino
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_bundles_get_the_same_answer(name: str, patches: np.ndarray) -> None:
    _assert_same(patches, load_bundle(name))


@needs_openvino
@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_bundles_get_the_same_answer_for_a_thousand_patches(name: str) -> None:
    _assert_same(open_dataset("demo").store.load(np.arange(1000)).pixels, load_bundle(name))


@needs_openvino
@pytest.mark.parametrize(
    "name", [each if each == "notebook-cnn" else pytest.param(each, marks=pytest.mark.slow) for each in models.names()]
)
def test_random_weights_of_every_network_get_the_same_answer(
    name: str, patches: np.ndarray, tiny_bundle: Bundle
) -> None:
    torch.manual_seed(1)
    card = tiny_bundle.card.with_changes(model=name, arguments=models.complete_arguments(name, {}))
    _assert_same(patches[:20], Bundle(card, models.build(name).state_dict()))


@needs_openvino
def test_order_and_memory_layout_change_no_bit(fast: Predictor, patches: np.ndarray) -> None:
    whole = fast.predict(patches).logits
    backwards = fast.predict(patches[::-1]).logits  # negative strides

    assert backwards[::-1].tolist() == whole.tolist()


@needs_openvino
def test_it_is_used_by_itself_unless_the_environment_says_otherwise(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Predictor(tiny_bundle, device="cpu").kind == "cpu"
    monkeypatch.delenv(engine.VARIABLE)
    assert Predictor(tiny_bundle, device="cpu").kind == "cpu-openvino"
    assert Predictor(tiny_bundle).kind == "cpu-openvino"
    assert Predictor(tiny_bundle, device="cpu:torch").kind == "cpu"


@needs_openvino
def test_nothing_is_reported_to_its_makers(fast: Predictor) -> None:
    assert fast.kind == "cpu-openvino"
    assert sys.modules["openvino_telemetry"] is None
    assert sys.modules["openvino.tools.ovc.telemetry_utils"].tm.__name__.endswith("telemetry_stub")


@needs_openvino
def test_a_map_of_a_picture_is_that_of_its_patches(fast: Predictor, patches: np.ndarray) -> None:
    picture = np.concatenate(list(patches[:3]), axis=1)[:, :200]

    found = read_region(fast, picture)

    assert found.probabilities.shape == (1, 14)
    alone = fast.predict(np.stack([picture[:, at : at + 96] for at in (0, 56, 104)])).probabilities
    np.testing.assert_allclose(found.probabilities[0, [0, 7, 13]], alone, atol=1e-6)


@needs_openvino
@pytest.mark.parametrize(("bundle", "device"), [
    ("nodescope", "cpu:openvino"), ("nodescope-net", "cpu:openvino"),
    pytest.param("nodescope", "cpu:openvino-bf16", marks=needs_bf16),
])  # fmt: skip
def test_features_are_those_of_pytorch_also_in_bfloat16(bundle: str, device: str, patches: np.ndarray) -> None:
    plain, fast = Predictor(load_bundle(bundle), device="cpu:torch"), Predictor(load_bundle(bundle), device=device)
    layers = layers_of(plain.module)
    for features, layer in ((early_features, layers.early), (late_features, layers.late)):
        found = features(fast, patches, layer=layer)
        np.testing.assert_allclose(found, features(plain, patches, layer=layer), rtol=1e-4, atol=1e-4)
        assert found.dtype == np.float32
        assert (features(fast, patches[-1:], layer=layer) == found[-1:]).all()
    assert not any(module._forward_hooks for module in fast.module.modules())


def test_features_that_the_engine_gets_wrong_are_left_to_pytorch(
    tiny_bundle: Bundle, patches: np.ndarray, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses(*_: object) -> None:
        raise DeviceError("OpenVINO does otherwise.")

    plain = Predictor(tiny_bundle, device="cpu:torch")
    layer = layers_of(plain.module).early
    asked, by_itself = (Predictor(tiny_bundle, device=each) for each in ("cpu:torch", "cpu"))
    asked._asked = "openvino"
    for predictor in (asked, by_itself):
        monkeypatch.setattr(predictor, "_loaded", lambda: SimpleNamespace(exact=refuses))

    with caplog.at_level(logging.WARNING, "nodescope.device"):
        for _ in range(2):
            found = early_features(by_itself, patches[:3], layer=layer)

    assert (found == early_features(plain, patches[:3], layer=layer)).all()
    assert caplog.messages == ["OpenVINO does otherwise."]
    with pytest.raises(DeviceError, match="does otherwise"):
        early_features(asked, patches[:3], layer=layer)


@needs_openvino
def test_an_ood_model_is_the_same_whatever_is_installed(
    tiny_bundle: Bundle, patches: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fit_ood_model(tiny_bundle, {"demo": patches[:48]}, device="cpu")
    monkeypatch.delenv(engine.VARIABLE)
    found = fit_ood_model(tiny_bundle, {"demo": patches[:48]}, device="cpu")

    assert (found.whitening == expected.whitening).all()


@needs_openvino
def test_a_layer_that_is_not_there_is_a_sentence(fast: Predictor, patches: np.ndarray) -> None:
    with pytest.raises(BundleError, match="reads the layer 'nowhere', which its network does not have"):
        early_features(fast, patches[:1], layer="nowhere")


@needs_openvino
def test_eight_views_and_ensembles_use_it(tiny_bundle: Bundle, patches: np.ndarray) -> None:
    plain, fast = (Ensemble([tiny_bundle], device=f"cpu:{name}", tta=True) for name in ("torch", "openvino"))

    np.testing.assert_allclose(
        fast.predict(patches[:9]).probabilities, plain.predict(patches[:9]).probabilities, atol=1e-5
    )
    assert fast.members[0].kind == "cpu-openvino"


@needs_bf16
def test_bfloat16_is_near_and_never_stored_as_the_model_s_own(small_demo: Dataset, fresh_home: Path) -> None:
    bundle = load_bundle("nodescope-net")
    rounded, plain = Predictor(bundle, device="cpu:openvino-bf16"), Predictor(bundle, device="cpu:torch")

    scored = score_and_store(rounded, small_demo, "all")

    assert scored.device == "cpu-openvino-bf16"
    assert load_scores(bundle, small_demo, "all") is None
    exact = score_and_store(plain, small_demo, "all")
    assert 0 < np.abs(exact.probabilities - scored.probabilities).max() < 0.1


@needs_bf16
def test_evaluate_in_bfloat16_says_so_and_leaves_what_is_stored(
    small_demo: Dataset, fresh_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "open_dataset", lambda *_, **__: small_demo)
    given = ["evaluate", "--data", "demo", "--subset", "all", "--json", "--bundle", "nodescope-net"]

    said = []
    for asked in (["--engine", "torch"], ["--engine", "openvino-bf16"], [], ["--engine", "openvino"]):
        assert main([*given, *asked]) == 0
        said.append(json.loads(capsys.readouterr().out))

    rounded, fast = engine.WORDS["cpu-openvino-bf16"], engine.WORDS["cpu-openvino"]
    # What PyTorch stored is read where no engine is asked for; one that is asked for predicts.
    assert [each["engine"] for each in said] == ["PyTorch", rounded, "PyTorch", fast]
    assert said[0] == said[2]
    assert said[0]["figures"] != said[1]["figures"]


@pytest.fixture
def picture(tmp_path: Path, patches: np.ndarray) -> Path:
    Image.fromarray(patches[0]).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@needs_bf16
def test_predict_says_what_predicted(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(picture), "--engine", "openvino-bf16", "--remarks"]) == 0
    table = capsys.readouterr()
    assert main(["predict", str(picture), "--engine", "openvino-bf16", "--json"]) == 0
    rounded = json.loads(capsys.readouterr().out)
    assert main(["predict", str(picture), "--engine", "openvino"]) == 0
    exact = capsys.readouterr()

    assert table.err == f"Predicted by {engine.WORDS['cpu-openvino-bf16']}.\n"
    assert "bfloat16" in table.out
    assert "bfloat16" in rounded[0]["engine"]
    assert (exact.out.startswith("id,probability\n"), exact.err) == (True, "Predicted by OpenVINO, float32.\n")


def test_without_it_all_is_as_before(
    picture: Path, capsys: pytest.CaptureFixture[str], tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(engine.VARIABLE)
    monkeypatch.setattr(engine, "installed", lambda: False)

    assert main(["predict", str(picture), "--json"]) == 0
    out, err = capsys.readouterr()
    assert list(json.loads(out)[0]) == ["id", "probability"]
    assert err == ""
    assert Predictor(tiny_bundle, device="cpu").kind == "cpu"
    assert main(["predict", str(picture), "--engine", "openvino"]) == 2
    assert "OpenVINO is not installed: pip install" in capsys.readouterr().err


def test_an_engine_belongs_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "installed", lambda: True)
    monkeypatch.delenv(engine.VARIABLE)

    assert engine.named("cpu:openvino") == ("cpu", "openvino")
    assert engine.named("cuda:1") == ("cuda:1", "")
    assert engine.named("cuda:1:torch") == ("cuda:1", "torch")
    assert [engine.chosen("", torch.device(each)) for each in ("cpu", "cuda")] == ["openvino", "torch"]
    with pytest.raises(DeviceError, match="OpenVINO predicts on the CPU, not on cuda"):
        engine.chosen("openvino", torch.device("cuda"))


@pytest.mark.parametrize(
    ("logits", "said"),
    [
        (lambda pixels: np.zeros(len(pixels), np.float32), r"something else than PyTorch \(they differ by \d"),
        (lambda pixels: np.full(len(pixels), len(pixels), np.float32), "other digits alone than among others"),
    ],
)
def test_an_engine_that_does_otherwise_is_left_alone(
    logits: Callable[[np.ndarray], np.ndarray], said: str, tiny_bundle: Bundle, patches: np.ndarray,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(engine, "installed", lambda: True)
    monkeypatch.setattr(engine, "_compiled", lambda *_: logits)
    monkeypatch.delenv(engine.VARIABLE)
    predictor = Predictor(tiny_bundle, device="cpu")

    with caplog.at_level(logging.WARNING, "nodescope.device"):
        found = predictor.predict(patches[:3]).logits

    assert found.tolist() == Predictor(tiny_bundle, device="cpu:torch").predict(patches[:3]).logits.tolist()
    assert predictor.kind == "cpu"
    assert len(caplog.messages) == 1
    with pytest.raises(DeviceError, match=said):
        Predictor(tiny_bundle, device="cpu:openvino").predict(patches[:3])


def test_a_network_that_cannot_be_compiled_is_a_sentence(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("Check failed at frontend.cpp:53:\nNo conversion rule found for operations: aten::odd")

    monkeypatch.setattr(engine, "installed", lambda: True)
    monkeypatch.setattr(engine, "_compiled", fails)

    with pytest.raises(DeviceError, match=r"OpenVINO cannot compile this network \(No conversion rule .* aten::odd\)"):
        _ = Predictor(tiny_bundle, device="cpu:openvino").kind


FREED = """
import gc, signal
from core.bundle import load_bundle
from core.prediction import Predictor
for _ in range(2):
    one, other = (Predictor(load_bundle("nodescope-net"), device="cpu:openvino") for _ in range(2))
    assert one.kind == other.kind == "cpu-openvino"
    del one, other
    gc.collect()
signal.signal(signal.SIGTERM, lambda *_: print("answered"))
signal.raise_signal(signal.SIGTERM)
"""


@needs_openvino
def test_a_signal_is_answered_after_engines_were_freed() -> None:
    found = subprocess.run([sys.executable, "-c", FREED], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (found.returncode, found.stdout) == (0, "answered\n"), found.stderr
