"""Predict: saliency maps, how they are drawn, and checks of how far to trust them."""

import io
from functools import partial

import numpy as np
import streamlit as st

from core.attribution import METHODS, Attribution, AttributionOptions
from core.attribution.options import Baseline
from core.display import SERIES, enlarge, to_png, with_centre_box
from core.formatting import percent
from core.prediction import Predictor
from core.prediction.result import PatchResult
from core.reports.chart_theme import REFERENCE, empty_chart
from core.reports.checks import Check
from core.reports.map_settings import OverlaySettings, Sign
from core.reports.prediction import PredictionReport, ShownMap
from core.stain import METHODS as STAIN_METHODS
from pages._ui import results, state, widgets
from pages._ui.predict import stains
from pages._ui.predict.exports import Exports
from pages._ui.predict.stains import StainView
from pages._ui.predict.upload import Chosen

ZOOM = 4
BASELINES: list[Baseline] = ["white", "blur", "black"]
SIGNS: dict[Sign, str] = {
    "own": "as the method defines it",
    "absolute": "size only",
    "positive": "towards tumour only",
    "signed": "towards and against tumour",
}


def controls(predictor: Predictor) -> tuple[list[str], OverlaySettings, AttributionOptions, StainView | None]:
    """Draw the choices above the maps; return one to three methods, how they are made and drawn, and a stain view."""
    with st.container(key="methods"):
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
        overlay, options, view = _settings()
    return [method, *others], overlay, options, view


def _settings() -> tuple[OverlaySettings, AttributionOptions, StainView | None]:
    """Draw the popover with the settings of the pictures."""
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
        view = stains.controls()
    overlay = OverlaySettings(opacity=opacity, sign=sign, percentile=percentile, smoothing=smoothing, centre_box=box)
    return overlay, AttributionOptions(symmetries=symmetries, baseline=baseline), view


def draw(
    predictor: Predictor, chosen: Chosen, names: list[str], overlay: OverlaySettings, options: AttributionOptions
) -> list[Attribution]:
    """Draw the patch and a map of it by each method, side by side; return the attributions."""
    seen = predictor.seen(chosen.decoded.pixels)
    made = []
    with st.container(key="maps"):
        first, *columns = st.columns(1 + len(names))
        with first:
            _patch(predictor, chosen, seen, box=overlay.centre_box)
        for column, name in zip(columns, names, strict=True):
            with column:
                st.markdown(f"**{METHODS[name].label}**")
                # The bar takes a place while the map is made; without a gap, that leaves no trace afterwards.
                with st.container(gap=None):
                    attribution = results.attribution(predictor, chosen.decoded.pixels, name, options)
                    st.image(to_png(overlay.draw(attribution, seen, zoom=ZOOM)), alt=f"{_label(name)} map")
                empty = " This map is empty: the method found nothing." if not attribution.values.any() else ""
                st.caption(f"{METHODS[name].help}{empty}")
            made.append(attribution)
    # Most methods share a legend, which is said once then.
    legends: dict[str, list[str]] = {}
    for each in made:
        legends.setdefault(overlay.legend(each), []).append(_label(each.method))
    sentences = [
        legend if len(legends) == 1 else f"{', '.join(methods)}: {legend}" for legend, methods in legends.items()
    ]
    st.caption(" ".join([*sentences, "The box is the centre that the probability is about."]))
    return made


def _patch(predictor: Predictor, chosen: Chosen, seen: np.ndarray, *, box: bool) -> None:
    """Draw the patch as the model sees it."""
    shown = enlarge(seen, ZOOM)
    st.markdown("**What the model sees**")
    shown = with_centre_box(shown, zoom=ZOOM) if box else shown
    widgets.scaled_patch(shown, key="seen", alt="The patch, enlarged four times")
    st.caption(f"{chosen.name} · 96×96 pixels, about 93 µm wide if scanned at 0.97 µm per pixel.")
    stain = predictor.bundle.card.stain
    if stain is not None:
        st.caption(
            f":material/info: Its stains are normalised by {STAIN_METHODS[stain.method]}, as the model was trained."
        )
    for note in chosen.decoded.notes:
        st.caption(f":material/info: {note}")


def not_offered(predictor: Predictor) -> None:
    """Draw the methods that are not valid for this network, each with the reason."""
    reasons = results.excluded(predictor)
    if reasons:
        count = len(reasons)
        with st.expander(f"Why {count} other method{' is' if count == 1 else 's are'} not available"):
            for name, reason in reasons.items():
                st.markdown(f"**{_label(name)}.** {reason}")


def trust(predictor: Predictor, chosen: Chosen, made: list[Attribution], options: AttributionOptions) -> list[ShownMap]:
    """Draw the checks of the maps, each question once; return the maps with their checks, for the report."""
    pixels = chosen.decoded.pixels
    several = len(made) > 1
    with st.expander(f"How far to trust {'these maps' if several else 'this map'}", expanded=True):
        st.caption("A saliency map shows what influenced the model, not where tumour is.")
        place = st.container()
        checks = [results.quick(predictor, pixels, each, options) for each in made]
        known = [results.thorough(predictor, pixels, each, options, compute=False) for each in made]
        if None in known and st.button(
            "Run all checks", icon=":material/query_stats:",
            help="Deletion and insertion, sensitivity to noise, and the map of a network with random weights. This "
            "takes some seconds for each map, and longer for slow methods.",
        ):  # fmt: skip
            known = [results.thorough(predictor, pixels, each, options, compute=True) for each in made]
        all_checks = [(*quick, *(more or ())) for quick, more in zip(checks, known, strict=True)]
        with place:
            _checks([_label(each.method) for each in made], all_checks)
    return [
        ShownMap(each, tuple((check.question, check.sentence) for check in found))
        for each, found in zip(made, all_checks, strict=True)
    ]


def _checks(labels: list[str], checks: list[tuple[Check, ...]]) -> None:
    """Draw each question once, and below it what was found for each map; the same for all is said once too."""
    questions = {check.name: check for found in checks for check in found}
    for name, about in questions.items():
        st.markdown(f"**{about.question}** :gray[({about.term})]")
        sentences = [next((check.sentence for check in found if check.name == name), None) for found in checks]
        if len(set(sentences)) == 1:
            st.markdown(about.sentence)
            continue
        for column, label, sentence in zip(st.columns(len(checks)), labels, sentences, strict=True):
            column.markdown(f"{label}: {sentence or 'does not apply to this method.'}")
    for column, label, found in zip(st.columns(len(checks)), labels, checks, strict=True):
        with column:
            _curves(label, found)


def _curves(label: str, checks: tuple[Check, ...]) -> None:
    curves = [check.curve for check in checks if check.curve is not None]
    if not curves:
        return
    st.markdown(f"**{label}: deletion and insertion**")
    figure = empty_chart(x="share of pixels deleted or inserted", y="probability", height=220, legend="above")
    for curve, colour, dash in zip(curves, SERIES, ("solid", "dash"), strict=False):
        figure.add_scatter(
            x=curve.fractions, y=curve.probabilities, mode="lines", name=curve.kind,
            line={"color": colour, "dash": dash}, text=[percent(value) for value in curve.probabilities],
            hovertemplate="%{x:.0%} of the pixels: %{text}<extra></extra>",
        )  # fmt: skip
    figure.add_hline(y=0.5, line=REFERENCE)
    figure.update_xaxes(tickformat=".0%").update_yaxes(range=[0, 1])
    st.plotly_chart(figure, config=widgets.CHART, key=f"curves-{label}", alt="Deletion and insertion curves")


def add_exports(
    exports: Exports,
    predictor: Predictor,
    chosen: Chosen,
    prediction: PatchResult,
    maps: list[ShownMap],
    overlay: OverlaySettings,
    options: AttributionOptions,
) -> None:
    """Offer the report of the patch, and picture and values of each map."""
    stem = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in chosen.name.rsplit(".", 1)[0])
    report = PredictionReport(
        name=chosen.name, result=prediction, bundle=predictor.bundle, maps=tuple(maps), overlay=overlay,
        notes=chosen.decoded.notes, label=chosen.label_words,
        settings=options.to_json(),
    )  # fmt: skip
    exports.add(
        "Report of this patch", report.to_html, f"{stem}.html", "text/html", icon="description",
        help="One HTML file with patch, maps, checks, model and settings.",
    )  # fmt: skip
    for item in maps:
        method = item.attribution.method
        exports.add(
            f"{_label(method)} as picture", partial(_picture, item, prediction.pixels, overlay),
            f"{stem}-{method}.png", "image/png", icon="image",
        )  # fmt: skip
        exports.add(
            f"{_label(method)} as values", partial(_values, item), f"{stem}-{method}.npy", "application/octet-stream",
            icon="data_array", help="The signed attribution, float32 3×96×96, for numpy.load.",
        )  # fmt: skip


def _picture(item: ShownMap, pixels: np.ndarray, overlay: OverlaySettings) -> bytes:
    return to_png(overlay.draw(item.attribution, pixels, zoom=ZOOM))


def _values(item: ShownMap) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, item.attribution.values)
    return buffer.getvalue()


def _label(name: str) -> str:
    return METHODS[name].label
