"""The grid of patches on the Browse page: what it shows, its pages, and the click on a patch."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.data import Dataset
from core.display import mosaic
from pages._ui import cache, layout, query_params, state, widgets
from pages._ui.browse import basket, detail, filters, predictions
from pages._ui.browse.columns import PatchColumns, patch_columns

IN_ADDRESS = (state.SHUFFLE_SEED, state.BOXES, state.RANGES, state.DETAIL)


@dataclass(frozen=True)
class Grid:
    """One grid of patches: its heading and the rows of the table that it pages through."""

    heading: str
    rows: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """How the grids are laid out.

    Attributes:
        show: one of :data:`filters.SHOW`.
        columns: patches in a row.
        per_grid: patches of a grid on a page.
        boxes: whether the labelled centre is marked.
    """

    show: str
    columns: int
    per_grid: int
    boxes: bool


def draw(dataset: Dataset, *, chips: DeltaGenerator | None = None) -> None:
    """Draw the filter, the grids and their pages, and the open patch; the chips of the filter go to `chips`."""
    patches = patch_columns(dataset)
    # BROWSE_HERE is the key of the Shuffle button: Streamlit forgets it as soon as a run does not draw the button.
    query_params.keep(IN_ADDRESS, came_back=state.BROWSE_HERE not in st.session_state)
    grid_layout = _controls()
    grids = _grids(patches, grid_layout.show, filters.chosen(patches, chips=chips))
    predictions.draw(dataset, patches.predicted)
    _go_to(patches, grids, grid_layout.per_grid)
    page = _paging(grids, grid_layout, dataset)
    basket.draw(patches)
    for grid in grids:
        _draw(patches, grid, page, grid_layout)
    detail.draw(patches, [grid.rows for grid in grids], per_page=grid_layout.per_grid)


def _controls() -> Layout:
    is_open = bool(query_params.read(state.DETAIL))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        show = widgets.choice("Show", filters.SHOW, key=state.SHOW)
        boxes = detail.box_button(key="grid_box", with_shortcut=not is_open)
        st.button(
            "Shuffle", icon=":material/shuffle:", on_click=_shuffle, key=state.BROWSE_HERE,
            help="Show the patches in another random order.",
        )  # fmt: skip
        if _shuffle_seed():
            st.button("Reset order", icon=":material/sort:", on_click=_in_order)
        with st.popover("Layout", icon=":material/grid_view:"):
            rows = st.number_input("Rows", 1, 30, 6, key=state.ROWS, bind="query-params")
            columns = st.number_input("Columns", 3, 30, 15, key=state.COLUMNS, bind="query-params")
            st.button("Reload", icon=":material/refresh:", on_click=cache.reload_dataset, args=(layout.data_source(),),
                      help="Read every file again, also where there is a pack, and use what changed.")  # fmt: skip
    return Layout(show, int(columns), int(rows * columns), boxes)


def _shuffle_seed() -> int:
    """Return the seed of the random order, from the address; 0 is the order of the table."""
    given = query_params.read(state.SHUFFLE_SEED)
    return (query_params.whole(given[0]) or 0) if given else 0


def _shuffle() -> None:
    query_params.write(state.SHUFFLE_SEED, [str(_shuffle_seed() + 1)])
    st.session_state[state.PAGE] = 1


def _in_order() -> None:
    query_params.write(state.SHUFFLE_SEED, [])
    st.session_state[state.PAGE] = 1


def _grids(patches: PatchColumns, show: str, rows: npt.NDArray[np.int64]) -> list[Grid]:
    label = patches.fixed.label[rows]
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


def _go_to(patches: PatchColumns, grids: list[Grid], per_grid: int) -> None:
    """Go to the page of the patch whose whole id was typed, and open it once."""
    wanted = filters.searched()
    row = patches.fixed.row(wanted) if wanted else None
    if row is None:
        # So that the same id opens its patch once more when it is typed again.
        st.session_state[state.WENT_TO] = ""
        return
    at = next((places[0] for grid in grids if len(places := np.flatnonzero(grid.rows == row))), None)
    if at is None:
        st.caption(f":material/info: {wanted} is in this data set, but the filters hide it.")
    if st.session_state.get(state.WENT_TO) == wanted:
        return  # the field still holds the id after the dialog was closed
    st.session_state[state.WENT_TO] = wanted
    query_params.write(state.DETAIL, [wanted])
    if at is not None:
        st.session_state[state.PAGE] = int(at) // per_grid + 1


def _paging(grids: list[Grid], grid_layout: Layout, dataset: Dataset) -> int:
    pages = max(1, *(-(-len(grid.rows) // grid_layout.per_grid) for grid in grids))
    # The arrow keys turn pages only while no patch is open: in its dialog they go to the next patch.
    keys = {} if query_params.read(state.DETAIL) else {"before": "Left", "after": "Right"}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        page = widgets.page_number(state.PAGE, pages, bind="query-params")
        st.button("Previous", icon=":material/chevron_left:", disabled=page <= 1, on_click=_go_by, args=(-1, pages),
                  shortcut=keys.get("before"))  # fmt: skip
        st.button("Next", icon=":material/chevron_right:", disabled=page >= pages, on_click=_go_by, args=(1, pages),
                  shortcut=keys.get("after"))  # fmt: skip
        st.caption(f"of {pages:,} page{'s' if pages > 1 else ''}", width="content")
        shown = [grid.rows[(page - 1) * grid_layout.per_grid : page * grid_layout.per_grid] for grid in grids]
        basket.draw_add(dataset, np.concatenate(shown), np.concatenate([grid.rows for grid in grids]))
    return page


def _go_by(by: int, pages: int) -> None:
    st.session_state[state.PAGE] = min(max(1, int(st.session_state.get(state.PAGE, 1)) + by), pages)


def _draw(patches: PatchColumns, grid: Grid, page: int, grid_layout: Layout) -> None:
    rows = grid.rows[(page - 1) * grid_layout.per_grid : page * grid_layout.per_grid]
    st.markdown(f"**{grid.heading}** · {len(grid.rows):,} patch{'' if len(grid.rows) == 1 else 'es'}")
    if len(rows):
        gallery(patches, rows, columns=grid_layout.columns, boxes=grid_layout.boxes, key=f"grid-{grid.heading}")
    else:
        st.caption("No more patches on this page." if len(grid.rows) else "No patch matches.")


def gallery(
    patches: PatchColumns,
    rows: npt.NDArray[np.int64],
    *,
    columns: int,
    key: str,
    boxes: bool = False,
    hover: list[str] | None = None,
) -> None:
    """Draw patches as one picture; the pointer shows what is known of a patch, a click opens it.

    Args:
        patches: what is known of the data set.
        rows: its patches, one page of them.
        columns: patches in a row.
        key: names the picture on its page.
        boxes: whether the labelled centre is marked.
        hover: the text of each patch; :func:`detail.summary` by default.
    """
    loaded = patches.dataset.store.load(rows)
    labels = [None if label < 0 else int(label) for label in patches.fixed.label[rows]]
    picture = mosaic(loaded.pixels, labels, columns=columns, background=widgets.background(), centre_boxes=boxes)
    widgets.gallery(
        picture, hover or [detail.summary(patches, int(row)) for row in rows],
        # Other patches need another key: with the same one the chart would keep the click on the patch that was there.
        key=f"{key}-{rows[0]}-{len(rows)}-{columns}",
        on_click=lambda position: detail.open_patch(patches, int(rows[position])),
    )  # fmt: skip
    if loaded.unreadable:
        st.warning(
            f"{len(loaded.unreadable)} patches of this page could not be read: {next(iter(loaded.unreadable.values()))}"
        )
