"""The bundle: one file, read back to the last bit, or refused in a sentence."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from core.bundle import INTENDED_USE, Bundle, Measurement, halve, load_bundle
from core.bundle.bundle import read_card
from core.bundle.shipped import DEFAULT, SHIPPED
from core.data import CLASS_NAMES
from core.errors import BundleError, StorageError
from core.evaluation import evaluate


@pytest.fixture
def bundle(tiny_bundle: Bundle) -> Bundle:
    """One with every entry of its card filled."""
    labels = np.arange(40) % 2
    evaluation = evaluate(labels, np.linspace(0.1, 0.9, 40), threshold=0.4)
    card = tiny_bundle.card.with_changes(
        training={"data": [], "config": {"learning_rate": 0.1 + 0.2}, "µ": "≥"},
        measured=(Measurement("set", "0" * 16, "test", evaluation),),
        notes=("One.", "Zwei ✓."),
    )
    return Bundle(card, tiny_bundle.weights)


@pytest.fixture
def path(bundle: Bundle, tmp_path: Path) -> Path:
    bundle.save(tmp_path / "b.safetensors")
    return tmp_path / "b.safetensors"


def _header(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    header: dict[str, Any] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header


def _rewritten(path: Path, **changes: Any) -> Path:
    """Write the same weights with other metadata, without a checksum; card=... changes entries of the card."""
    metadata = _header(path)["__metadata__"]
    del metadata["sha256"]
    card = json.loads(metadata["card"]) | changes.pop("card", {})
    other = path.with_name("other.safetensors")
    save_file(load_file(path), other, metadata={**metadata, "card": json.dumps(card), **changes})
    return other


def test_it_comes_back_to_the_last_bit(bundle: Bundle, path: Path) -> None:
    read = load_bundle(path)

    assert read.card == bundle.card
    assert read.weights.keys() == bundle.weights.keys()
    for name, value in bundle.weights.items():
        assert read.weights[name].dtype == value.dtype
        assert torch.equal(read.weights[name], value)
    again = path.with_name("again.safetensors")
    read.save(again)
    assert again.read_bytes() == path.read_bytes()


def test_the_header_holds_format_version_and_card(bundle: Bundle, path: Path) -> None:
    metadata = _header(path)["__metadata__"]

    assert set(metadata) == {"format", "version", "card", "sha256"}
    assert (metadata["format"], metadata["version"]) == ("nodescope.bundle", "1")
    card = json.loads(metadata["card"])
    assert card["classes"] == ["normal", "tumour"] == list(CLASS_NAMES)
    assert card["intended_use"] == INTENDED_USE
    assert (card["temperature"], card["bias"], card["threshold"]) == (2.0, 0.25, 0.4)
    assert card["preprocessing"] == {"mean": [0.5] * 3, "std": [0.25] * 3, "size": 96, "range": [0, 1]}
    assert load_file(path).keys() == bundle.weights.keys()  # any reader of safetensors can open it


def test_the_digest_is_that_of_the_file_without_its_checksum_and_always_the_same(bundle: Bundle, path: Path) -> None:
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    stored = header["__metadata__"].pop("sha256")
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    earlier = len(text).to_bytes(8, "little") + text + data[start:]  # what earlier versions wrote of this bundle
    expected = hashlib.sha256(earlier).hexdigest()[:12]

    assert stored == hashlib.sha256(earlier).hexdigest()
    path.with_name("earlier.safetensors").write_bytes(earlier)
    assert load_bundle(path.with_name("earlier.safetensors")).digest == expected
    assert load_bundle(path).digest == bundle.digest == expected
    assert {Bundle(bundle.card, bundle.weights).digest for _ in range(10)} == {expected}


@pytest.mark.slow
def test_another_process_finds_the_same_digest(bundle: Bundle, path: Path) -> None:
    program = "import sys; from core.bundle import load_bundle; print(load_bundle(sys.argv[1]).digest)"
    root = Path(__file__).resolve().parents[3]

    found = subprocess.run([sys.executable, "-c", program, path], cwd=root, capture_output=True, text=True, check=True)

    assert found.stdout.strip() == bundle.digest


def test_the_digest_changes_with_the_card_and_with_a_weight(bundle: Bundle) -> None:
    name = "classifier.1.bias"
    changed = {**bundle.weights, name: bundle.weights[name] + 1}

    digests = {
        bundle.digest,
        Bundle(bundle.card.with_changes(threshold=0.5), bundle.weights).digest,
        Bundle(bundle.card, changed).digest,
    }

    assert len(digests) == 3


def test_weights_are_stored_in_half_and_computed_in_full(bundle: Bundle) -> None:
    assert {value.dtype for value in bundle.weights.values()} == {torch.float16}

    network = bundle.network()

    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert not network.training
    for name, value in bundle.weights.items():
        assert torch.equal(network.state_dict()[f"network.{name}"], value.float())


def test_halving_rounds_floats_and_leaves_counters() -> None:
    halved = halve({"w": torch.tensor([1 / 3]), "n": torch.tensor(7)})

    assert halved["w"].item() == np.float16(1 / 3)
    assert halved["n"].dtype == torch.int64


@pytest.mark.parametrize("value", [1e5, float("nan"), float("inf")])
def test_weights_that_float16_cannot_hold_are_refused(value: float) -> None:
    with pytest.raises(BundleError, match="weights w are not finite in float16; the training diverged"):
        halve({"w": torch.tensor([value]), "fine": torch.ones(1)})


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"There is no bundle at .*gone.safetensors. A finished run leaves one"):
        load_bundle(tmp_path / "gone.safetensors")
    with pytest.raises(BundleError, match="There is no bundle at"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_foreign_safetensors_file_is_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save_file({"w": torch.ones(2)}, tmp_path / "x.safetensors", metadata=metadata)

    with pytest.raises(BundleError, match=r"x.safetensors is a safetensors file, but no Nodescope bundle"):
        load_bundle(tmp_path / "x.safetensors")


@pytest.mark.parametrize("keep", [0, 5, 100, 3000, -1])
def test_a_truncated_file_is_refused(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(BundleError, match=r"b.safetensors is damaged or no bundle .* Copy it again"):
        load_bundle(path)


@pytest.mark.parametrize("version", ["3", "10", "", "one"])
def test_another_version_is_refused(path: Path, version: str) -> None:
    with pytest.raises(BundleError, match=f"has format version {version}; this Nodescope reads up to 2; update it"):
        load_bundle(_rewritten(path, version=version))


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"classes": ["tumour", "normal"]}, r"classes are \['tumour', 'normal'\]; this version knows"),
        ({"temperature": 0}, "card is incomplete or damaged"),
        ({"temperature": "hot"}, "card is incomplete or damaged"),
        ({"preprocessing": {"mean": [0, 0], "std": [1, 1, 1]}}, "card is incomplete or damaged"),
        ({"preprocessing": {}}, "card is incomplete or damaged: preprocessing.mean is missing"),
        ({"measured": [{"data": "x"}]}, "card is incomplete or damaged"),
        ({"arguments": 3}, "card is incomplete or damaged"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(path: Path, card: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        load_bundle(_rewritten(path, card=card))


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_a_card_that_is_no_card_is_refused(path: Path, text: str) -> None:
    other = path.with_name("other.safetensors")
    save_file(load_file(path), other, metadata={"format": "nodescope.bundle", "version": "1", "card": text})

    with pytest.raises(BundleError, match="damaged"):
        load_bundle(other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "resnet18"}, "weights do not fit its network 'resnet18'"),
        ({"model": "vgg"}, "needs a network that this version does not have: There is no network called 'vgg'"),
        ({"arguments": {"depth": 3}}, "needs a network that this version does not have: .* does not take"),
        ({"arguments": {"dropout": 7}}, "needs a network that this version does not have: .* does not take"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(bundle: Bundle, change: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        Bundle(bundle.card.with_changes(**change), bundle.weights).network()


def test_missing_weights_are_refused(bundle: Bundle) -> None:
    weights = dict(list(bundle.weights.items())[1:])

    with pytest.raises(BundleError, match=r"do not fit its network 'notebook-cnn'(?s:.*)features.0.weight"):
        Bundle(bundle.card, weights).network()


def test_a_folder_that_cannot_be_written_is_said(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match=r"b.safetensors could not be written"):
        bundle.save(tmp_path / "file" / "b.safetensors")


def test_no_path_means_the_default_bundle_and_names_mean_those_that_are_shipped() -> None:
    assert load_bundle().digest == load_bundle(DEFAULT).digest == load_bundle(SHIPPED[DEFAULT]).digest
    assert load_bundle("nodescope-net").card.model == "nodescope-net-baked"


def test_a_file_goes_before_a_shipped_bundle_of_its_name(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle.save(Path("nodescope-net"))

    assert load_bundle("nodescope-net").digest == bundle.digest


def test_a_name_that_means_nothing_is_answered_with_those_that_do() -> None:
    with pytest.raises(BundleError, match=r"no bundle at nodescope-not.* come nodescope and nodescope-net"):
        load_bundle("nodescope-not")


def test_a_card_is_read_without_the_weights(tiny_bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    tiny_bundle.save(path)
    assert read_card(path) == load_bundle(path).card
    data = path.read_bytes()
    path.write_bytes(data[:-4] + b"\xff\xff\xff\x7f")  # a damaged weight shows when the model is used
    assert read_card(path) == tiny_bundle.card
    for content in (b"", b"text", data[:40]):
        path.write_bytes(content)
        with pytest.raises(BundleError, match=r"tiny\.safetensors is damaged or no bundle"):
            read_card(path)
    path.unlink()
    with pytest.raises(BundleError, match=r"tiny\.safetensors cannot be read: No such file"):
        read_card(path)
