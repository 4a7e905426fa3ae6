"""Evaluate: two models on the same patches, their paired differences and where they disagree."""

import numpy as np
import pandas as pd
import streamlit as st

from core.data import CLASS_NAMES
from core.errors import BundleError
from core.evaluation import METRICS, Estimate, McNemar, compare, disagreements, mcnemar
from core.prediction import Predictor
from core.reports import evaluation_charts as charts
from core.scoring.dataset import CHOICES, Scored, select
from pages._ui import cache, layout, state, widgets
from pages._ui.browse import detail
from pages._ui.evaluate import predictions
from pages._ui.evaluate.context import OTHER, EvaluationContext, chart_config, selected, set_look

POINTS = 3_000
"""Patches in the chart of two models: more cannot be told apart, and take the browser seconds."""

MANY = 100_000
"""Patches from which on fewer resamples are drawn: 2,000 of them would take minutes."""


def draw(context: EvaluationContext) -> None:
    """Draw the view."""
    st.markdown(
        "Two models on the **same** patches. What makes a patch difficult for both cancels out, so that small "
        "differences become visible (**paired difference**)."
    )
    others = [name for name, path in layout.bundles().items() if path != layout.bundle_path()]
    if not others:
        st.info("There is no second model yet. Finish a run under Train, then choose it here.")
        st.page_link("pages/train.py", label="Train a model", icon=":material/model_training:")
        return
    st.selectbox(
        "Compare with", others, key=OTHER, persist_state="session",
        format_func=layout.bundle_label,
    )  # fmt: skip
    other = _other()
    if other is None:
        return
    subset = _same_patches(context, other)
    if subset is None:
        st.warning(
            "The two models were trained on different splits of this data set, so one may have been trained on patches "
            "that measure the other. Only common patches are compared; choose other patches above to be sure."
        )
    path = layout.bundles()[str(st.session_state[OTHER])]
    names = context.name, layout.model_name(path, other.bundle.card)
    second = predictions.scored(other, context.dataset, subset or context.subset, path)
    if second is None:
        return
    common = len(_pair(context.scored, second)[0])
    if common < len(context.scored):
        st.caption(f"On the {common:,} patches that both have predicted.")
    if not common:
        st.warning("The two models have no patch in common here. Choose all labelled patches above.")
        return
    differences = _differences(context, other, second)
    _show(context, other, differences, names)
    _patches(context, other, second, names)


def order(context: EvaluationContext) -> np.ndarray | None:
    """Return positions of the patches on which the two models disagree, the furthest apart first; None if unknown."""
    other = _other()
    if other is None:
        return None
    second = predictions.stored(other, context.dataset, _same_patches(context, other) or context.subset)
    return None if second is None else _apart(context, other, second)


def _other() -> Predictor | None:
    path = layout.bundles().get(str(st.session_state.get(OTHER)))
    if path is None or path == layout.bundle_path():
        return None
    try:
        return cache.predictor(path, layout.device())
    except BundleError as error:
        layout.show_error(error)
        return None


def _same_patches(context: EvaluationContext, other: Predictor) -> str | None:
    """Return the subset that means the same patches to the other model, or None if there is none."""
    own, _ = select(context.predictor.bundle, context.dataset, context.subset)
    # The same name is tried first; a dict drops the repeat and keeps the order.
    for subset in dict.fromkeys((context.subset, *CHOICES)):
        if np.array_equal(own, select(other.bundle, context.dataset, subset)[0]):
            return subset
    return None


def _pair(first: Scored, second: Scored) -> tuple[np.ndarray, np.ndarray]:
    """Return positions in both of the patches that they share, in the order of the first."""
    theirs = pd.Index(second.rows).get_indexer(first.rows)
    own = np.flatnonzero(theirs >= 0)
    return own, theirs[own]


def _differences(context: EvaluationContext, other: Predictor, second: Scored) -> dict[str, Estimate]:
    first, second_threshold = context.scored, other.bundle.card.threshold

    def make() -> dict[str, Estimate]:
        own, theirs = _pair(first, second)
        return compare(
            first.labels[own],
            first.probabilities[own],
            second.probabilities[theirs],
            groups=None if first.slides is None else first.slides[own],
            resamples=200 if len(own) > MANY else 2000,
            threshold=context.threshold,
            second_threshold=second_threshold,
        )

    key = (context.key, context.threshold, other.bundle.digest, second_threshold, len(second))
    return cache.recall(
        "differences", key, make, most=32, doing="Comparing; this takes half a minute for 200,000 patches …"
    )


def _apart(context: EvaluationContext, other: Predictor, second: Scored) -> np.ndarray:
    own, theirs = _pair(context.scored, second)
    found = disagreements(
        context.scored.probabilities[own],
        second.probabilities[theirs],
        threshold=context.threshold,
        second_threshold=other.bundle.card.threshold,
    )
    return np.asarray(own[found])


def _show(
    context: EvaluationContext, other: Predictor, differences: dict[str, Estimate], names: tuple[str, str]
) -> None:
    first, second = names
    st.plotly_chart(
        charts.estimates(
            [_label(name) for name in differences], list(differences.values()), reference=0.0,
            title=f"{first} minus {second}<br>95% CI",
            notes=[_verdict(name, each, first, second) for name, each in differences.items()],
        ),
        config=chart_config(), key="differences", alt="Differences of the metrics",
    )  # fmt: skip
    st.caption(
        f"Where the interval includes 0, or there is none (too few slides or patches, or no difference between them), "
        f"neither is better for certain. {first} is at the threshold "
        f"{context.threshold:.3f}, {second} at its own of {other.bundle.card.threshold:.3f}."
    )
    with st.expander("As a table"):
        rows = [
            (METRICS[name].label, str(each), _verdict(name, each, first, second)) for name, each in differences.items()
        ]
        st.dataframe(
            pd.DataFrame(rows, columns=["metric", f"{first} minus {second}", "better"]), hide_index=True,
            height="content",
        )  # fmt: skip


def _patches(context: EvaluationContext, other: Predictor, second: Scored, names: tuple[str, str]) -> None:
    """Draw where the two models differ, patch by patch, and whether one of them is right more often."""
    st.markdown("#### Patch by patch")
    own, theirs = _pair(context.scored, second)
    labels = context.scored.labels[own]
    first, others = context.scored.probabilities[own], second.probabilities[theirs]
    thresholds = context.threshold, other.bundle.card.threshold
    line, other_line = thresholds
    apart = disagreements(first, others, threshold=line, second_threshold=other_line)
    test = mcnemar(labels, first, others, threshold=line, second_threshold=other_line)
    st.markdown(_tested(test, *names, by_slide=context.scored.slides is not None))
    # All that they decide differently come first; of the others as many as a chart can hold, always the same.
    rest = np.random.default_rng(0).permutation(np.setdiff1d(np.arange(len(own)), apart))
    shown = np.concatenate([apart, rest])[:POINTS]
    row = st.container(horizontal=True)
    left, right = row.container(width=470), row.container(width=490)  # one below the other where both do not fit
    clicks = st.session_state.get(state.CLICKS, 0)
    ids = context.dataset.table["id"].to_numpy(dtype=object)[context.scored.rows[own]]
    with left:
        st.plotly_chart(
            charts.two_models(labels, first, others, shown=shown, names=names, thresholds=thresholds),
            config=chart_config(), key=(chart := f"two_models-{clicks}"), on_select=lambda: _open(ids, selected(chart)),
            selection_mode="points", alt="Probabilities by the two models",
        )  # fmt: skip
        fewer = f" {POINTS:,} of {len(own):,} are shown, those that differ among them." if len(own) > POINTS else ""
        st.caption(
            "Each point is a patch; the grey lines are the thresholds, and in the upper left and the lower right the "
            f"models decide differently. Click a point to open its patch.{fewer}"
        )
    with right:
        if not len(apart):
            st.info("The two models decide every patch alike.")
            return
        table = pd.DataFrame(
            {
                "patch": ids[apart],
                "label": np.array(CLASS_NAMES)[labels[apart]],
                names[0]: first[apart],
                f"{names[1]} ": others[apart],  # two models may have one name, and a table no two such columns
                "right": np.where((first[apart] >= line) == labels[apart], *names),
            }
        )
        number = st.column_config.NumberColumn(format="%.3f")
        columns = {"patch": st.column_config.Column(width=110), **dict.fromkeys(table.columns[2:4], number)}
        clicked = widgets.clicked_row(table, key=f"apart-{clicks}", height=400, column_config=columns)
        if clicked is not None:
            _open(ids, apart[clicked])
            st.rerun()
        st.button("Show these patches below", icon=":material/grid_view:", on_click=set_look, args=("differ",))


def _open(ids: np.ndarray, position: object) -> None:
    if isinstance(position, int | float | np.integer):
        detail.open_id(str(ids[int(position)]))
        widgets.forget_click()  # so that a click on the same patch opens it again


def _tested(test: McNemar, first: str, second: str, *, by_slide: bool) -> str:
    apart = test.only_first + test.only_second
    said = f"They disagree on **{apart:,}** of {test.n:,} patches"
    if not apart:
        return f"{said}."
    chance = "below 0.001" if test.p < 0.001 else f"of {test.p:.3f}"
    caution = " Patches of a slide are alike, which this test ignores; the interval of the accuracy does not."
    return (
        f"{said}: only {first} is right on {test.only_first:,}, only {second} on {test.only_second:,}. "
        f"If both were right equally often, chance would make a difference of this size or more with a probability "
        f"{chance} (exact McNemar test, n = {apart:,}).{caution if by_slide else ''}"
    )


def _label(name: str) -> str:
    return METRICS[name].label + ("" if METRICS[name].higher_is_better else " (lower is better)")


def _verdict(name: str, each: Estimate, first: str, second: str) -> str:
    if not each.has_interval or each.low <= 0 <= each.high:
        return "undecided"
    return first if (each.value > 0) == METRICS[name].higher_is_better else second
