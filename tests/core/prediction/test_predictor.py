"""The predictor: the same bits for the same patch, whatever stands beside it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import models
from core.bundle import Bundle, Card, halve
from core.errors import PatchError
from core.evaluation import Calibration
from core.prediction import Predictor, as_input
from core.prediction.predictor import BATCH

PATCHES = np.random.default_rng(0).integers(0, 256, (BATCH["cpu"] + 5, 96, 96, 3), dtype=np.uint8)


def _predictor(name: str) -> Predictor:
    torch.manual_seed(0)
    card = Card(name, name, {}, (0.5, 0.4, 0.3), (0.25, 0.2, 0.3), Calibration(temperature=2.0, bias=0.25), 0.5)
    return Predictor(Bundle(card, halve(models.build(name).state_dict())), device="cpu")


@pytest.fixture(scope="module", params=["notebook-cnn", "efficientnet-lite0", "resnet18"])
def predictor(request: pytest.FixtureRequest) -> Predictor:
    return _predictor(request.param)


@pytest.fixture(scope="module")
def together(predictor: Predictor) -> np.ndarray:
    return predictor.predict(PATCHES).logits


def test_logits_are_those_of_the_network_on_normalised_pixels(predictor: Predictor, together: np.ndarray) -> None:
    network = predictor.bundle.network().network
    pixels = torch.from_numpy(PATCHES[:2]).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in ((0.5, 0.4, 0.3), (0.25, 0.2, 0.3)))

    with torch.inference_mode():
        expected = network((pixels - mean) / std).numpy()

    assert together.dtype == np.float32
    np.testing.assert_allclose(together[:2], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("position", [0, 7, len(PATCHES) - 1])
def test_a_patch_alone_gets_the_same_bits(predictor: Predictor, together: np.ndarray, position: int) -> None:
    assert predictor.predict(PATCHES[position : position + 1]).logits[0] == together[position]


def test_order_does_not_change_a_bit(predictor: Predictor, together: np.ndarray) -> None:
    order = np.random.default_rng(1).permutation(len(PATCHES))

    assert predictor.predict(PATCHES[order]).logits.tolist() == together[order].tolist()


def test_other_neighbours_do_not_change_a_bit(predictor: Predictor, together: np.ndarray) -> None:
    white = np.full((9, 96, 96, 3), 255, np.uint8)

    mixed = predictor.predict(np.concatenate([white, PATCHES[:3], white])).logits

    assert mixed[9:12].tolist() == together[:3].tolist()


def test_memory_layout_does_not_change_a_bit(predictor: Predictor, together: np.ndarray) -> None:
    assert predictor.predict(np.asfortranarray(PATCHES[:3])).logits.tolist() == together[:3].tolist()
    assert predictor.predict(PATCHES[::-1][:2]).logits.tolist() == together[::-1][:2].tolist()


def test_eight_threads_get_the_same_bits(tiny_bundle: Bundle) -> None:
    predictor = Predictor(tiny_bundle, device="cpu")
    whole = predictor.predict(PATCHES).logits

    def ask(number: int) -> list[float]:
        return predictor.predict(PATCHES[number:]).logits.tolist()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(ask, range(16)))

    assert results == [whole[number:].tolist() for number in range(16)]


def test_probabilities_and_verdicts_follow_the_card(tiny_bundle: Bundle) -> None:
    predictions = Predictor(tiny_bundle, device="cpu").predict(PATCHES)

    expected = 1 / (1 + np.exp(-(predictions.logits.astype(np.float64) / 2.0 + 0.25)))
    np.testing.assert_allclose(predictions.probabilities, expected, rtol=1e-12)
    assert predictions.probabilities.dtype == np.float64
    assert predictions.threshold == 0.4
    assert predictions.verdicts.tolist() == (predictions.probabilities >= 0.4).tolist()


def test_a_probability_at_the_threshold_is_tumour(tiny_bundle: Bundle) -> None:
    probability = Predictor(tiny_bundle, device="cpu").predict(PATCHES[:1]).probabilities[0]
    card = tiny_bundle.card.with_changes(threshold=float(probability))

    assert Predictor(Bundle(card, tiny_bundle.weights), device="cpu").predict(PATCHES[:1]).verdicts.tolist() == [True]


def test_no_patches_are_no_predictions(tiny_bundle: Bundle) -> None:
    predictions = Predictor(tiny_bundle, device="cpu").predict(PATCHES[:0])

    assert predictions.logits.tolist() == predictions.probabilities.tolist() == []


def test_progress_ends_at_one(tiny_bundle: Bundle) -> None:
    shares: list[float] = []

    Predictor(tiny_bundle, device="cpu").predict(PATCHES, progress=shares.append)

    assert shares == [16 / 21, 1.0]


@pytest.mark.parametrize(
    ("pixels", "found"),
    [
        (PATCHES[0], "uint8 96×96×3"),
        (PATCHES[:1].astype(np.float32), "float32 1×96×96×3"),
        (PATCHES[:1, :95], "uint8 1×95×96×3"),
        (PATCHES[:1].transpose(0, 3, 1, 2), "uint8 1×3×96×96"),
        (PATCHES[:1, ..., :1], "uint8 1×96×96×1"),
    ],
)
def test_other_arrays_are_refused(tiny_bundle: Bundle, pixels: np.ndarray, found: str) -> None:
    with pytest.raises(PatchError, match=f"Patches must be uint8 N×96×96×3, got {found}"):
        Predictor(tiny_bundle, device="cpu").predict(pixels)


def test_the_shared_module_is_ready_to_be_asked_only(tiny_bundle: Bundle) -> None:
    module = Predictor(tiny_bundle, device="cpu").module

    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_pixels_become_numbers_from_zero_to_one() -> None:
    pixels = np.zeros((1, 96, 96, 3), np.uint8)
    pixels[0, 5, 7] = (255, 51, 0)

    tensor = as_input(pixels, torch.device("cpu"))

    assert tensor.dtype == torch.float32
    assert tensor[0, :, 5, 7].tolist() == [1.0, pytest.approx(0.2), 0.0]
    assert tensor.sum().item() == pytest.approx(1.2)
    assert tensor.is_contiguous(memory_format=torch.channels_last)
