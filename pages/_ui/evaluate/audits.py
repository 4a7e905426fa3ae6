"""Evaluate: does the model use the centre, and does a random split make it look better than it is?"""

import numpy as np
import streamlit as st

from core.attribution import METHODS
from core.attribution.result import CENTRE_CHANCE
from core.data.slides import slides_advice
from core.errors import NodescopeError, RunError
from core.evaluation import METRICS
from core.prediction.centre_audit import CentreAudit, audit_centre
from core.reports import evaluation_charts as charts
from core.runs import PRESETS, Run, list_runs, start, stop
from core.studies.split_leakage import NAMES, WAYS, Leak, leak_configs, leak_of
from pages._ui import cache, layout, results, widgets
from pages._ui.evaluate.context import EvaluationContext, chart_config

PATCHES = 120
MAPS = 40
"""Patches that are audited, and those of them that get a saliency map, which takes longer."""

LEAK_PRESET = "leak_preset"


def draw(context: EvaluationContext) -> None:
    """Draw the view."""
    st.markdown(
        "#### Does the model use the centre?",
        help="Centre audit: the probability is compared with that of copies in which the "
        "centre, or a piece of the rim, is painted over.",
    )
    _centre(context)
    st.markdown(
        "#### Does a random split inflate the metrics?",
        help="Leak meter: the same training under a random split and under a split by slide.",
    )
    _leak(context)


def audit(context: EvaluationContext) -> CentreAudit | None:
    """Return the audit if it was made, else None."""
    return cache.peek("audit", context.key)


def _audit(context: EvaluationContext) -> CentreAudit:
    def make() -> CentreAudit:
        pixels = context.dataset.store.load(context.scored.rows[_sample(context)]).pixels
        with widgets.progress("Auditing") as show:
            method = results.methods(context.predictor)[0]
            return audit_centre(context.predictor, pixels, method=method, maps=MAPS, progress=show)

    return cache.recall("audit", context.key, make, most=32)


def _centre(context: EvaluationContext) -> None:
    st.caption(
        "The label is about the centre 32×32 only. A model that follows the rim predicts something else and fails "
        "where the surroundings differ. Painting over the centre or the rim shows which of them it follows."
    )
    found = audit(context)
    if found is None:
        count = min(PATCHES, len(context.scored))
        if not st.button(f"Audit {count} patches", icon=":material/center_focus_strong:"):
            return
        found = _audit(context)
    verdict = found.verdict
    {"centre": st.success, "rim": st.error, "both": st.warning, "unknown": st.info}[verdict](found.sentence)
    left, right = st.columns(2)
    with left:
        figure = charts.changes(found.centre_effect, found.piece_effect, context.scored.labels[_sample(context)])
        st.plotly_chart(figure, config=chart_config(), key="audit_changes", alt="Change of probability by blanking")
        st.caption(
            "Each point is a patch. Above the dotted line its centre matters more than an equally large piece of its "
            "rim (mean of eight pieces), below the line less."
        )
    with right:
        if len(found.shares):
            figure = charts.shares(found.shares, CENTRE_CHANCE)
            st.plotly_chart(figure, config=chart_config(), key="audit_shares", alt="Share of the map inside the centre")
            st.caption(
                f"{METHODS[found.method].label} of {len(found.shares)} patches: half of them have at least "
                f"{float(np.median(found.shares)):.0%} of their map in the centre; its share of the area is "
                f"{CENTRE_CHANCE:.0%}."
            )


def _sample(context: EvaluationContext) -> np.ndarray:
    """Return positions of the same random patches each time, as many of both classes where there are enough."""
    order = np.random.default_rng(0).permutation(len(context.scored))
    if len(order) <= PATCHES:
        return order
    labels = context.scored.labels[order]
    half = PATCHES // 2
    chosen = np.concatenate([order[labels == label][:half] for label in (0, 1)])
    # Shuffled again, because only the first ones get a map, and these should be of both classes.
    return np.random.default_rng(1).permutation(chosen)


def _leak(context: EvaluationContext) -> None:
    st.caption(
        "Patches of one slide look alike. When a random split puts some of them into training and others into the test "
        "split, the model has already seen the test slides, and its metrics are too good for new slides. The same "
        "training under both splits shows by how much."
    )
    if not context.dataset.knows_slides:
        st.info(
            "The slides of these patches are unknown, so this cannot be measured here. "
            f"{slides_advice(context.dataset)}"
        )
        return
    pair = _pair(context.dataset.source)
    if pair is None or not any(run.status().is_active for run in pair):
        if pair is not None:
            _result(pair)
        left, right = st.columns([2, 1], vertical_alignment="bottom")
        preset = left.selectbox(
            "Training", list(PRESETS), format_func=lambda name: PRESETS[name].label, key=LEAK_PRESET,
            persist_state="session",
        )  # fmt: skip
        right.button(
            "Train both" if pair is None else "Train both again", icon=":material/balance:", on_click=_start,
            args=(context.dataset.source, str(preset)),
            help="This starts two runs in the background, one after the other. Train lists them too.",
        )  # fmt: skip
        return
    _watch(context.dataset.source)


def leak(source: str) -> Leak | None:
    """Return the newest finished leak meter on a data set, or None."""
    pair = _pair(source)
    if pair is None or any(run.status().state != "finished" for run in pair):
        return None
    return leak_of(pair[:1], pair[1:])


def _pair(source: str) -> tuple[Run, Run] | None:
    """Return the newest runs of the leak meter on a data set, or None."""
    newest: dict[str, Run] = {}
    for run in list_runs():
        config = run.config()
        if config.preset.startswith("leak-") and config.data == (source,):
            # Runs come newest first, so the first one of each way stays.
            newest.setdefault(config.split, run)
    return (newest["patch"], newest["slide"]) if set(WAYS) <= set(newest) else None


def _start(source: str, preset: str) -> None:
    try:
        for config in leak_configs(
            PRESETS[preset].config.with_changes(data=(source,), device=layout.device())
        ).values():
            start(config)
    except NodescopeError as error:
        layout.show_error(error)


def _result(pair: tuple[Run, Run]) -> None:
    states = [run.status() for run in pair]
    if any(each.state != "finished" for each in states):
        for way, each in zip(WAYS, states, strict=True):
            st.warning(f"The training with a {NAMES[way]} {each.state}. {each.message}")
        return
    try:
        found = leak_of(pair[:1], pair[1:])
    except RunError as error:
        layout.show_error(error)
        return
    st.markdown(f"**{found.sentence()}**")
    for column, way in zip(st.columns(2), WAYS, strict=True):
        widgets.estimated(f"AUC, {NAMES[way]}", found.auc(way), help=METRICS["auc"].help, place=column)
    names = " and ".join(run.title() for run in pair)
    st.caption(
        widgets.escaped(f"Both trained as: {found.trained}. From the newest two such runs, {names} (see Train).")
    )


@st.fragment(run_every=2.0)
def _watch(source: str) -> None:
    pair = _pair(source)
    if pair is None or not any(run.status().is_active for run in pair):
        st.rerun()
    for way, run in zip(WAYS, pair, strict=True):
        status = run.status()
        st.progress(status.progress, text=f"Training with a {NAMES[way]}: {status.stage or status.state}")
    st.button("Stop both", icon=":material/stop:", on_click=_stop, args=(pair,))


def _stop(pair: tuple[Run, Run]) -> None:
    for run in pair:
        if run.is_alive():
            stop(run)
