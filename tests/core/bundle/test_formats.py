"""Bundles for other programs: loaded from their files alone, they say what the bundle says."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import models
from core.bundle import Bundle, load_bundle
from core.bundle import formats as module
from core.bundle.formats import FORMATS, _loaded, export_bundle, some_patches
from core.commands import main
from core.errors import BundleError, ConfigError
from core.prediction import Predictor
from core.stain import reference_of

PATCHES = np.random.default_rng(2).integers(0, 256, (5, 96, 96, 3), dtype=np.uint8)


def _needed(name: str) -> None:
    missing = [each for each in FORMATS[name].needs if find_spec(each) is None]
    if missing:
        pytest.skip(f"{missing} is not installed")


@pytest.fixture(autouse=True)
def _few_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "some_patches", lambda: PATCHES)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("bundle", ["nodescope", "nodescope-net"])
def test_every_format_says_what_the_bundle_says(name: str, bundle: str, tmp_path: Path) -> None:
    _needed(name)
    loaded = load_bundle(bundle)

    difference = export_bundle(loaded, tmp_path / "out", name=name)

    found = FORMATS[name].read(tmp_path / "out")(PATCHES[:3])
    expected = Predictor(loaded, device="cpu").predict(PATCHES[:3]).probabilities
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert 0 <= difference < 1e-5
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert text.startswith('---\nlibrary_name: "nodescope"\n')
    assert loaded.digest in text


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_every_network_of_the_registry_can_be_written(name: str, tiny_bundle: Bundle, tmp_path: Path) -> None:
    _needed(name)
    for model in models.names():
        torch.manual_seed(0)
        card = tiny_bundle.card.with_changes(model=model, arguments=models.complete_arguments(model, {}))
        assert export_bundle(Bundle(card, models.build(model).state_dict()), tmp_path / model, name=name) < 1e-5


def test_torchscript_takes_bytes_and_any_number_of_patches(tiny_bundle: Bundle, tmp_path: Path) -> None:
    export_bundle(tiny_bundle, tmp_path / "out", name="torchscript")

    script = _loaded(tmp_path / "out" / "model.pt")

    expected = Predictor(tiny_bundle, device="cpu").predict(PATCHES).probabilities
    for count in (1, 5):
        np.testing.assert_allclose(script(torch.from_numpy(PATCHES[:count])).numpy(), expected[:count], atol=1e-6)


def test_onnx_takes_bytes_and_any_number_of_patches(tiny_bundle: Bundle, tmp_path: Path) -> None:
    _needed("onnx")
    import onnxruntime

    export_bundle(tiny_bundle, tmp_path / "out", name="onnx")

    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    assert [(each.name, each.type, each.shape[1:]) for each in session.get_inputs()] == [
        ("pixels", "tensor(uint8)", [96, 96, 3])
    ]
    assert [each.name for each in session.get_outputs()] == ["probability"]
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["README.md", "model.onnx"]
    expected = Predictor(tiny_bundle, device="cpu").predict(PATCHES).probabilities
    for count in (1, 5):
        np.testing.assert_allclose(session.run(None, {"pixels": PATCHES[:count]})[0], expected[:count], atol=1e-6)


def test_a_wsinfer_model_has_the_values_of_its_schema(tiny_bundle: Bundle, tmp_path: Path) -> None:
    export_bundle(tiny_bundle, tmp_path / "out", name="wsinfer")

    assert json.loads((tmp_path / "out" / "config.json").read_text("utf-8")) == {
        "spec_version": "1.0",
        "architecture": "notebook-cnn",
        "num_classes": 2,
        "class_names": ["normal", "tumour"],
        "patch_size_pixels": 96,
        "spacing_um_px": 0.97,
        "transform": [
            {"name": "Resize", "arguments": {"size": 96}},
            {"name": "ToTensor"},
            {"name": "Normalize", "arguments": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}},
        ],
    }
    logits = _loaded(tmp_path / "out" / "torchscript_model.pt")(torch.zeros(4, 3, 96, 96))
    assert logits.shape == (4, 2)


def test_a_folder_for_hugging_face_is_a_bundle_too(tiny_bundle: Bundle, tmp_path: Path) -> None:
    export_bundle(tiny_bundle, tmp_path / "out", name="hf")

    assert load_bundle(tmp_path / "out" / "model.safetensors").digest == tiny_bundle.digest
    config = json.loads((tmp_path / "out" / "config.json").read_text("utf-8"))
    assert (config["model_type"], config["model"], config["threshold"]) == ("nodescope", "notebook-cnn", 0.4)
    assert config["id2label"] == {"0": "normal", "1": "tumour"}


def test_stain_normalisation_goes_with_the_bundle_alone(tiny_bundle: Bundle, tmp_path: Path) -> None:
    reference = reference_of(some_patches()[0], "reinhard")
    stained = replace(tiny_bundle, card=tiny_bundle.card.with_changes(stain=reference))

    with pytest.raises(BundleError, match="normalises the stains of each patch, which torchscript cannot hold"):
        export_bundle(stained, tmp_path / "out", name="torchscript")
    assert export_bundle(stained, tmp_path / "hf", name="hf") == 0
    assert not (tmp_path / "out").exists()


def test_what_predicts_something_else_is_not_kept(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = replace(FORMATS["torchscript"], read=lambda _: lambda pixels: np.full(len(pixels), 0.9))
    monkeypatch.setitem(FORMATS, "torchscript", wrong)

    with pytest.raises(BundleError, match=r"predicts something else: probabilities differ by up to 0\.\d"):
        export_bundle(tiny_bundle, tmp_path / "out", name="torchscript")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_a_sentence(tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None if name.startswith("onnx") else name)

    with pytest.raises(ConfigError, match="needs onnx and onnxscript and onnxruntime: pip install onnx onnxscript"):
        export_bundle(tiny_bundle, tmp_path / "out", name="onnx")


def test_the_command_says_what_was_written_and_refuses_a_full_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["export-model", "nodescope-net", "--format", "torchscript", "--out", str(tmp_path / "out")]
    assert main(given) == 0
    said = capsys.readouterr().out
    assert "model.pt, the same for torch.jit.load" in said
    assert "loaded again, its probabilities differ from the bundle's by at most" in said
    assert main(given) == 2
    assert "is there already and is not empty" in capsys.readouterr().err
    for name in ("file", "file/model"):
        (tmp_path / "file").touch()
        assert main([*given[:-1], str(tmp_path / name)]) == 2
        assert capsys.readouterr().err == (
            f"error: {tmp_path}/file is a file, and a folder is needed there. Choose another folder.\n"
        )
