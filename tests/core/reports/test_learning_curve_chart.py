import math
from collections.abc import Callable

import pytest

from core.reports.learning_curve_chart import learning_curve
from core.studies.learning_curve_result import CurveResult, Trained


def test_a_size_is_a_point_with_its_interval_and_each_doubling_has_the_same_room(
    trained: Callable[..., Trained],
) -> None:
    result = CurveResult((trained(100, 0, 3), trained(200, 0, 1)))

    figure = learning_curve(result, (100, 200, 400))

    (curve,) = figure.data
    assert list(curve.x) == [100, 200]
    assert list(curve.y) == pytest.approx([0.7, 0.9])
    auc = result.trained[0].evaluation.metrics["auc"]
    assert curve.error_y.array[0] == pytest.approx(auc.high - 0.7)
    assert curve.error_y.arrayminus[0] == pytest.approx(0.7 - auc.low)
    axis = figure.layout.xaxis
    assert (axis.type, list(axis.tickvals), list(axis.ticktext)) == ("log", [100, 200, 400], ["100", "200", "400"])
    assert axis.range[0] < math.log10(100) < math.log10(400) < axis.range[1]


def test_seeds_stand_behind_their_mean(trained: Callable[..., Trained]) -> None:
    result = CurveResult((trained(100, 0, 3), trained(200, 0, 1), trained(100, 1, 1)))

    seeds, curve = learning_curve(result, (100, 200)).data

    assert list(seeds.x) == [100, 100]
    assert list(seeds.y) == pytest.approx([0.7, 0.9])
    assert list(curve.y) == pytest.approx([0.8, 0.9])
    assert "0.700 to 0.900 over 2 seeds" in curve.customdata[0]
