"""A damaged bundle is refused in a sentence, wherever it is used; no number that is not finite becomes an answer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from core.bundle import Bundle, OodModel, load_bundle
from core.bundle.shipped import SHIPPED
from core.commands import main
from core.errors import BundleError, DataError, EvaluationError
from core.prediction import Predictor, examine
from core.prediction.ensemble import Ensemble
from core.prediction.region import read_region
from core.prediction.result import predict_patch
from core.scoring.kaggle import to_submission
from tests.fuzzers import bundle as fuzzer

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)


@pytest.fixture
def path(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    """A bundle with an OOD model of 16 channels."""
    ood = OodModel(
        "network.features.3", ("x",), np.zeros((1, 32), np.float32), np.eye(32, dtype=np.float32)[None],
        np.array([5.0]), (40,),
    )  # fmt: skip
    Bundle(tiny_bundle.card, tiny_bundle.weights, ood).save(tmp_path / "b.safetensors")
    return tmp_path / "b.safetensors"


def rewritten(path: Path, change: Callable[[dict[str, str], dict[str, torch.Tensor]], None]) -> Path:
    """Write a changed bundle as an earlier version would have, which kept no checksum."""
    data = path.read_bytes()
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    del metadata["sha256"]
    tensors = load_file(path)
    change(metadata, tensors)
    save_file(tensors, path.with_name("damaged.safetensors"), metadata)
    return path.with_name("damaged.safetensors")


def with_card(path: Path, place: str, text: str) -> Path:
    """Write a bundle whose card has another JSON text in a place."""

    def change(metadata: dict[str, str], _tensors: dict[str, torch.Tensor]) -> None:
        metadata["card"] = fuzzer.replaced(json.loads(metadata["card"]), place.split("."), text)

    return rewritten(path, change)


def test_the_fuzzer_tells_an_intact_bundle_from_another(path: Path) -> None:
    fuzzer.intact[path] = path
    assert fuzzer.attempt(path) == "same"
    other = with_card(path, "bias", "0.5")
    fuzzer.intact[other] = path
    assert fuzzer.attempt(other) == "changed"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nodescope-net", "nodescope"])
def test_two_hundred_damaged_bundles_are_refused_or_answer_the_same(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(14)
    found = {fuzzer.damaged(rng, SHIPPED[name], tmp_path / "b"): fuzzer.attempt(tmp_path / "b") for _ in range(200)}
    assert [what for what, outcome in found.items() if outcome == "changed"] == []
    assert sum(outcome.startswith("refused: ") for outcome in found.values()) > 150


@pytest.mark.parametrize(
    ("place", "text"), [(place, text) for place, texts in fuzzer.PLACES.items() for text in texts if len(text) < 100]
)
def test_a_wrong_value_of_the_card_is_refused_or_changes_nothing(path: Path, place: str, text: str) -> None:
    damaged = with_card(path, place, text)
    with pytest.raises(BundleError, match="bundle"):
        load_bundle(damaged).network()


@pytest.mark.parametrize("name", ["features.0.weight", "classifier.4.bias", "familiarity.centres"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_refused_when_the_bundle_is_read(path: Path, name: str, value: float) -> None:
    damaged = rewritten(path, lambda _, tensors: tensors[name].view(-1)[0].fill_(value))
    with pytest.raises(BundleError, match=rf"1 of the [\d,]+ numbers of {name} are not finite \(NaN or infinity\)"):
        load_bundle(damaged)


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.bool, torch.complex64, torch.float64])
def test_weights_of_another_kind_are_refused(path: Path, kind: torch.dtype) -> None:
    damaged = rewritten(path, lambda _, tensors: tensors.update(x=torch.ones(2).to(kind)))
    with pytest.raises(BundleError, match=f"x holds {str(kind).removeprefix('torch.')}, which no weight is stored as"):
        load_bundle(damaged)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(extra=torch.ones(2)), "extra is 2 decimal numbers in the file and missing in the network"),
        (lambda t: t.pop("classifier.4.bias"), "classifier.4.bias is missing in the file and 2 decimal numbers in"),
        (
            lambda t: t.update({"classifier.4.bias": torch.ones(3)}),
            "classifier.4.bias is 3 decimal numbers in the file and 2 decimal numbers in the network",
        ),
        (
            lambda t: t.update({"classifier.4.bias": torch.ones(2, dtype=torch.int64)}),
            "classifier.4.bias is 2 whole numbers in the file and 2 decimal numbers in the network",
        ),
    ],
)
def test_tensors_that_are_not_those_of_the_network_are_refused(path: Path, change: Any, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        load_bundle(rewritten(path, lambda _, tensors: change(tensors))).network()


def test_a_network_of_any_size_takes_no_memory_before_its_weights_fit(path: Path) -> None:
    huge = with_card(
        with_card_model(path, "nodescope-net-baked"), "arguments", '{"widths": [100000, 1, 1, 1, 1, 1, 9]}'
    )
    with pytest.raises(BundleError, match="do not fit its network 'nodescope-net-baked'"):
        load_bundle(huge).network()


def with_card_model(path: Path, model: str) -> Path:
    bundle = load_bundle(path)
    other = path.with_name("other.safetensors")
    Bundle(bundle.card.with_changes(model=model, arguments={"widths": [1] * 7}), bundle.weights).save(other)
    return other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("familiarity"), "its header and two tensors belong together"),
        (lambda m: m.update(familiarity="{"), "OOD model is damaged: Expecting property name"),
        (lambda m: m.update(familiarity=m["familiarity"].replace("[5.0]", "[NaN]")), "NaN is no finite number"),
        (lambda m: m.update(familiarity=m["familiarity"].replace("[5.0]", "[0]")), r"limits\[0\] must be 1e-09 to"),
        (lambda m: m.update(familiarity=m["familiarity"].replace("[5.0]", "[5, 5]")), "does not fit together"),
    ],
)
def test_a_damaged_ood_model_is_refused(path: Path, change: Any, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        load_bundle(rewritten(path, lambda metadata, _: change(metadata)))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("network.nowhere", "which its network does not have"),
        ("network.classifier.4", r"features, its network 2;"),
        ("", "must be a text of 1 to 1000"),
        ("network.features", "features, its network"),
    ],
)
def test_an_ood_model_of_another_layer_is_refused(path: Path, layer: str, message: str) -> None:
    def change(metadata: dict[str, str], _tensors: dict[str, torch.Tensor]) -> None:
        metadata["familiarity"] = metadata["familiarity"].replace('"network.features.3"', json.dumps(layer))

    with pytest.raises(BundleError, match=message):
        examine(Predictor(load_bundle(rewritten(path, change)), device="cpu"), PIXELS)


def test_an_ood_score_that_is_not_finite_is_no_familiar_patch() -> None:
    whitening = np.full((1, 2, 2), 3e38, np.float32)
    model = OodModel("x", ("x",), np.zeros((1, 2), np.float32), whitening, np.array([1.0]), (40,))
    assert (model.ood_score(np.ones((1, 2), np.float32)) > 1).all()
    with pytest.raises(BundleError, match="a score that is not finite"):
        model.ood_score(np.array([[np.nan, 1]], np.float32))


def overflowing(bundle: Bundle) -> Bundle:
    """Return a bundle of finite weights whose activations are not."""
    weights = {name: torch.full_like(value.float(), 3e38) for name, value in bundle.weights.items()}
    return Bundle(bundle.card, weights)


@pytest.mark.parametrize(
    "ask",
    [
        lambda bundle: Predictor(bundle, device="cpu").predict(PIXELS),
        lambda bundle: predict_patch(Predictor(bundle, device="cpu"), PIXELS[0]),
        lambda bundle: Ensemble([bundle], device="cpu", tta=True).predict(PIXELS),
        lambda bundle: bundle.card.calibration.apply(np.array([0, np.nan])),
        lambda bundle: bundle.card.calibration.apply(np.array([np.inf])),
    ],
)
def test_activations_that_overflow_give_a_sentence_and_no_verdict(tiny_bundle: Bundle, ask: Any) -> None:
    with pytest.raises(EvaluationError, match=r"gave no number for \d+ of \d+ patches \(NaN or infinity\)"):
        ask(overflowing(tiny_bundle))


def test_a_map_of_a_region_has_no_picture_of_what_overflows() -> None:
    with pytest.raises(EvaluationError, match="gave no number for 4 of 4 patches"):
        read_region(
            Predictor(overflowing(load_bundle("nodescope-net")), device="cpu"), np.zeros((104, 104, 3), np.uint8)
        )


def test_a_negative_variance_is_refused_before_a_patch_is_predicted() -> None:
    bundle = load_bundle("nodescope")
    name = next(name for name in bundle.weights if name.endswith("running_var"))
    weights = {**bundle.weights, name: -bundle.weights[name]}
    with pytest.raises(BundleError, match="weights and their normalisation give numbers that are not finite"):
        Predictor(Bundle(bundle.card, weights), device="cpu")


def test_commands_write_nothing_of_a_model_that_overflows(
    tiny_bundle: Bundle, kaggle_folder: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = kaggle_folder({"a": 0, "b": 1}, test=("x", "y"))
    overflowing(tiny_bundle).save(tmp_path / "b.safetensors")
    Image.fromarray(PIXELS[0]).save(tmp_path / "p.png")
    model, out = ["--bundle", str(tmp_path / "b.safetensors"), "--device", "cpu"], tmp_path / "out.csv"
    for words in (["predict", str(tmp_path / "p.png")], ["submit", "--data", str(folder)]):
        assert main([*words, *model, "--out", str(out)]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert "The model gave no number for" in printed.err
        assert not out.exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1.5])
def test_a_submission_holds_probabilities_only(value: float) -> None:
    with pytest.raises(DataError, match=r"1 of the 2 predictions are no probability from 0 to 1, such as that of b"):
        to_submission(["a", "b"], {"a": 0.5, "b": value})


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_name_cannot_move_the_terminal(path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    named = with_card(path, "name", '"\\u001b]0;owned\\u0007\\u001b[2Jtiny\\u202e"')
    assert main(["info", "--bundle", str(named), *arguments]) == 0
    assert "\ufffd]0;owned\ufffd\ufffd[2Jtiny\ufffd" in capsys.readouterr().out
    # Saved anew, as a bundle at another threshold is, the name is harmless for earlier versions too.
    load_bundle(named).save(path)
    assert json.loads(header(path)["card"])["name"] == "\ufffd]0;owned\ufffd\ufffd[2Jtiny\ufffd"


def header(path: Path) -> dict[str, str]:
    data = path.read_bytes()
    metadata: dict[str, str] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    return metadata


def test_any_changed_bit_is_noticed(path: Path) -> None:
    data, refused = path.read_bytes(), 0
    start = 8 + int.from_bytes(data[:8], "little")
    for place in np.random.default_rng(0).integers(start, len(data), 50).tolist():
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(bytes(changed))
        with pytest.raises(BundleError, match=r"it was changed after it was written.*Copy it again"):
            load_bundle(path)
        refused += 1
    assert refused == 50


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "its header does not fit"),
        (b"\x80\x02}q\x00." * 10, "its header does not fit"),
        ((2**40).to_bytes(8, "little") + b"{}", "its header does not fit"),
        ((5_000_000).to_bytes(8, "little") + b" " * 5_000_000, "its header does not fit"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(BundleError, match=message):
        load_bundle(tmp_path / "x")


def test_a_pickle_is_never_read(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "x.safetensors")
    with pytest.raises(BundleError, match="damaged or no bundle"):
        load_bundle(tmp_path / "x.safetensors")


def test_a_file_larger_than_any_bundle_is_not_taken_into_memory(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.truncate(2_000_000_000)
    with pytest.raises(BundleError, match=r"x has 2.0 GB, more than a bundle can \(1.0 GB\)"):
        load_bundle(tmp_path / "x")


def test_a_card_that_could_not_be_read_back_is_not_written(tiny_bundle: Bundle, tmp_path: Path) -> None:
    card = tiny_bundle.card.with_changes(threshold=5.0)
    with pytest.raises(BundleError, match=r"cannot be written: in its card threshold must be 0 to 1, got 5.0"):
        Bundle(card, tiny_bundle.weights).save(tmp_path / "b")
