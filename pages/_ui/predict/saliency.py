"""Predict: saliency maps, how they are drawn, and checks of how far to trust them."""

import io
from collections.abc import Sequence

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.attribution import METHODS, Attribution, AttributionOptions
from core.attribution.options import Baseline
from core.display import SERIES, enlarge, to_png, with_centre_box, with_scale_bar
from core.formatting import RESEARCH_ONLY, percent
from core.prediction import Predictor
from core.prediction.result import PatchResult
from core.reports.chart_theme import REFERENCE, empty_chart
from core.reports.checks import Check
from core.reports.map_settings import OverlaySettings, Sign
from core.reports.prediction import PredictionReport, ShownMap
from pages._ui import results, state, widgets
from pages._ui.predict.upload import Chosen

ZOOM = 4
BASELINES: list[Baseline] = ["white", "blur", "black"]
SIGNS: dict[Sign, str] = {
    "own": "as the method defines it",
    "absolute": "size only",
    "positive": "towards tumour only",
    "signed": "towards and against tumour",
}


def controls(predictor: Predictor) -> tuple[list[str], OverlaySettings, AttributionOptions]:
    """Draw the choices above the maps; return one to three methods and how they are made and drawn."""
    first, second, third = st.columns([3, 3, 2], vertical_alignment="bottom")
    valid = results.methods(predictor)
    method = first.selectbox(
        "Attribution method", valid, format_func=_label, key=state.METHOD, bind="query-params",
        help="How the saliency map is made. Start with the first one and compare it with a different one, such as "
        "Occlusion: trust what both mark more. Each map has a sentence on its method below.",
    )  # fmt: skip
    others = second.multiselect(
        "Compare with", [name for name in valid if name != method], format_func=_label,
        max_selections=2, key=state.BESIDE, bind="query-params", placeholder="up to two more methods",
    )  # fmt: skip
    with third:
        overlay, options = settings()
    return [method, *others], overlay, options


def settings() -> tuple[OverlaySettings, AttributionOptions]:
    """Draw the popover with the settings of the maps."""
    with st.popover("Overlay settings", icon=":material/tune:", width="stretch"):
        opacity = st.slider("Opacity", 0.0, 1.0, 0.6, 0.05, key=state.OPACITY, persist_state="session")
        box = st.toggle("Centre box", value=True, key=state.CENTRE_BOX, persist_state="session")
        sign = st.selectbox(
            "Show", list(SIGNS), format_func=SIGNS.__getitem__, key=state.SIGN, persist_state="session",
            help="With signs, red is towards tumour and blue against it.",
        )  # fmt: skip
        percentile = st.slider(
            "Full colour from percentile", 90.0, 100.0, 99.0, 0.5, key=state.PERCENTILE, persist_state="session",
            help="Values above this percentile are clipped: a few outliers would leave the rest dark.",
        )  # fmt: skip
        smoothing = st.slider(
            "Smoothing (Gaussian, pixels)", 0.0, 8.0, 0.0, 0.5, key=state.SMOOTH, persist_state="session"
        )
        symmetries = st.toggle(
            "Average over the eight flips and rotations", key=state.SYMMETRIES, persist_state="session",
            help="The map is smoother and takes eight times as long.",
        )  # fmt: skip
        baseline = st.selectbox(
            "Baseline", BASELINES, key=state.BASELINE,
            persist_state="session", help="What an empty patch looks like, for methods that compare with one, such as "
            "Integrated Gradients.",
        )  # fmt: skip
    overlay = OverlaySettings(opacity=opacity, sign=sign, percentile=percentile, smoothing=smoothing, centre_box=box)
    return overlay, AttributionOptions(symmetries=symmetries, baseline=baseline)


def patch(chosen: Chosen, *, box: bool) -> None:
    """Draw the patch as the model sees it."""
    shown = with_scale_bar(enlarge(chosen.decoded.pixels, ZOOM), zoom=ZOOM)
    st.markdown("**What the model sees**")
    st.image(to_png(with_centre_box(shown, zoom=ZOOM) if box else shown), alt="The patch, enlarged four times")
    st.caption(
        f"{chosen.name} · 96×96 pixels, about {widgets.PATCH_MICROMETRES} µm wide if it was scanned at 0.97 µm per "
        "pixel. The box is the centre that the probability is about."
    )
    for note in chosen.decoded.notes:
        st.caption(f":material/info: {note}")


def draw(
    predictor: Predictor,
    chosen: Chosen,
    names: list[str],
    overlay: OverlaySettings,
    options: AttributionOptions,
    columns: Sequence[DeltaGenerator],
) -> list[Attribution]:
    """Draw a map in each column; return the attributions."""
    made = []
    for column, name in zip(columns, names, strict=True):
        with column:
            with st.container():  # keeps a place for the bar, so that what follows does not move
                attribution = results.attribution(predictor, chosen.decoded.pixels, name, options)
            st.markdown(f"**{METHODS[name].label}**")
            st.image(to_png(overlay.draw(attribution, chosen.decoded.pixels, zoom=ZOOM)), alt=f"{_label(name)} map")
            empty = " This map is empty: the method found nothing." if not attribution.values.any() else ""
            st.caption(f"{METHODS[name].help} {overlay.legend(attribution)}{empty}")
        made.append(attribution)
    return made


def not_offered(predictor: Predictor) -> None:
    """Draw the methods that are not valid for this network, each with the reason."""
    reasons = results.excluded(predictor)
    if reasons:
        count = len(reasons)
        with st.expander(f"Why {count} other method{' is' if count == 1 else 's are'} not available"):
            for name, reason in reasons.items():
                st.markdown(f"**{_label(name)}.** {reason}")


def trust(predictor: Predictor, chosen: Chosen, made: list[Attribution], options: AttributionOptions) -> list[ShownMap]:
    """Draw the checks of the maps; return the maps with their checks, for the report."""
    shown = []
    with st.expander("How far to trust this map", expanded=True):
        st.caption("A saliency map shows what influenced the model, not where tumour is.")
        for column, attribution in zip(st.columns(len(made)), made, strict=True):
            with column:
                if len(made) > 1:
                    st.markdown(f"**{_label(attribution.method)}**")
                checks = results.quick(predictor, chosen.decoded.pixels, attribution, options)
                known = results.thorough(predictor, chosen.decoded.pixels, attribution, options, compute=False)
                if known is None:
                    _checks(checks)
                    clicked = st.button(
                        "Run all checks", key=f"measure-{attribution.method}", icon=":material/query_stats:",
                        help="Deletion and insertion, sensitivity to noise, and the map of a network with random "
                        "weights. This takes some seconds, and longer for slow methods.",
                    )  # fmt: skip
                    if clicked:
                        known = results.thorough(predictor, chosen.decoded.pixels, attribution, options, compute=True)
                        _checks(known or ())
                else:
                    _checks((*checks, *known))
                _curves(attribution.method, known or ())
            everything = (*checks, *(known or ()))
            shown.append(ShownMap(attribution, tuple((check.question, check.sentence) for check in everything)))
    return shown


def _checks(checks: tuple[Check, ...]) -> None:
    for check in checks:
        st.markdown(f"**{check.question}** :gray[({check.term})]  \n{check.sentence}")


def _curves(method: str, checks: tuple[Check, ...]) -> None:
    curves = [check.curve for check in checks if check.curve is not None]
    if not curves:
        return
    figure = empty_chart(x="share of pixels deleted or inserted", y="probability", height=220, legend="above")
    for curve, colour, dash in zip(curves, SERIES, ("solid", "dash"), strict=False):
        figure.add_scatter(
            x=curve.fractions, y=curve.probabilities, mode="lines", name=curve.kind,
            line={"color": colour, "dash": dash}, text=[percent(value) for value in curve.probabilities],
            hovertemplate="%{x:.0%} of the pixels: %{text}<extra></extra>",
        )  # fmt: skip
    figure.add_hline(y=0.5, line=REFERENCE)
    figure.update_xaxes(tickformat=".0%").update_yaxes(range=[0, 1])
    st.plotly_chart(figure, config=widgets.CHART, key=f"curves-{method}", alt="Deletion and insertion curves")


def downloads(
    predictor: Predictor,
    chosen: Chosen,
    prediction: PatchResult,
    maps: list[ShownMap],
    overlay: OverlaySettings,
    options: AttributionOptions,
) -> None:
    """Draw the buttons that export the result."""
    stem = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in chosen.name.rsplit(".", 1)[0])
    report = PredictionReport(
        name=chosen.name, result=prediction, bundle=predictor.bundle, maps=tuple(maps), overlay=overlay,
        notes=chosen.decoded.notes, label=chosen.label_words,
        settings=options.to_json(),
    )  # fmt: skip
    with st.container(horizontal=True):
        widgets.export(
            "Export report", report.to_html, f"{stem}.html", "text/html", icon="description",
            help=f"One HTML file with patch, maps, checks, model and settings. {RESEARCH_ONLY}",
        )  # fmt: skip
        for item in maps:
            method, values = item.attribution.method, io.BytesIO()
            np.save(values, item.attribution.values)
            label = f" {_label(method)}" if len(maps) > 1 else ""
            picture = to_png(overlay.draw(item.attribution, chosen.decoded.pixels, zoom=ZOOM))
            widgets.export(f"Export map{label}", picture, f"{stem}-{method}.png", "image/png", icon="image")
            widgets.export(
                f"Export values{label}", values.getvalue(), f"{stem}-{method}.npy", "application/octet-stream",
                icon="data_array", help="The signed attribution, float32 3×96×96, for numpy.load.",
            )  # fmt: skip


def _label(name: str) -> str:
    return METHODS[name].label
