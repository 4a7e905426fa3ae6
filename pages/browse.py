"""Browse: look at labelled patches, find and clean them, see how the classes are balanced and what was left out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from core.data import CENTRE, Dataset
from core.data.check import FLAGS, partners
from core.data.quality import MEASURES
from core.display import enlarge, mosaic, to_png, with_centre_box, with_scale_bar
from pages._ui import browse_basket, browse_charts, browse_filter, browse_tools, cache, frame, state, widgets

SHOW = {"both": "Tumour and normal", "tumour": "Tumour", "normal": "Normal", "all": "All, mixed"}


@dataclass(frozen=True)
class Grid:
    """One grid of patches: its heading and the rows of the table that it pages through."""

    heading: str
    rows: np.ndarray


def main() -> None:
    dataset = frame.dataset()
    widgets.title("Browse", dataset=dataset)
    if not len(dataset):
        st.info("This data set holds no patches. Choose another one in the sidebar, or go back to the synthetic demo.")
        return
    view = st.segmented_control(
        "View", list(VIEWS), default="Patches", key=state.BROWSE_VIEW, bind="query-params", required=True,
        label_visibility="collapsed",
    )  # fmt: skip
    VIEWS[str(view or "Patches")](dataset)


def _patches(dataset: Dataset) -> None:
    _balance(dataset)
    _problems(dataset)
    checked = browse_tools.found(dataset)
    browse_tools.draw(dataset, checked)
    if checked is not None:
        browse_charts.draw_distributions(dataset, checked[1])
    show, columns, per_grid, boxes = _controls()
    grids = _grids(dataset, show, browse_filter.chosen(dataset, None if checked is None else checked[1]))
    page = _paging(max(1, *(-(-len(grid.rows) // per_grid) for grid in grids)))
    _basket(dataset, [grid.rows[(page - 1) * per_grid : page * per_grid] for grid in grids])
    for grid in grids:
        _draw(dataset, grid, checked, page=page, per_grid=per_grid, columns=columns, boxes=boxes)


def _balance(dataset: Dataset) -> None:
    table = dataset.table
    counts = {name: int((table["label"] == label).sum()) for label, name in enumerate(("normal", "tumour"))}
    counts["no label"] = int(table["label"].isna().sum())
    labelled = counts["normal"] + counts["tumour"]
    figures, chart = st.columns([3, 4], vertical_alignment="center")
    with figures, st.container(horizontal=True, gap="large"):
        st.metric("Patches", f"{len(table):,}", width="content")
        for name in ("tumour", "normal"):
            st.metric(name.capitalize(), f"{counts[name]:,}", help=_share(counts[name], labelled), width="content")
    with chart:
        st.plotly_chart(
            browse_charts.balance(counts, labelled), config=widgets.CHART, key="balance", alt="Class balance"
        )
    slides = table["slide"].nunique()
    known = f"{slides} slides" if slides else "slides unknown, so that a random split is optimistic"
    unlabelled = f" · {counts['no label']:,} without label" if counts["no label"] else ""
    st.caption(
        f"{dataset.name} · {known}{unlabelled} · patches of 96×96 pixels, about {widgets.PATCH_MICROMETRES} µm wide"
    )


def _share(count: int, labelled: int) -> str:
    return f"{count / labelled:.1%} of {labelled:,} labelled patches" if labelled else "No patch has a label"


def _basket(dataset: Dataset, shown: list[np.ndarray]) -> None:
    names = list(dataset.table["id"].iloc[np.concatenate(shown)])
    st.button(
        f"Put these {len(names)} into the basket", icon=":material/add_shopping_cart:", disabled=not names,
        on_click=browse_basket.put, args=(dataset.source, names),
        help="The patches on this page; press a single patch to put only that one in.",
    )  # fmt: skip
    browse_basket.draw(dataset)


def _problems(dataset: Dataset) -> None:
    if dataset.problems:
        with st.expander(f"{len(dataset.problems)} left out", icon=":material/warning:"):
            listed = [(problem.name, problem.reason) for problem in dataset.problems[:500]]
            st.dataframe(pd.DataFrame(listed, columns=["what", "why"]), hide_index=True)
            browse_basket.draw_excluded(dataset)


def _controls() -> tuple[str, int, int, bool]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        show = st.segmented_control(
            "Show", list(SHOW), format_func=SHOW.__getitem__, default="both", key=state.SHOW, bind="query-params",
            required=True,
        )  # fmt: skip
        rows = st.number_input("Rows", 1, 30, 6, key=state.ROWS, bind="query-params", width=110)
        columns = st.number_input("Columns", 3, 30, 15, key=state.COLUMNS, bind="query-params", width=110)
        boxes = st.toggle(
            "Centre box", key=state.BOXES, bind="query-params",
            help="The label says whether there is tumour in the centre 32×32 pixels; the rim is context only.",
        )  # fmt: skip
        st.button(
            "Shuffle", icon=":material/shuffle:", on_click=_shuffle, help="Show the patches in another random order"
        )
        if _shuffle_seed():
            st.button("In order", icon=":material/sort:", on_click=_in_order)
        st.button("Reload", icon=":material/refresh:", on_click=cache.forget_dataset, args=(frame.data_source(),),
                  help="Open the folder again, if its files have changed")  # fmt: skip
    return str(show or "both"), int(columns), int(rows * columns), bool(boxes)


def _shuffle_seed() -> int:
    """Return the seed of the random order, from the address; 0 is the order of the table."""
    given = str(st.query_params.get(state.SHUFFLE_SEED, "0"))
    return int(given) if given.isdigit() else 0


def _shuffle() -> None:
    st.query_params[state.SHUFFLE_SEED] = str(_shuffle_seed() + 1)
    st.session_state[state.PAGE] = 1


def _in_order() -> None:
    st.query_params.pop(state.SHUFFLE_SEED, None)
    st.session_state[state.PAGE] = 1


def _grids(dataset: Dataset, show: str, rows: np.ndarray) -> list[Grid]:
    label = dataset.table["label"].fillna(-1).to_numpy(np.int64)[rows]
    tumour = Grid("Tumour in the centre: solid red outline", rows[label == 1])
    normal = Grid("No tumour in the centre: dashed green outline", rows[label == 0])
    everything = Grid("All patches: tumour solid red, normal dashed green, unlabelled plain", rows)
    chosen = {"both": [tumour, normal], "tumour": [tumour], "normal": [normal], "all": [everything]}[show]
    if show == "both" and not len(tumour.rows) and not len(normal.rows):
        chosen = [everything]
    seed = _shuffle_seed()
    if not seed:
        return chosen
    return [Grid(grid.heading, np.random.default_rng(seed).permutation(grid.rows)) for grid in chosen]


def _paging(pages: int) -> int:
    if state.PAGE in st.session_state:
        st.session_state[state.PAGE] = min(max(1, int(st.session_state[state.PAGE])), pages)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        page = int(st.number_input("Page", 1, pages, key=state.PAGE, bind="query-params", width=140))
        st.button("Previous", icon=":material/chevron_left:", disabled=page <= 1, on_click=_turn, args=(-1, pages))
        st.button("Next", icon=":material/chevron_right:", disabled=page >= pages, on_click=_turn, args=(1, pages))
        st.caption(f"of {pages:,} pages")
    return page


def _turn(by: int, pages: int) -> None:
    st.session_state[state.PAGE] = min(max(1, int(st.session_state.get(state.PAGE, 1)) + by), pages)


def _draw(
    dataset: Dataset,
    grid: Grid,
    checked: browse_tools.Found | None,
    *,
    page: int,
    per_grid: int,
    columns: int,
    boxes: bool,
) -> None:
    rows = grid.rows[(page - 1) * per_grid : page * per_grid]
    st.markdown(f"**{grid.heading}** · {len(grid.rows):,} patches")
    if not len(rows):
        st.caption("No more patches on this page." if len(grid.rows) else "None that fit.")
        return
    loaded = dataset.store.load(rows)
    table = dataset.table.iloc[rows]
    labels = [None if pd.isna(label) else int(label) for label in table["label"]]
    picture = mosaic(loaded.pixels, labels, columns=columns, background=widgets.background(), centre_boxes=boxes)
    hover = [
        f"{row.id}<br>{widgets.label_name(label)}"
        + ("" if pd.isna(row.slide) else f"<br>slide {row.slide}")
        + "".join(f"<br>{flag}" for flag in _flags(checked, int(number)))
        for number, row, label in zip(rows, table.itertuples(), labels, strict=True)
    ]
    clicked = widgets.gallery(picture, hover, key=f"grid-{grid.heading}-{page}-{rows[0]}-{len(rows)}-{columns}")
    if loaded.unreadable:
        st.warning(
            f"{len(loaded.unreadable)} patches of this page could not be read: {next(iter(loaded.unreadable.values()))}"
        )
    if clicked is not None:
        _detail(dataset, int(rows[clicked]), loaded.pixels[clicked], checked)


def _flags(checked: browse_tools.Found | None, row: int) -> list[str]:
    return [] if checked is None else [name for name in FLAGS if checked[1][name].iat[row]]


@st.dialog("Patch", width="medium", on_dismiss=widgets.forget_click)
def _detail(dataset: Dataset, row: int, patch: np.ndarray, checked: browse_tools.Found | None) -> None:
    entry = dataset.table.iloc[row]
    label = None if pd.isna(entry["label"]) else int(entry["label"])
    picture, facts = st.columns([3, 2])
    zoom = 4
    enlarged = with_scale_bar(with_centre_box(enlarge(patch, zoom), zoom=zoom), zoom=zoom)
    picture.image(to_png(enlarged), alt="The patch, enlarged four times")
    picture.caption("96×96 pixels, enlarged four times; the box is the labelled centre 32×32")
    with facts:
        st.markdown(f"**{widgets.label_name(label).capitalize()}**")
        st.code(entry["id"], language=None, wrap_lines=True)
        if not pd.isna(entry["slide"]):
            st.markdown(f"Slide {entry['slide']}")
        st.markdown(f"Part: {entry['split']}")
        if dataset.masks is not None:
            share = float(np.asarray(dataset.masks[row])[CENTRE, CENTRE].mean())
            st.markdown(f"Tumour in the centre: {share:.0%} of its pixels (known for the demo)")
        if checked is not None:
            _measured(checked, row, str(entry["id"]))
        if entry["id"] in browse_basket.ids(dataset.source):
            st.button("Take out of the basket", on_click=_basket_click, args=("take", dataset.source, entry["id"]))
        else:
            st.button("Put into the basket", on_click=_basket_click, args=("put", dataset.source, entry["id"]))
        st.download_button(
            "PNG", to_png(patch), file_name=f"{entry['id']}.png", mime="image/png", icon=":material/download:"
        )


def _measured(checked: browse_tools.Found, row: int, patch_id: str) -> None:
    check, table = checked
    for flag in _flags(checked, row):
        st.markdown(f":material/flag: **{flag}**: {FLAGS[flag]}")
    others = partners(check, patch_id)
    if others:
        st.caption("The others: " + ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else ""))
    st.caption(" · ".join(f"{name} {table[name].iat[row]:.3g}" for name in MEASURES))


def _basket_click(what: str, source: str, patch_id: str) -> None:
    if what == "put":
        browse_basket.put(source, [patch_id])
    else:
        browse_basket.take(source, patch_id)
    widgets.forget_click()


VIEWS: dict[str, Callable[[Dataset], None]] = {
    "Patches": _patches,
}
"""What the page can show of a data set, each drawn by a function that is given it."""


frame.show(main)
