"""Browse: how the classes are balanced, overall, by split and by slide, and how they differ in appearance.

A click on a bar filters the patches below.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
import streamlit as st

from core.data import Dataset
from core.data.slides import slides_advice
from core.display import CLASS_COLOURS, MUTED
from core.reports.chart_theme import INVISIBLE, empty_chart
from pages._ui import state, widgets
from pages._ui.browse import filters, grid
from pages._ui.browse.columns import LOSS, PROBABILITY, PatchColumns, patch_columns
from pages._ui.browse.filters import Range
from pages._ui.component import sent

MEANS = {
    "brightness": "mean grey level, 0 black to 255 white",
    "contrast": "standard deviation of the grey levels",
    "sharpness": "fine detail (Laplacian) in units of the contrast",
    "haematoxylin": "mean optical density of the dye that stains nuclei blue-violet",
    "eosin": "mean optical density of the dye that stains the rest pink",
    PROBABILITY: "calibrated probability of tumour by the model in the sidebar",
    LOSS: "log loss in nats; 0 is right and certain, larger is more wrong",
}
CLASSES = ((1, "tumour"), (0, "normal"), (-1, "no label"))
COLOURS = {1: CLASS_COLOURS[1], 0: CLASS_COLOURS[0], -1: MUTED}
PATTERNS = {1: "", 0: "/", -1: "."}
BINS = 60
MOST_SLIDES = 400
"""Most slides in the chart: of more, a bar is narrower than a pixel or two and cannot be clicked."""


def draw(dataset: Dataset) -> None:
    """Draw how the classes are balanced and how they differ, and below the patches that were clicked."""
    patches = patch_columns(dataset)
    counts = counted(patches.fixed.label)
    _overall(counts)
    chips = st.container()  # beside the charts that are clicked, although the filter is drawn later
    by_split, by_group_of = st.columns([3, 6])
    with by_split:
        _by_split(patches)
    with by_group_of:
        _by_group(patches)
    _distributions(patches)
    st.markdown("#### Matching patches")
    grid.draw(dataset, chips=chips)


def counted(label: npt.NDArray[np.int8]) -> dict[str, int]:
    """Return how many patches there are of each class and without a label."""
    return {name: int((label == number).sum()) for number, name in CLASSES}


def _overall(counts: dict[str, int]) -> None:
    labelled = counts["tumour"] + counts["normal"]
    numbers, chart = st.columns(2, vertical_alignment="center")
    with numbers, st.container(horizontal=True, gap="medium"):
        st.metric("Patches", f"{sum(counts.values()):,}", width="content")
        for name in ("tumour", "normal"):
            st.metric(name.capitalize(), f"{counts[name]:,}", help=_share(counts[name], labelled), width="content")
        if counts["no label"]:
            st.metric("No label", f"{counts['no label']:,}", help="They are not in the bar beside.", width="content")
    with chart:
        st.plotly_chart(balance(counts, labelled), config=widgets.CHART, key="balance", alt="Class balance")


def _share(count: int, labelled: int) -> str:
    return f"{count / labelled:.1%} of {labelled:,} labelled patches." if labelled else "No patch has a label."


def balance(counts: dict[str, int], labelled: int) -> go.Figure:
    """Return one bar of all labelled patches, divided by class."""
    figure = empty_chart(height=64, barmode="stack", bargap=0.1, margin={"r": 0, "t": 6, "b": 6})
    for number, name in CLASSES[:2]:
        if counts[name]:
            figure.add_bar(
                x=[counts[name]], y=[""], orientation="h", name=name, marker_color=COLOURS[number],
                text=f"{name} {counts[name] / labelled:.1%}", textposition="inside", textangle=0,
                insidetextanchor="middle", hovertemplate=f"{name}: %{{x:,}} of {labelled:,} labelled<extra></extra>",
            )  # fmt: skip
    return figure.update_xaxes(visible=False).update_yaxes(visible=False)


def _by_split(patches: PatchColumns) -> None:
    fixed = patches.fixed
    st.markdown("**By split**", help="Click a bar to see its patches.")
    st.caption(f"As training divides them: {fixed.division}.")
    figure = by_group(fixed.label, fixed.split, fixed.split_names)
    figure.update_layout(showlegend=not fixed.groups)  # else the chart beside it has the legend
    _clickable(figure, "by_split", lambda place: filters.choose(state.IN_SPLIT, fixed.split_names[place]))


def _by_group(patches: PatchColumns) -> None:
    groups = patches.fixed.groups
    if not groups:
        st.markdown("**By slide**")
        st.info(
            "The slides of these patches are unknown, so a random split is optimistic: patches of one slide are in "
            f"training and in test. {slides_advice(patches.dataset)}",
            icon=":material/info:",
        )
        return
    by: str = next(iter(groups))
    if len(groups) > 1:
        if st.session_state.get(state.GROUP, by) not in groups:
            st.session_state[state.GROUP] = by
        by = widgets.choice("By", {name: f"By {name}" for name in groups}, key=state.GROUP, show_label=False)
    else:
        st.markdown(
            f"**By {by}**", help="Sorted by share of tumour, the largest first. Click a bar to see its patches."
        )
    codes, known = groups[by].codes, groups[by].names
    order = slide_order(patches.fixed.label, codes, len(known))[:MOST_SLIDES]
    # One place more than names: the code -1, unknown, is the last entry, and so gets the place -1, no bar.
    place = np.full(len(known) + 1, -1)
    place[order] = np.arange(len(order))
    names = [known[code] for code in order]
    figure = by_group(patches.fixed.label, place[codes], names)
    figure.update_xaxes(showticklabels=len(names) <= 60, tickangle=-60)
    _clickable(figure, f"by_{by}", lambda at: filters.choose(by, names[at]))
    unknown = int((codes < 0).sum())
    notes = [f"{len(known):,} {by}s"]
    notes += [f"the {MOST_SLIDES} with the largest share of tumour are shown"] if len(names) < len(known) else []
    notes += [f"the {by} of {unknown:,} patches is unknown"] if unknown else []
    st.caption(", ".join(notes) + ".")


def slide_order(label: npt.NDArray[np.int8], slide: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.int64]:
    """Return the slides by their share of tumour, the largest first; of equal ones the lower number."""
    known = (slide >= 0) & (label >= 0)
    total = np.bincount(slide[known], minlength=count)
    tumour = np.bincount(slide[known & (label == 1)], minlength=count)
    return np.argsort(-tumour / np.maximum(total, 1), kind="stable")


def by_group(
    label: npt.NDArray[np.int8], group: npt.NDArray[np.integer], names: list[str], *, height: int = 230
) -> go.Figure:
    """Return a stacked bar of the classes for each group; members of group -1 are excluded."""
    figure = empty_chart(y="patches", height=height, legend="above", click=True, barmode="stack", margin={"r": 0})
    totals = np.bincount(group[group >= 0], minlength=len(names))
    for number, name_of_class in CLASSES:
        counts = np.bincount(group[(group >= 0) & (label == number)], minlength=len(names))
        if counts.any():
            figure.add_bar(
                x=names, y=counts, name=name_of_class, marker_color=COLOURS[number],
                marker_pattern={"shape": PATTERNS[number], "size": 5, "solidity": 0.25},
                customdata=counts / np.maximum(totals, 1),
                hovertemplate="%{x}: %{y:,} " + name_of_class + " (%{customdata:.1%})<extra></extra>",
            )  # fmt: skip
    return figure.update_xaxes(type="category")


def _distributions(patches: PatchColumns) -> None:
    st.markdown("**Distribution by class**", help="Click a bin to see its patches, and another one to widen the range.")
    if not patches.columns:
        st.info(
            "Brightness, stain and sharpness are measured by the check. Start it under Quality.", icon=":material/info:"
        )
        return
    names = list(patches.columns)
    if st.session_state.get(state.MEASURE, names[0]) not in names:
        st.session_state[state.MEASURE] = names[0]
    options = {name: name.capitalize() for name in names}
    name = widgets.choice("Measure", options, key=state.MEASURE, show_label=False)
    values = patches.columns[name]
    # A patch that cannot be read is loaded as a white one, and would be a peak of its own.
    usable = np.isfinite(values) & ~patches.flags.get("unreadable", np.zeros(len(values), bool))
    limits = next((each for each in filters.ranges() if each.name == name), None)
    edges = bin_edges(values[usable])
    figure = distribution(values[usable], patches.fixed.label[usable], edges, name, limits=limits)

    _clickable(figure, f"distribution-{name}", lambda at: filters.cut(widened(name, edges, at, limits)))


def widened(name: str, edges: npt.NDArray[np.float64], at: int, limits: Range | None) -> Range:
    """Return the range of one bin, widened to an earlier range unless the bin lies in that."""
    low, high = float(edges[at]), float(edges[at + 1])
    if limits is None or (limits.low <= low and high <= limits.high):
        return Range(name, low, high)
    return Range(name, min(low, limits.low), max(high, limits.high))


def bin_edges(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the edges of the bins, from the smallest to the largest value."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    # If all values are equal, a bin still has a width, without which it could not be clicked.
    return np.linspace(low, max(high, low + 1e-6), BINS + 1)


def distribution(
    values: npt.NDArray[np.floating],
    label: npt.NDArray[np.int8],
    edges: npt.NDArray[np.float64],
    name: str,
    *,
    limits: Range | None = None,
) -> go.Figure:
    """Return the share of each class's patches in bins of a measure, as steps: tumour solid, normal dashed.

    An invisible bar over each bin takes the clicks.
    """
    figure = empty_chart(
        x=f"{name}: {MEANS[name]}", y="share of the class", height=240, legend="above", click=True, bargap=0,
        margin={"r": 0},
    )  # fmt: skip
    lines, top = [], 0.0
    for number, name_of_class in CLASSES:
        of_class = values[label == number]
        if not len(of_class):
            continue
        shares = np.histogram(of_class, edges)[0] / len(of_class)
        top = max(top, float(shares.max()))
        lines.append([f"{name_of_class} {share:.1%}" for share in shares])
        dash = {1: "solid", 0: "dash", -1: "dot"}[number]
        figure.add_scatter(
            # There is one edge more than bins; the repeated value draws the last step.
            x=edges, y=[*shares, shares[-1]], mode="lines", hoverinfo="skip",
            name=f"{name_of_class} ({len(of_class):,})", line={"shape": "hv", "dash": dash, "color": COLOURS[number]},
        )  # fmt: skip
    figure.add_bar(
        x=(edges[:-1] + edges[1:]) / 2, y=[top * 1.05] * BINS, width=np.diff(edges),
        marker={"color": MUTED, "opacity": 0},
        selected={"marker": {"opacity": 0.2}}, unselected=INVISIBLE, showlegend=False,
        text=["<br>".join(texts) for texts in zip(*lines, strict=True)] if lines else None, textposition="none",
        hovertemplate=f"{name} %{{x:.3g}}<br>%{{text}}<extra></extra>",
    )  # fmt: skip
    if limits is not None:
        figure.add_vrect(limits.low, limits.high, fillcolor=MUTED, opacity=0.25, line_width=0)
    return figure.update_yaxes(tickformat=".0%", range=[0, top * 1.05])


def _clickable(figure: go.Figure, name: str, on_click: Callable[[int], None]) -> None:
    """Draw bars that can be clicked; `on_click` gets the position of the bar."""
    key = f"{name}-{st.session_state.get(state.CLICKS, 0)}"

    def clicked() -> None:
        points = sent(key, "selection", "points")
        if points:
            on_click(int(points[0]["point_index"]))
            widgets.forget_click()

    st.plotly_chart(
        figure, config=widgets.CHART, key=key, on_select=clicked, selection_mode="points",
        alt=f"{name.replace('_', ' ').replace('-', ' of ')}, by class".capitalize(),
    )  # fmt: skip
