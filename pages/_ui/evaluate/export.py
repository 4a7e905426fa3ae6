"""Evaluate: everything to take away."""

from collections.abc import Callable

import streamlit as st

from core.bundle import Bundle
from core.bundle.rethreshold import bundle_file, bundles_home, file_stem, save_new, with_threshold
from core.errors import BundleError, NodescopeError
from core.reports.evaluation import EvaluationReport, model_card_html, model_card_markdown, report_html
from core.scoring.store import scores_csv
from pages._ui import state
from pages._ui.evaluate import audits, kaggle, subgroups
from pages._ui.evaluate.context import PICTURE, Scene


def draw(scene: Scene) -> None:
    """Draw the view."""
    st.markdown("#### This evaluation")
    with st.container(horizontal=True):
        for label, kind, text, make in _files(scene):
            name = f"nodescope-{scene.predictor.bundle.digest}-{kind}"
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
    _threshold(scene)
    kaggle.draw(scene)


def _report(scene: Scene) -> EvaluationReport:
    return EvaluationReport(
        bundle=scene.predictor.bundle,
        dataset=scene.dataset,
        scored=scene.scored,
        evaluation=scene.evaluation(),
        slices=subgroups.every(scene),
        audit=audits.audit(scene),
        leak=audits.leak(scene.dataset.source),
    )


def _files(scene: Scene) -> list[tuple[str, str, str, Callable[[], str]]]:
    """Return label, end of the file name, help and content of everything that can be taken away."""
    return [
        (
            "Report (HTML)",
            "report.html",
            "Figures, plots, slices and checks in one file that needs no network; about 5 MB.",
            lambda: report_html(_report(scene)),
        ),
        (
            "Model card (Markdown)",
            "card.md",
            "Data, split, intended use, limits, figures, calibration, slices, versions.",
            lambda: model_card_markdown(_report(scene)),
        ),
        ("Model card (HTML)", "card.html", "The same as a page.", lambda: model_card_html(_report(scene))),
        (
            "Predictions (CSV)",
            "predictions.csv",
            "Label, verdict, probability and logit of every patch.",
            lambda: scores_csv(scene.scored, scene.dataset, scene.threshold),
        ),
    ]


def _threshold(scene: Scene) -> None:
    own = scene.predictor.bundle.card.threshold
    st.markdown(
        f"The threshold above is **{scene.threshold:.4f}**, the model's own is {own:.4f}. A copy of the bundle with "
        "the new one decides like this everywhere: under Predict and on the command line."
    )
    if scene.threshold == own:
        st.caption("Move the threshold first, and a copy with it can be saved here.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", f"{scene.predictor.bundle.card.name}-at-{scene.threshold:.3f}", width=320)
        try:
            bundle = _copy(scene, name)
        except BundleError as error:
            st.warning(str(error))
            return
        st.download_button(
            "Download it", lambda: bundle_file(bundle), f"{file_stem(name)}.safetensors",
            icon=":material/download:", on_click="ignore", key="bundle_download",
        )  # fmt: skip
        st.button(
            "Save it on this computer", icon=":material/save:", on_click=_save, args=(bundle, name),
            help=f"Into {bundles_home()}; it can be compared with under Compare.",
        )  # fmt: skip


def _copy(scene: Scene, name: str) -> Bundle:
    reason = f"chosen by hand on {scene.dataset.name}, {scene.scored.part}."
    return with_threshold(scene.predictor.bundle, scene.threshold, name=name, reason=reason)


def _save(bundle: Bundle, name: str) -> None:
    try:
        path = save_new(bundle, name)
    except NodescopeError as error:
        st.session_state[state.NOTICE] = str(error)
        return
    st.session_state[state.NOTICE] = f"Saved as {path}"
