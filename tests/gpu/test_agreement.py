"""A GPU says what the CPU says: logits and probabilities to 1e-3, explanations to 1 % of their largest value."""

import numpy as np
import pytest

from core.attribution import METHODS
from core.attribution.compute import attribute
from core.attribution.methods import supports
from core.bundle import load_bundle
from core.prediction import Predictor
from core.prediction.features import early_features, layers_of
from core.prediction.region import read_region

pytestmark = pytest.mark.gpu

BUNDLES = ("nodescope", "nodescope-net")
PATCHES = np.random.default_rng(0).integers(0, 256, (70, 96, 96, 3), dtype=np.uint8)


def _both(name: str) -> tuple[Predictor, Predictor]:
    bundle = load_bundle(name)
    return Predictor(bundle, device="cuda"), Predictor(bundle, device="cpu")


@pytest.mark.parametrize("name", BUNDLES)
def test_predictions(name: str) -> None:
    gpu, cpu = _both(name)

    found, expected = gpu.predict(PATCHES), cpu.predict(PATCHES)

    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-3)
    np.testing.assert_allclose(gpu.predict(PATCHES[:1]).logits, found.logits[:1], atol=1e-4)


@pytest.mark.parametrize("name", BUNDLES)
def test_features(name: str) -> None:
    gpu, cpu = _both(name)
    layer = layers_of(cpu.module).early

    found, expected = (early_features(each, PATCHES, layer=layer) for each in (gpu, cpu))

    np.testing.assert_allclose(found, expected, atol=1e-3 * float(np.abs(expected).max()))


def test_maps() -> None:
    gpu, cpu = _both("nodescope-net")
    picture = np.random.default_rng(1).integers(0, 256, (400, 500, 3), dtype=np.uint8)

    found = read_region(gpu, picture).probabilities

    np.testing.assert_allclose(found, read_region(cpu, picture).probabilities, atol=1e-3)
    card = gpu.bundle.card
    alone = card.calibration.apply(gpu.predict(picture[None, 80:176, 160:256]).logits)
    assert found[10, 20] == pytest.approx(alone[0], abs=1e-4)


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize("method", sorted(METHODS))
def test_explanations(name: str, method: str) -> None:
    gpu, cpu = _both(name)
    if reason := supports(method, cpu.module):
        pytest.skip(reason)

    found, expected = (attribute(each.module, PATCHES[0], method=method) for each in (gpu, cpu))

    assert found.logit == pytest.approx(expected.logit, abs=1e-3)
    largest = float(np.abs(expected.values).max())
    np.testing.assert_allclose(found.values, expected.values, atol=0.01 * largest)
