import json

import numpy as np
import pytest

from core.data import open_demo
from core.errors import PatchError
from core.stain import (
    METHODS,
    RUIFROK_EOSIN,
    RUIFROK_HAEMATOXYLIN,
    Macenko,
    Reinhard,
    colourfulness,
    normalise,
    reference_from_json,
    reference_of,
    reference_to_json,
    stain_amounts,
    stain_picture,
    typical,
)


def mixed(haematoxylin: np.ndarray, eosin: np.ndarray) -> np.ndarray:
    """What Beer and Lambert say is seen of two stains on white ground."""
    density = haematoxylin[..., None] * np.array(RUIFROK_HAEMATOXYLIN) + eosin[..., None] * np.array(RUIFROK_EOSIN)
    return np.rint(255 * np.exp(-density)).astype(np.uint8)


def test_the_amounts_that_were_mixed_are_found_again() -> None:
    haematoxylin, eosin = np.meshgrid(np.linspace(0, 1.2, 96), np.linspace(0, 0.9, 96))
    found = stain_amounts(mixed(haematoxylin, eosin))
    # Rounding to 8 bits moves a density by at most 0.5 / (255 exp(-density)); the green one reaches 1.74.
    np.testing.assert_allclose(found[..., 0], haematoxylin, atol=0.012)
    np.testing.assert_allclose(found[..., 1], eosin, atol=0.02)


def test_white_holds_no_stain() -> None:
    assert not stain_amounts(np.full((96, 96, 3), 255, np.uint8)).any()


def test_a_picture_of_one_stain_is_the_mix_without_the_other() -> None:
    ramp = np.tile(np.linspace(0, 1, 96), (96, 1))
    both = mixed(ramp, np.full_like(ramp, 0.5))
    one = stain_picture(both, "haematoxylin").astype(int)
    other = stain_picture(both, "eosin").astype(int)
    assert np.abs(one - mixed(ramp, np.zeros_like(ramp))).max() <= 2
    assert np.abs(other - mixed(np.zeros_like(ramp), np.full_like(ramp, 0.5))).max() <= 2


def test_black_is_finite_and_wrong_input_is_refused() -> None:
    assert np.isfinite(stain_amounts(np.zeros((4, 4, 3), np.uint8))).all()
    with pytest.raises(PatchError, match="uint8 H×W×3"):
        stain_amounts(np.zeros((4, 4), np.uint8))
    with pytest.raises(PatchError, match="haematoxylin, eosin"):
        stain_picture(np.zeros((4, 4, 3), np.uint8), "safran")


HAEMATOXYLIN, EOSIN = (np.array(each) / np.linalg.norm(each) for each in ((0.65, 0.70, 0.29), (0.27, 0.86, 0.43)))


def stained(first: np.ndarray, second: np.ndarray, strengths: tuple[float, float]) -> np.ndarray:
    """A patch of two stains: places with only one of them, and mixtures, at amounts from none to these."""
    share = np.linspace(0, 1, 96)[:, None]
    amount = np.linspace(0, 1, 96)[None, :]
    one, other = np.clip(1.5 * share, 0, 1) * amount, np.clip(1.5 * (1 - share), 0, 1) * amount
    density = strengths[0] * one[..., None] * first + strengths[1] * other[..., None] * second
    return np.rint(256 * np.exp(-density) - 1).astype(np.uint8)


def test_macenko_recovers_stains_that_are_known() -> None:
    found = Macenko.of(stained(HAEMATOXYLIN, EOSIN, (1.8, 1.2)))

    assert found is not None
    # The angles are cut at 1% and 99%, and rounding to 8 bits moves the palest densities most.
    np.testing.assert_allclose(found.stains, [HAEMATOXYLIN, EOSIN], atol=0.03)
    np.testing.assert_allclose(found.strengths, (1.8, 1.2), rtol=0.06)


def test_macenko_gives_a_patch_the_stains_of_another() -> None:
    other = [each / np.linalg.norm(each) for each in ((0.55, 0.76, 0.35), (0.15, 0.93, 0.33))]
    patch, wanted = stained(HAEMATOXYLIN, EOSIN, (1.8, 1.2)), stained(*other, (1.3, 1.5))

    moved = normalise(patch, reference_of(wanted, "macenko"))

    assert np.abs(patch.astype(int) - wanted).mean() > 10
    dark = wanted.max(axis=2) < 200  # the palest pixels are between glass and tissue, and change less
    assert np.abs(moved.astype(int) - wanted)[dark].mean() < 3


def test_reinhard_gives_a_patch_mean_and_spread_of_another() -> None:
    patch, wanted = stained(HAEMATOXYLIN, EOSIN, (1.2, 1.2)), stained(EOSIN, HAEMATOXYLIN, (1.0, 1.6))
    reference = reference_of(wanted, "reinhard")

    moved = Reinhard.of(normalise(patch, reference))

    assert moved is not None
    np.testing.assert_allclose(moved.mean, reference.mean, atol=0.03)
    np.testing.assert_allclose(moved.spread, reference.spread, atol=0.03)


@pytest.mark.parametrize("method", METHODS)
def test_a_patch_normalised_to_itself_is_unchanged(method: str) -> None:
    for patch in (stained(HAEMATOXYLIN, EOSIN, (1.8, 1.2)), *open_demo().store.load(range(6)).pixels):
        moved = normalise(patch, reference_of(patch, method))

        assert np.abs(moved.astype(int) - patch).max() <= 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "glass",
    [
        np.full((96, 96, 3), 255, np.uint8),
        np.full((96, 96, 3), (232, 228, 233), np.uint8),
        np.random.default_rng(0).integers(225, 245, (96, 96, 1), dtype=np.uint8).repeat(3, axis=2),
        np.zeros((96, 96, 3), np.uint8),
    ],
    ids=["white", "tinted", "dust", "black"],
)
def test_what_has_no_stain_is_left_as_it_is(method: str, glass: np.ndarray) -> None:
    reference = reference_of(stained(HAEMATOXYLIN, EOSIN, (1.8, 1.2)), method)

    np.testing.assert_array_equal(normalise(glass, reference), glass)
    with pytest.raises(PatchError, match="too little tissue, or only one colour"):
        reference_of(glass, method)


@pytest.mark.parametrize("method", METHODS)
def test_glass_beside_tissue_is_left_as_it_is(method: str) -> None:
    patch = stained(HAEMATOXYLIN, EOSIN, (1.8, 1.2))
    patch[:, :30] = 235

    moved = normalise(patch, reference_of(stained(EOSIN, HAEMATOXYLIN, (0.8, 1.9)), method))

    assert (moved[:, :30] == 235).all()
    assert (moved[:, 60:] != patch[:, 60:]).mean() > 0.5


@pytest.mark.parametrize("method", METHODS)
def test_a_reference_goes_to_json_and_back(method: str) -> None:
    reference = reference_of(stained(HAEMATOXYLIN, EOSIN, (1.8, 1.2)), method)
    stored = json.loads(json.dumps(reference_to_json(reference)))

    assert reference_from_json(stored) == reference
    for name in set(stored) - {"method"}:
        with pytest.raises(ValueError, match="incomplete"):
            reference_from_json({each: value for each, value in stored.items() if each != name})
    with pytest.raises(ValueError, match="method must be one of macenko, reinhard, got 'vahadane'"):
        reference_from_json({**stored, "method": "vahadane"})
    spread = "strengths" if method == "macenko" else "spread"
    for wrong in (float("nan"), 1e9, 0.0, -1.0):
        with pytest.raises(ValueError, match="out of range"):
            reference_from_json({**stored, spread: [wrong, *stored[spread][1:]]})


def test_the_typical_patch_has_tissue_and_is_in_the_middle() -> None:
    pale, middle, dark = (stained(HAEMATOXYLIN, EOSIN, (each, each)) for each in (0.9, 1.4, 2.2))
    glass = np.full((96, 96, 3), 240, np.uint8)

    assert typical(np.stack([glass, pale, dark, middle, pale])) in (1, 3)
    assert typical(np.stack([dark, middle, pale])) == 1
    with pytest.raises(PatchError, match="None of the patches has stains"):
        typical(glass[None])


def test_colourfulness_is_of_stains_and_not_of_grey() -> None:
    grey = np.full((1, 3), 200, np.uint8)
    pen = np.array([[40, 90, 160]], np.uint8)
    assert colourfulness(grey)[0] == 0
    assert colourfulness(pen)[0] < 0
    # 0.9 of eosin's own density and 0.236 of haematoxylin's, by their vectors.
    assert colourfulness(mixed(np.array(1.0), np.array(0.0))[None])[0] == pytest.approx(0.236, abs=0.01)
    assert colourfulness(mixed(np.array(0.0), np.array(1.0))[None])[0] == pytest.approx(0.9, abs=0.02)
