"""One resampler: exact area means, the same for a patch of a data set and a picture that is predicted."""

import numpy as np
import pytest

from core.images.patch import MICROMETRES_PER_PIXEL as MPP
from core.images.resample import AT_ONCE, resampled
from core.images.sizes import Fit, fitted
from core.images.tiling import rescale


def _noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _means(values: np.ndarray, start: float, stop: float, count: int) -> np.ndarray:
    """Return the means along the first axis between edges, from the integral of the values."""
    edges = np.linspace(start, stop, count + 1)
    total = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, 0)])
    whole = np.minimum(edges.astype(int), len(values) - 1)
    at = total[whole] + (edges - whole)[:, None, None] * values[whole]
    return np.diff(at, axis=0) / ((stop - start) / count)


@pytest.mark.parametrize(
    ("box", "size"),
    [((0, 0, 300, 200), (100, 50)), ((0.5, 1.25, 290.1, 199.3), (96, 70)), ((3, 3, 99, 99), (96, 96)),
     ((0, 0, 300, 200), (299, 199))],
)  # fmt: skip
def test_a_pixel_is_the_mean_of_what_it_covers(box: tuple[float, ...], size: tuple[int, int]) -> None:
    pixels = _noise(200, 300)
    left, top, right, bottom = box
    expected = _means(pixels.astype(float), top, bottom, size[1])
    expected = _means(expected.transpose(1, 0, 2), left, right, size[0]).transpose(1, 0, 2)

    found = resampled(pixels, box, size)  # type: ignore[arg-type]

    assert found.shape == (size[1], size[0], 3)
    assert np.abs(found - expected).max() <= 0.5 + 1e-3


def test_a_large_picture_is_reduced_in_bands_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = _noise(400, 400)
    whole = rescale(pixels, 0.31)
    monkeypatch.setattr("core.images.resample.AT_ONCE", 4_000)

    assert (rescale(pixels, 0.31) == whole).all()
    assert pixels.size < AT_ONCE


def test_predict_and_data_sets_make_the_same_patch() -> None:
    pixels = _noise(384, 384)  # at a quarter of the model's scale: 96 pixels
    patch, _ = fitted(pixels, Fit("mpp"), mpp=MPP / 4)

    assert (rescale(pixels, MPP / 4) == patch).all()
    assert np.abs(patch - pixels.reshape(96, 4, 96, 4, 3).mean((1, 3))).max() <= 0.5 + 1e-3


def test_the_model_s_own_scale_changes_nothing() -> None:
    pixels = _noise(150, 130)

    assert (rescale(pixels, MPP) == pixels).all()
    assert (resampled(pixels, (0, 0, 130, 150), (130, 150)) == pixels).all()
