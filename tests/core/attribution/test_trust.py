"""How far a map deserves belief: figures that can be worked out by hand."""

import numpy as np
import pytest
import torch
from scipy.special import expit

from benchmarks.ranking import against_mask
from core.attribution import Attribution, AttributionOptions, attribute, trust
from core.attribution.curves import deletion_and_insertion
from core.errors import AttributionError, ConfigError


def attribution(values, method="saliency", logit=0.0, baseline_logit=None, gap=None) -> Attribution:
    return Attribution(np.asarray(values, np.float32), method, logit, baseline_logit, gap)


@pytest.fixture
def steep(make_linear):
    """A linear network whose logit is 0 on white, and 1 for every 8 rows of black from the top."""
    weight = torch.zeros(3, 96, 96)
    weight[:, :48] = -6 / (3 * 48 * 96)
    return make_linear(weight, bias=6.0)


def test_completeness_compares_the_sum_with_the_change():
    good = trust.completeness(attribution(np.zeros((3, 96, 96)), "deeplift", 3.0, 1.0, 0.05))
    assert (good.gap, good.change, good.relative) == (0.05, 2.0, 0.025)
    assert good.sentence == "The attributions add up to +2.05 where the logit changes by +2.00: a good sum."
    bad = trust.completeness(attribution(np.zeros((3, 96, 96)), "deeplift", 3.0, 1.0, -1.0))
    assert bad.relative == 0.5
    assert "more steps" in bad.sentence
    nothing = trust.completeness(attribution(np.zeros((3, 96, 96)), "deeplift", 1.0, 1.0, 0.0))
    assert nothing.relative == 0
    with pytest.raises(AttributionError, match="need not add up"):
        trust.completeness(attribution(np.zeros((3, 96, 96))))


def test_centre_is_told_against_chance():
    even = trust.centre(attribution(np.ones((3, 96, 96))))
    assert even.share == pytest.approx(1 / 9)
    assert (
        even.sentence == "11% of the map lies in the centre that decides the label, 1.0 times what chance gives (11%)."
    )
    empty = trust.centre(attribution(np.zeros((3, 96, 96))))
    assert np.isnan(empty.share)
    assert "empty" in empty.sentence


def test_deletion_and_insertion_of_a_linear_network(steep):
    black = torch.zeros(3, 96, 96)
    values = np.zeros((3, 96, 96))
    values[:, :48] = 1  # the half that the network uses goes first
    deletion, insertion = deletion_and_insertion(
        steep, black, attribution(values), steps=4, baseline="white", internal_batch=2
    )
    falling = expit(np.array([6.0, 3.0, 0.0, 0.0, 0.0]))
    rising = expit(np.array([0.0, 3.0, 6.0, 6.0, 6.0]))
    np.testing.assert_array_equal(deletion.fractions, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(deletion.probabilities, falling, atol=2e-4)
    np.testing.assert_allclose(insertion.probabilities, rising, atol=2e-4)
    assert deletion.area == pytest.approx(np.trapezoid(falling, dx=0.25), abs=2e-4)
    assert insertion.area == pytest.approx(np.trapezoid(rising, dx=0.25), abs=2e-4)
    straight = expit(np.linspace(6, 0, 5))  # random order takes from both halves alike
    assert deletion.random_area == pytest.approx(np.trapezoid(straight, dx=0.25), abs=0.01)
    assert "follows the map" in deletion.sentence
    assert "follows the map" in insertion.sentence


def test_a_map_that_points_away_is_told(steep):
    values = np.zeros((3, 96, 96))
    values[:, 48:] = 1
    seen: list[float] = []
    deletion, insertion = deletion_and_insertion(
        steep, torch.zeros(3, 96, 96), attribution(values), steps=4, baseline="white", progress=seen.append
    )
    np.testing.assert_allclose(deletion.probabilities, expit(np.array([6.0, 6, 6, 3, 0])), atol=2e-4)
    assert deletion.area > deletion.random_area
    assert "no better than chance" in deletion.sentence
    assert "no better than chance" in insertion.sentence
    assert seen == [0.25, 0.5, 0.75, 1.0]


def test_the_curves_use_a_given_calibration(steep):
    one = attribution(np.ones((3, 96, 96)))
    deletion, _ = deletion_and_insertion(
        steep, torch.zeros(3, 96, 96), one, steps=1, baseline="white", calibrate=lambda logits: logits / 10.0
    )
    np.testing.assert_allclose(deletion.probabilities, [0.6, 0.0], atol=2e-4)
    with pytest.raises(ConfigError, match="steps must be 1 to 9216, got 0"):
        deletion_and_insertion(steep, torch.zeros(3, 96, 96), one, steps=0)


def test_a_linear_network_s_slopes_do_not_move_and_its_products_move_with_the_pixels(linear, patch):
    still = trust.noise_sensitivity(linear, patch, method="saliency")
    assert still.value == 0
    assert "steady" in still.sentence
    moved = trust.noise_sensitivity(linear, patch, method="input-x-gradient", radius=0.1, samples=3)
    # ‖w·ε‖ / ‖w·x‖ for ε even in ±0.1 and x even in [0, 1]: (0.1/√3) / (1/√3), slightly less where pixels are
    # cut.
    assert moved.value == pytest.approx(0.1, abs=0.01)
    again = trust.noise_sensitivity(linear, patch, method="input-x-gradient", radius=0.1, samples=3)
    assert again == moved
    other = trust.noise_sensitivity(
        linear, patch, method="input-x-gradient", radius=0.1, samples=3, options=AttributionOptions(seed=1)
    )
    assert other.value != moved.value
    with pytest.raises(ConfigError, match="radius"):
        trust.noise_sensitivity(linear, patch, radius=0)


def test_random_weights_change_a_map_that_shows_what_was_learnt(make_linear, patch):
    network = make_linear(torch.linspace(0, 1, 96).expand(3, 96, 96))
    random = trust.with_random_weights(network)
    assert not torch.equal(random.dense.weight, network.dense.weight)
    assert torch.equal(random.dense.weight.sort().values, network.dense.weight.sort().values)
    learnt = attribute(network, patch, method="saliency")
    found = trust.random_weights(learnt, random, patch)
    assert abs(found.correlation) < 0.05
    assert "what was learnt" in found.sentence
    same = trust.random_weights(learnt, network, patch)
    assert same.correlation == pytest.approx(1)
    assert "the picture itself" in same.sentence


def test_random_weights_are_the_same_for_the_same_seed_and_disturb_nothing(make_linear):
    network = make_linear(torch.rand(3, 96, 96, generator=torch.Generator().manual_seed(0)))
    kept, state = network.dense.weight.detach().clone(), torch.get_rng_state()
    one, two, other = (trust.with_random_weights(network, seed=seed).dense.weight for seed in (4, 4, 5))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(network.dense.weight, kept)
    assert torch.equal(torch.get_rng_state(), state)


def test_an_even_map_has_no_correlation(make_linear, patch):
    even = make_linear(torch.ones(3, 96, 96))
    found = trust.random_weights(attribute(even, patch, method="saliency"), even, patch)
    assert found.correlation == 0


def test_blanking_the_centre_or_the_rim(make_linear):
    weight = torch.zeros(3, 96, 96)
    weight[:, 32:64, 32:64] = -3 / (3 * 32 * 32)
    weight[:, :32, :32] = -1 / (3 * 32 * 32)
    network = make_linear(weight, bias=4.0)  # 0 on white; black gives 3 from the centre and 1 from the rim
    found = trust.blanking(network, np.zeros((96, 96, 3), np.uint8))
    assert found.probability == pytest.approx(expit(4.0), abs=2e-4)
    assert found.without_centre == pytest.approx(expit(1.0), abs=2e-4)
    assert found.without_rim == pytest.approx(expit(3.0), abs=2e-4)
    assert found.sentence == (
        "The probability of 98.2% becomes 73.1% without the centre and 95.3% without the rim: "
        "the network leans more on the centre, as it should."
    )


def test_a_network_that_leans_on_both_alike_is_not_said_to_prefer_one(make_linear):
    weight = torch.zeros(3, 96, 96)
    weight[:, 32:64, 32:64] = -2 / (3 * 32 * 32)
    weight[:, :32, :32] = -2.1 / (3 * 32 * 32)
    found = trust.blanking(make_linear(weight, bias=4.1), np.zeros((96, 96, 3), np.uint8))
    assert found.sentence.endswith("centre and rim matter about equally.")


def test_a_network_that_leans_on_the_rim_is_told(make_linear):
    weight = torch.zeros(3, 96, 96)
    weight[:, :32] = -4 / (3 * 32 * 96)
    found = trust.blanking(make_linear(weight, bias=4.0), np.zeros((96, 96, 3), np.uint8))
    assert found.without_rim == pytest.approx(0.5, abs=2e-4)
    assert "the rim, which the label ignores" in found.sentence
    indifferent = trust.blanking(make_linear(weight / 100, bias=4.0), np.zeros((96, 96, 3), np.uint8))
    assert "neither matters much by itself" in indifferent.sentence


def test_a_map_against_known_tumour_pixels():
    mask = np.zeros((96, 96), bool)
    mask[:2, :4] = True  # 8 pixels
    values = np.zeros((3, 96, 96))
    values[1, 0, :4] = (4, 3, 3, 3)  # 4 of 8 tumour pixels
    values[1, 50, :4] = (2, 2, 2, 2)
    values[1, 60, 0] = 1
    # The 8 highest share 4 with the 8 of tumour.
    assert against_mask(attribution(values), mask) == (True, pytest.approx(4 / 12), pytest.approx(13 / 22))
    assert against_mask(attribution(np.flip(values, axis=1)), mask) == (False, 0, 0)


def test_what_speaks_against_tumour_does_not_point_at_it():
    mask = np.zeros((96, 96), bool)
    mask[10, 10] = True
    values = np.zeros((3, 96, 96))
    values[0, 10, 10], values[0, 80, 80] = -5, 1
    assert not against_mask(attribution(values, "integrated-gradients"), mask)[0]
    assert against_mask(attribution(values, "saliency"), mask)[0]  # sizes only


def test_an_empty_map_points_nowhere():
    assert against_mask(attribution(np.zeros((3, 96, 96))), np.ones((96, 96), bool)) == (False, 0, 0)
