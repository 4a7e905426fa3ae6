import math

import pytest

from core.errors import EvaluationError
from core.evaluation import corrected_half_width, corrected_mean


def test_the_interval_of_five_folds_is_that_of_the_paper_s_formula() -> None:
    found = corrected_mean([0.90, 0.92, 0.94, 0.96, 0.98], test_to_train=0.25)
    # t(0.975; 4) = 2.776445; the variance of the values is 0.001; 1 / 5 + 1 / 4 = 0.45
    half = 2.776445 * math.sqrt(0.45 * 0.001)
    assert found.value == pytest.approx(0.94)
    assert (found.low, found.high) == pytest.approx((0.94 - half, 0.94 + half), rel=1e-6)


def test_without_overlap_it_is_students_t() -> None:
    assert corrected_half_width([1.0, 2.0, 3.0], test_to_train=0.0) == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)


def test_undefined_values_are_left_out_and_fewer_than_four_have_no_interval() -> None:
    nan = float("nan")
    assert corrected_mean([0.8, nan, 0.9], test_to_train=0.2).value == pytest.approx(0.85)
    assert not corrected_mean([0.8, 0.9, nan, 0.7], test_to_train=0.2).has_interval
    assert corrected_mean([0.8, 0.9, nan, 0.7, 0.8], test_to_train=0.2).has_interval
    assert not corrected_mean([0.8] * 5, test_to_train=0.2).has_interval
    assert not corrected_mean([nan, nan], test_to_train=0.2).is_defined


@pytest.mark.parametrize(("values", "ratio"), [([0.9], 0.2), ([0.9, 0.8], -0.1)])
def test_what_has_no_spread_is_refused(values: list[float], ratio: float) -> None:
    with pytest.raises(EvaluationError, match="two trainings or more"):
        corrected_half_width(values, test_to_train=ratio)
