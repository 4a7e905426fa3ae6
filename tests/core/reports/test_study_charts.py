import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from core.evaluation import evaluate
from core.reports import study_charts as charts
from core.studies.cross_validation_result import Fold, FoldsResult
from core.studies.learning_curve_result import CurveResult, Trained
from core.studies.search_result import SearchResult, SearchTrial
from core.studies.search_space import Axis

AXES = (Axis("learning_rate", 1e-4, 1e-2, log=True), Axis("clip", choices=(0.0, 1.0)), Axis("stain", 0.0, 0.4))


def trial(number: int, state: str, auc: float | None) -> SearchTrial:
    values = {"learning_rate": 10.0 ** -(1 + number), "clip": float(number % 2), "stain": 0.1 * number}
    return SearchTrial(number, f"run-{number}", state, values, auc, 4)


RESULT = SearchResult(
    (trial(1, "finished", 0.8), trial(2, "pruned", 0.85), trial(3, "finished", 0.7), trial(4, "failed", None)),
    {"stain": 0.25, "learning_rate": 0.75},
)


def test_the_best_so_far_counts_finished_trials_alone() -> None:
    shown = {trace.name: trace for trace in charts.history(RESULT).data}
    assert set(shown) == {"finished", "pruned", "best so far"}
    assert list(shown["best so far"].x) == [1, 3]
    assert list(shown["best so far"].y) == [0.8, 0.8]
    assert list(shown["pruned"].x) == [2]


def test_the_most_important_setting_stands_on_top() -> None:
    (bars,) = charts.importance(RESULT).data
    assert list(bars.y) == ["stain", "learning rate"]  # Plotly draws from below
    assert list(bars.x) == [0.25, 0.75]


def test_parallel_coordinates_take_logarithms_and_numbers_of_choices() -> None:
    trials = [each for each in RESULT.trials if each.auc is not None]
    (lines,) = charts.parallel(AXES, [each.values for each in trials], [each.auc for each in trials]).data
    rate, clip, stain, auc = lines.dimensions
    assert list(rate["values"]) == pytest.approx([-2, -3, -4])
    assert list(rate["range"]) == pytest.approx([-4, -2])
    assert (list(clip["values"]), list(clip["ticktext"])) == ([1, 0, 1], ["0", "1"])
    assert list(stain["values"]) == pytest.approx([0.1, 0.2, 0.3])
    assert list(auc["values"]) == [0.8, 0.85, 0.7]


@pytest.mark.parametrize(
    ("values", "axis"),
    [
        ([64, 16, 16], Axis("x", choices=(16, 64))),
        ([0.1, "none", 0.2], Axis("x", choices=(0.1, 0.2, "none"))),
        ([*range(1, 9)], Axis("x", 1, 8)),
        ([10.0**-number for number in range(7)], Axis("x", 1e-6, 1.0, log=True)),
        ([0.0, *(10.0**-number for number in range(7))], Axis("x", 0.0, 1.0)),
        ([*"abcdefgh"], Axis("x", choices=tuple("abcdefgh"))),
    ],
)
def test_an_axis_over_the_values_of_runs(values: list[float | str], axis: Axis) -> None:
    assert charts.axis_over("x", values) == axis


def test_the_pooled_curve_stands_before_those_of_the_folds() -> None:
    labels = np.tile([0, 1], 10)
    table = pd.DataFrame(
        {"label": labels, "fold": np.repeat([1, 2], 10), "probability": np.where(labels == 1, 0.8, 0.2)}
    )
    chance, first, second, pooled = charts.pooled_roc(table).data
    assert pooled.name == "all folds together"
    assert (list(pooled.x), list(pooled.y)) == ([0, 0, 1], [0, 1, 1])
    assert (first.showlegend, second.showlegend, chance.showlegend) == (True, False, False)

    table.loc[table["fold"] == 1, "label"] = 0  # a fold of one class has no curve; the next one names the folds
    _, only, _ = charts.pooled_roc(table).data
    assert (only.name, only.showlegend) == ("each fold", True)


def test_a_size_is_a_point_with_its_interval_and_each_doubling_has_the_same_room(
    trained: Callable[..., Trained],
) -> None:
    result = CurveResult((trained(100, 0, 3), trained(200, 0, 1)))

    figure = charts.learning_curve(result, (100, 200, 400))

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

    seeds, curve = charts.learning_curve(result, (100, 200)).data

    assert list(seeds.x) == [100, 100]
    assert list(seeds.y) == pytest.approx([0.7, 0.9])
    assert list(curve.y) == pytest.approx([0.8, 0.9])
    assert "0.700 to 0.900 over 2 seeds" in curve.customdata[0]


def test_a_fold_without_an_interval_says_so_and_has_no_band() -> None:
    few = evaluate([0, 1] * 6, [0.2, 0.9, 0.6] * 4, groups=np.arange(12) % 2, resamples=20)
    folds = tuple(Fold(number, f"fold-{number}", 12, 6, 0.5, few) for number in (1, 2))
    figure = charts.fold_aucs(FoldsResult(folds, few.metrics, few, 0))
    assert [text for text, _ in figure.data[0].customdata] == [f"{few.metrics['auc'].value:.3f} (no interval)"] * 2
    assert list(figure.data[0].error_y.array) == [0.0, 0.0]
    assert not [shape for shape in figure.layout.shapes if shape.type == "rect"]
