"""Evaluate: reports, model cards, predictions, a bundle with another threshold, and Kaggle's submission."""

from collections.abc import Callable

import streamlit as st

from core.bundle.rethreshold import bundles_home, file_stem, save_new, with_threshold
from core.errors import BundleError
from core.reports.evaluation import EvaluationReport, model_card_html, model_card_markdown, report_html
from core.scoring.store import scores_csv
from pages._ui import layout, widgets
from pages._ui.evaluate import audits, kaggle, subgroups
from pages._ui.evaluate.context import PICTURE, EvaluationContext


def draw(context: EvaluationContext) -> None:
    """Draw the view."""
    st.markdown("#### This evaluation")
    with st.container(horizontal=True):
        for label, kind, mime, text, make in _files(context):
            name = f"nodescope-{context.predictor.bundle.digest}-{kind}"
            widgets.export(label, make, name, mime, help=text)
    st.caption("The report includes the centre audit and the leak meter if they were made under Checks.")
    widgets.choice(
        "Format of saved plots", {"SVG": "SVG", "PNG": "PNG"}, key=PICTURE, in_address=False,
        help="The camera at the upper right of a plot saves it.",
    )  # fmt: skip
    st.markdown("#### Decision threshold")
    _threshold(context)
    kaggle.draw(context)


def _report(context: EvaluationContext) -> EvaluationReport:
    return EvaluationReport(
        bundle=context.predictor.bundle,
        dataset=context.dataset,
        scored=context.scored,
        evaluation=context.evaluation(),
        subgroups=subgroups.every(context),
        audit=audits.audit(context),
        leak=audits.leak(context.dataset.source),
    )


def _files(context: EvaluationContext) -> list[tuple[str, str, str, str, Callable[[], str]]]:
    """Return label, end of the file name, media type, help and content of each file."""
    report = "Metrics, plots, subgroups and checks in one file that needs no network; about 5 MB."
    card = "Data, split, intended use, limits, metrics, calibration, subgroups, versions."
    scores = "Label, verdict, probability and logit of every patch."
    return [
        ("Export report (HTML)", "report.html", "text/html", report, lambda: report_html(_report(context))),
        ("Export model card (text)", "card.md", "text/markdown", card, lambda: model_card_markdown(_report(context))),
        ("Export model card (HTML)", "card.html", "text/html", card, lambda: model_card_html(_report(context))),
        (
            "Export predictions (CSV)", "predictions.csv", "text/csv", scores,
            lambda: scores_csv(context.scored, context.dataset, context.threshold),
        ),
    ]  # fmt: skip


def _threshold(context: EvaluationContext) -> None:
    own = context.predictor.bundle.card.threshold
    st.markdown(
        f"The threshold above is **{context.threshold:.4f}**, the model's own is {own:.4f}. A copy of the bundle keeps "
        "the threshold above, for Predict and for the command line."
    )
    if context.threshold == own:
        st.caption("Move the threshold above to save a copy with it here.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", f"{context.predictor.bundle.card.name}-at-{context.threshold:.3f}", width=320)
        reason = f"chosen by hand on {context.dataset.name}, {context.scored.description}."
        try:
            bundle = with_threshold(context.predictor.bundle, context.threshold, name=name, reason=reason)
        except BundleError as error:
            st.warning(str(error))
            return
        file_name = f"{file_stem(name)}.safetensors"
        widgets.export("Export bundle", bundle.to_bytes, file_name, "application/octet-stream")
        st.button(
            "Save on this computer", icon=":material/save:", on_click=layout.attempt, args=(save_new, bundle, name),
            kwargs={"done": lambda path: f"Saved as {path}"},
            help=f"Saves it in {bundles_home()}. The sidebar and Compare then list it.",
        )  # fmt: skip
