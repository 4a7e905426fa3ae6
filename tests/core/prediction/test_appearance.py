import numpy as np
import pytest

from core.errors import PatchError
from core.prediction.appearance import Appearance, measure_appearance, stain_clusters


def flat(red: int, green: int, blue: int, n: int = 1) -> np.ndarray:
    return np.broadcast_to(np.array([red, green, blue], np.uint8), (n, 96, 96, 3)).copy()


def test_a_flat_patch_has_its_luminance_no_sharpness_and_the_density_of_beer_and_lambert() -> None:
    appearance = measure_appearance(flat(100, 200, 50))
    assert appearance.brightness[0] == pytest.approx(0.299 * 100 + 0.587 * 200 + 0.114 * 50, abs=1e-3)
    assert appearance.laplacian_variance[0] == pytest.approx(0, abs=1e-6)
    assert appearance.density[0] == pytest.approx([-np.log(101 / 256), -np.log(201 / 256), -np.log(51 / 256)], abs=1e-4)


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    board = ((np.indices((96, 96)).sum(axis=0) % 2) * 10).astype(np.uint8)
    appearance = measure_appearance(np.repeat(board[None, ..., None], 3, axis=3))
    # The Laplacian of a board of 0 and 10 is -40 and +40, half and half: variance 1600.
    assert appearance.laplacian_variance[0] == pytest.approx(1600, rel=1e-4)


def test_clusters_tell_stains_apart_and_are_ordered_from_weak_to_strong() -> None:
    rng = np.random.default_rng(0)
    pale, strong = flat(230, 200, 225, 30), flat(120, 60, 130, 20)
    pixels = np.concatenate([strong, pale]) + rng.integers(0, 4, (50, 1, 1, 3)).astype(np.uint8)
    groups = stain_clusters(measure_appearance(pixels), clusters=2)
    assert groups.tolist() == [1] * 20 + [0] * 30


def test_fewer_different_patches_than_clusters_are_no_error() -> None:
    assert stain_clusters(measure_appearance(flat(100, 90, 80, 5)), clusters=4).tolist() == [0] * 5


def test_looks_of_another_shape_are_refused() -> None:
    with pytest.raises(PatchError, match=r"\(N, 5\)"):
        Appearance(np.zeros((3, 2), np.float32))
