"""What is said of a learning curve, from figures that can be computed by hand."""

import json
import math
from collections.abc import Callable

import pytest

from core.evaluation import Estimate
from core.studies.learning_curve_result import CurveResult, Gain, Point, Trained


def gain(*values: tuple[float, float, float]) -> Gain:
    return Gain(4000, 7186, 1500, {"auc": tuple(Estimate(*each) for each in values)})


def test_several_seeds_are_their_mean_and_their_range(trained: Callable[..., Trained]) -> None:
    runs = (trained(100, 0, 1), trained(100, 1, 3))
    point = Point(100, runs)
    found = [run.evaluation.metrics["auc"] for run in runs]

    assert [each.value for each in found] == pytest.approx([0.9, 0.7])  # 10 tumour patches against 10 normal ones
    assert point.metric("auc").value == pytest.approx(0.8)
    assert point.metric("auc").low == pytest.approx((found[0].low + found[1].low) / 2)
    assert point.spread("auc") == pytest.approx((0.7, 0.9))
    assert Point(100, runs[:1]).metric("auc") == found[0]


def test_sizes_stand_from_small_to_large_and_go_to_json_and_back(trained: Callable[..., Trained]) -> None:
    pair = gain((0.01, 0.002, 0.02))
    result = CurveResult((trained(200, 0, 1), trained(100, 0, 2), trained(200, 1, 0)), (pair,))

    assert [(point.size, len(point.runs)) for point in result.points] == [(100, 1), (200, 2)]
    assert result.gain_to(7186) == pair
    assert result.gain_to(4000) is None
    assert CurveResult.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_a_rise_beyond_chance_says_that_more_labels_would_probably_help() -> None:
    assert gain((0.006, 0.002, 0.011)).sentence() == (
        "From 4,000 to 7,186 patches the AUC rose by 0.006 (0.002–0.011): more labels would probably still help."
    )


def test_a_fall_beyond_chance_says_so() -> None:
    assert gain((-0.006, -0.011, -0.002)).sentence() == (
        "From 4,000 to 7,186 patches the AUC fell by 0.006 (0.002–0.011): the larger number did not help this training."
    )


def test_what_chance_could_do_promises_nothing() -> None:
    assert gain((0.001, -0.003, 0.005)).sentence() == (
        "From 4,000 to 7,186 patches the AUC changed by +0.001 (-0.003 to +0.005), which may be chance: these 1,500 "
        "test patches cannot tell whether more labels would help; a gain above 0.005 is unlikely."
    )


def test_seeds_that_disagree_promise_nothing_either() -> None:
    both = gain((0.012, 0.006, 0.018), (-0.001, -0.005, 0.004))

    assert both.auc == Estimate(pytest.approx(0.0055), pytest.approx(0.0005), pytest.approx(0.011))
    assert "which may be chance" in both.sentence()
    assert both.caveat() == "It was -0.001 to +0.012 in the 2 seeds."
    assert "Another seed may change it too" in gain((0.006, 0.002, 0.011)).caveat()


def test_without_an_interval_nothing_is_concluded() -> None:
    single = Gain(10, 20, 5, {"auc": (Estimate(0.1, math.nan, math.nan),)})

    assert single.sentence() == (
        "From 10 to 20 patches the AUC changed by +0.100; too few test patches or slides to tell that from chance."
    )
    assert single.describe() == "+0.100 (no interval)"
