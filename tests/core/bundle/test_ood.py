"""Does the warning fire on what the model does not know, and keep quiet on what it does?"""

import importlib.util
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.bundle import Bundle, load_bundle
from core.bundle.ood import EXCEED, OodModel, fit
from core.data import Dataset
from core.errors import BundleError, DataError, PatchError
from core.prediction import Predictor, examine, fit_ood_model
from core.prediction.artifacts import artifacts
from core.prediction.features import early_features, late_features, layers_of

_spec = importlib.util.spec_from_file_location("strangers", Path(__file__).with_name("strangers.py"))
assert _spec is not None
assert _spec.loader is not None
strangers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(strangers)

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
COUNT = 60


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tissue(small_demo: Dataset) -> np.ndarray:
    """All 144 patches of the small demo, in random order: slides stand on both sides of any cut."""
    return small_demo.store.load(np.random.default_rng(0).permutation(len(small_demo))).pixels


@pytest.fixture(scope="module")
def knowing(tiny_bundle: Bundle, tissue: np.ndarray) -> Predictor:
    """An untrained network that knows 84 demo patches: early features need no training to be telling."""
    known = fit_ood_model(tiny_bundle, {"demo": tissue[:84]}, device="cpu")
    return Predictor(Bundle(tiny_bundle.card, tiny_bundle.weights, known), device="cpu")


def share(flags: list[bool]) -> float:
    return float(np.mean(flags))


@pytest.mark.parametrize("kind", list(strangers.STRANGE))
def test_no_network_is_needed_to_doubt_most_foreign_pictures(kind: str) -> None:
    pictures = strangers.STRANGE[kind](np.random.default_rng(7), COUNT)
    assert share([bool(odd) for odd in artifacts(pictures)]) >= (0.6 if kind in ("natural_spectrum", "text") else 0.95)


@pytest.mark.parametrize("kind", list(strangers.SPOILT))
def test_spoilt_tissue_is_doubted_without_a_network(kind: str, tissue: np.ndarray) -> None:
    pictures = strangers.SPOILT[kind](np.random.default_rng(7), tissue[:COUNT])
    assert share([bool(odd) for odd in artifacts(pictures)]) >= 0.9


def test_tissue_is_not_doubted_without_a_network(tissue: np.ndarray) -> None:
    assert share([bool(odd) for odd in artifacts(tissue)]) <= 0.02


@pytest.mark.parametrize("kind", list(strangers.STRANGE))
def test_foreign_pictures_are_doubted(kind: str, knowing: Predictor) -> None:
    pictures = strangers.STRANGE[kind](np.random.default_rng(8), COUNT)
    assert share([bool(ood) for ood in examine(knowing, pictures)]) >= 0.95


@pytest.mark.parametrize("kind", list(strangers.SPOILT))
def test_spoilt_tissue_is_doubted(kind: str, knowing: Predictor, tissue: np.ndarray) -> None:
    pictures = strangers.SPOILT[kind](np.random.default_rng(8), tissue[84:])
    assert share([bool(ood) for ood in examine(knowing, pictures)]) >= 0.95


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the sample of real patches is not here")
def test_the_shipped_bundle_on_real_patches_it_was_not_trained_on() -> None:
    predictor = Predictor(load_bundle(), device="cpu")
    if predictor.bundle.ood_model is None:
        pytest.skip("the shipped bundle has no OOD model")
    patches = real_patches(200)
    assert share([bool(ood) for ood in examine(predictor, patches)]) <= 0.05
    for kind, make in strangers.SPOILT.items():
        found = examine(predictor, make(np.random.default_rng(9), patches[:80]))
        assert share([bool(ood) for ood in found]) >= 0.95, kind
    for kind, make in strangers.STRANGE.items():
        found = examine(predictor, make(np.random.default_rng(9), 80))
        assert share([bool(ood) for ood in found]) >= 0.95, kind


def real_patches(count: int) -> np.ndarray:
    """Patches of the competition's test set, which no labels and so no training can have used."""
    with zipfile.ZipFile(SHARED / "test.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".webp"))[:count]
        return np.stack([np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in names])


def test_known_oddities_have_their_names(tissue: np.ndarray) -> None:
    white = np.full((96, 96, 3), 250, np.uint8)
    odd = artifacts(np.stack([white, strangers.blurred(np.random.default_rng(0), tissue[:1])[0], 255 - tissue[0]]))
    assert [[each.kind for each in found] for found in odd] == [["blank"], ["blur"], ["stain"]]
    assert odd[0][0].value == pytest.approx(0, abs=1e-3)


def test_oddities_refuse_what_is_no_patch() -> None:
    with pytest.raises(PatchError, match="N×96×96×3"):
        artifacts(np.zeros((1, 32, 32, 3), np.uint8))


def test_distances_of_a_known_gaussian() -> None:
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(4000, 2)) * [1, 10] + [3, -3]).astype(np.float32)
    known = fit({"a": values}, layer="x")
    # In two dimensions the squared distance is exponential: 2.5% lie beyond sqrt(-2 ln 0.025) = 2.716. The ridge of
    # 1 % of the mean variance (0.505) makes a variance of 1 look like 1.505 and 100 like 100.505.
    assert known.limits[0] == pytest.approx(np.sqrt(-2 * np.log(EXCEED)), rel=0.2)
    off = np.array([[3, -3], [3 + 5, -3], [3, -3 + 50]], np.float32)
    expected = np.array([0, 5 / np.sqrt(1.505), 50 / np.sqrt(100.505)]) / known.limits[0]
    np.testing.assert_allclose(known.ood_score(off), expected, rtol=0.05, atol=0.03)


def test_of_two_data_sets_the_nearer_counts() -> None:
    rng = np.random.default_rng(0)
    sets = {"a": rng.normal(size=(400, 3)).astype(np.float32), "b": rng.normal(50, 1, (400, 3)).astype(np.float32)}
    known = fit(sets, layer="x")
    assert (known.ood_score(np.array([[0, 0, 0], [50, 50, 50]], np.float32)) < 0.2).all()
    assert known.ood_score(np.array([[25, 25, 25]], np.float32))[0] > 3


def slides_of(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of 30 patches of each slide: a slide's own place, and little around it."""
    own = rng.normal(size=(count, 8))
    features = own.repeat(30, axis=0) + 0.3 * rng.normal(size=(count * 30, 8))
    return features.astype(np.float32), np.repeat([f"s{number}" for number in range(count)], 30).astype(object)


def test_a_limit_found_on_whole_slides_holds_on_new_slides() -> None:
    alarms = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        features, slides = slides_of(rng, 40)
        new, _ = slides_of(rng, 400)
        by_patch = fit({"a": features}, layer="x")
        by_slide = fit({"a": features}, layer="x", slides={"a": slides})
        alarms.append([float((known.ood_score(new) > 1).mean()) for known in (by_patch, by_slide)])
    patch, slide = np.mean(alarms, axis=0)
    assert patch > 0.08  # where 2.5% were wanted
    assert slide < 0.04
    # With too few slides the limit would hang on two of them.
    few = slides == "s0"
    few |= slides == "s1"
    apart = fit({"a": features[few]}, layer="x", slides={"a": slides[few]})
    assert apart.limits == fit({"a": features[few]}, layer="x").limits


def test_too_few_patches_are_refused() -> None:
    with pytest.raises(DataError, match="at least 40 patches of a data set, got few: 39"):
        fit({"few": np.zeros((39, 2), np.float32)}, layer="x")
    with pytest.raises(DataError, match="no data set"):
        fit({}, layer="x")


def test_a_bundle_keeps_what_it_knows(knowing: Predictor, tissue: np.ndarray, tmp_path: Path) -> None:
    knowing.bundle.save(tmp_path / "b.safetensors")
    again = load_bundle(tmp_path / "b.safetensors")
    assert again.digest == knowing.bundle.digest
    assert again.weights.keys() == knowing.bundle.weights.keys()
    mine = [ood.ood_score for ood in examine(knowing, tissue[:5])]
    assert [ood.ood_score for ood in examine(Predictor(again, device="cpu"), tissue[:5])] == mine
    assert None not in mine


def test_a_bundle_without_an_ood_model_says_that_it_is_not_known(tiny_bundle: Bundle, tissue: np.ndarray) -> None:
    found = examine(Predictor(tiny_bundle, device="cpu"), tissue[:1])[0]
    assert found.ood_score is None
    assert "it is not known" in found.sentence


def test_a_damaged_ood_model_is_refused(knowing: Predictor) -> None:
    known = knowing.bundle.ood_model
    assert known is not None
    with pytest.raises(BundleError, match="damaged"):
        OodModel.from_parts("{}", known.tensors())
    with pytest.raises(BundleError, match="does not fit together"):
        OodModel("x", ("a",), known.centres, known.whitening[:, :2], known.limits, (1,))


def test_features_do_not_depend_on_the_neighbours_in_the_batch(knowing: Predictor, tissue: np.ndarray) -> None:
    layers = layers_of(knowing.module)
    many = early_features(knowing, tissue[:20], layer=layers.early)
    assert (early_features(knowing, tissue[7:8], layer=layers.early)[0] == many[7]).all()
    late = late_features(knowing, tissue[:20], layer=layers.late)
    np.testing.assert_allclose(np.linalg.norm(late, axis=1), 1, rtol=1e-5)
    assert (late_features(knowing, tissue[7:8], layer=layers.late)[0] == late[7]).all()


def test_looking_at_features_leaves_no_hook_behind(knowing: Predictor, tissue: np.ndarray) -> None:
    early_features(knowing, tissue[:1], layer=layers_of(knowing.module).early)
    assert not any(module._forward_hooks for module in knowing.module.modules())
