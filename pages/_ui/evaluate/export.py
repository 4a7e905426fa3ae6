"""Evaluate: everything to take away."""

from collections.abc import Callable

import streamlit as st

from core.bundle import Bundle
from core.bundle.rethreshold import bundles_home, file_stem, save_new, with_threshold
from core.errors import BundleError, NodescopeError
from core.reports.evaluation import EvaluationReport, model_card_html, model_card_markdown, report_html
from core.scoring.store import scores_csv
from pages._ui import state
from pages._ui.evaluate import audits, kaggle, subgroups
from pages._ui.evaluate.context import PICTURE, EvaluationContext


def draw(context: EvaluationContext) -> None:
    """Draw the view."""
    st.markdown("#### This evaluation")
    with st.container(horizontal=True):
        for label, kind, text, make in _files(context):
            name = f"nodescope-{context.predictor.bundle.digest}-{kind}"
            # The file is made when it is wanted, not on every rerun.
            st.download_button(
                label, make, name, icon=":material/download:", on_click="ignore", help=text, key=f"take-{kind}"
            )
    st.caption("A centre audit and a leak meter are in the report once they were made under Checks.")
    st.segmented_control(
        "Plots, by the camera at the upper right of each", ["SVG", "PNG"], default="SVG", required=True, key=PICTURE,
        persist_state="session",
    )  # fmt: skip
    st.markdown("#### The threshold")
    _threshold(context)
    kaggle.draw(context)


def _report(context: EvaluationContext) -> EvaluationReport:
    return EvaluationReport(
        bundle=context.predictor.bundle,
        dataset=context.dataset,
        scored=context.scored,
        evaluation=context.evaluation(),
        slices=subgroups.every(context),
        audit=audits.audit(context),
        leak=audits.leak(context.dataset.source),
    )


def _files(context: EvaluationContext) -> list[tuple[str, str, str, Callable[[], str]]]:
    """Return label, end of the file name, help and content of everything that can be taken away."""
    return [
        (
            "Report (HTML)",
            "report.html",
            "Figures, plots, slices and checks in one file that needs no network; about 5 MB.",
            lambda: report_html(_report(context)),
        ),
        (
            "Model card (Markdown)",
            "card.md",
            "Data, split, intended use, limits, figures, calibration, slices, versions.",
            lambda: model_card_markdown(_report(context)),
        ),
        ("Model card (HTML)", "card.html", "The same as a page.", lambda: model_card_html(_report(context))),
        (
            "Predictions (CSV)",
            "predictions.csv",
            "Label, verdict, probability and logit of every patch.",
            lambda: scores_csv(context.scored, context.dataset, context.threshold),
        ),
    ]


def _threshold(context: EvaluationContext) -> None:
    own = context.predictor.bundle.card.threshold
    st.markdown(
        f"The threshold above is **{context.threshold:.4f}**, the model's own is {own:.4f}. A copy of the bundle with "
        "the new one decides like this everywhere: under Predict and on the command line."
    )
    if context.threshold == own:
        st.caption("Move the threshold first, and a copy with it can be saved here.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", f"{context.predictor.bundle.card.name}-at-{context.threshold:.3f}", width=320)
        try:
            bundle = _copy(context, name)
        except BundleError as error:
            st.warning(str(error))
            return
        st.download_button(
            "Download it", bundle.to_bytes, f"{file_stem(name)}.safetensors",
            icon=":material/download:", on_click="ignore", key="bundle_download",
        )  # fmt: skip
        st.button(
            "Save it on this computer", icon=":material/save:", on_click=_save, args=(bundle, name),
            help=f"Into {bundles_home()}; it can be compared with under Compare.",
        )  # fmt: skip


def _copy(context: EvaluationContext, name: str) -> Bundle:
    reason = f"chosen by hand on {context.dataset.name}, {context.scored.description}."
    return with_threshold(context.predictor.bundle, context.threshold, name=name, reason=reason)


def _save(bundle: Bundle, name: str) -> None:
    try:
        path = save_new(bundle, name)
    except NodescopeError as error:
        st.session_state[state.NOTICE] = str(error)
        return
    st.session_state[state.NOTICE] = f"Saved as {path}"
