"""The grid of patches on the Browse page: what it shows, its pages, and the click on a patch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.data import DEMO, Dataset
from core.formatting import percent
from pages._ui import cache, open_data, query_params, state, widgets
from pages._ui.browse import basket, detail, filters, predictions, views
from pages._ui.browse.columns import PatchColumns, patch_columns
from pages._ui.gallery import Tile, encoded, gallery
from pages._ui.steps import steps

IN_ADDRESS = (state.SHUFFLE_SEED, state.BOXES, state.RANGES, state.DETAIL)


SIZE = 72
"""Width of a patch on screen, in CSS pixels, until another one is chosen."""


@dataclass(frozen=True)
class Grid:
    """One grid of patches: its heading, what its outlines mean, and the rows of the table that it pages through."""

    heading: str
    outline: str
    rows: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """How the grids are laid out.

    Attributes:
        size: width of a patch on screen, in CSS pixels; as many stand in a row as fit.
        per_grid: patches of a grid on a page.
        boxes: whether the labelled centre is marked.
    """

    size: int
    per_grid: int
    boxes: bool


def draw(dataset: Dataset, *, chips: DeltaGenerator | None = None) -> None:
    """Draw the filter, the grids and their pages, and the open patch; the chips of the filter go to `chips`."""
    patches = patch_columns(dataset)
    # BROWSE_HERE is the key of the Shuffle button: Streamlit forgets it as soon as a run does not draw the button.
    query_params.keep(IN_ADDRESS, came_back=state.BROWSE_HERE not in st.session_state)
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="controls")
    below = st.container() if chips is None else chips
    detail.opened(patches)  # an id that is not here leaves the address before the keys of the page depend on it
    if dataset.source != DEMO and not Path(dataset.source).exists():
        st.error(
            f"{dataset.source} is gone: moved, renamed, or on a drive that is not connected. Without a pack, nothing "
            "can be shown until it is back.", icon=":material/folder_off:",
        )  # fmt: skip
    with row:
        # Few and small, so that patches are in sight on a phone: what is chosen seldom stands behind its button.
        show = widgets.choice("Show", filters.SHOW, key=state.SHOW, show_label=False)
        rows, active = filters.chosen(patches, show, chips=below)
        grid_layout, order = _controls(patches)
        grids = _grids(patches, show, filters.ordered(patches, rows, order))
        adding = st.container(width="content")
        views.draw()
        predictions.draw(dataset, patches.predicted)
        _go_to(patches, grids, grid_layout.per_grid)
        page = _paging(grids, grid_layout)
        shown = [grid.rows[(page - 1) * grid_layout.per_grid : page * grid_layout.per_grid] for grid in grids]
        with adding:
            basket.draw_add(dataset, np.concatenate(shown), np.concatenate([grid.rows for grid in grids]))
    if not any(len(grid.rows) for grid in grids):
        filters.draw_empty(patches, active)
        grids = []
    # Side by side, so that both classes are in sight at once; in a narrow window Streamlit puts them below each other.
    with st.container(key="grids"):
        for place, grid in zip(st.columns(len(grids) or 1), grids, strict=False):
            with place:
                _draw(patches, grid, page, grid_layout)
    basket.draw(patches)
    detail.draw(patches, [grid.rows for grid in grids], per_page=grid_layout.per_grid, page_key=state.PAGE)


def _controls(patches: PatchColumns) -> tuple[Layout, str]:
    boxes = detail.box_button(key="grid_box", with_shortcut=not query_params.read(state.DETAIL))
    with st.popover("Layout", icon=":material/grid_view:"):
        order = filters.sorted_by(patches)
        with st.container(horizontal=True):
            seed = _shuffle_seed()
            st.button(
                "Shuffle", icon=":material/shuffle:", on_click=_shuffle, args=(seed + 1,), key=state.BROWSE_HERE,
                help="Show the patches in another random order.",
            )  # fmt: skip
            if seed:
                st.button("Reset order", icon=":material/sort:", on_click=_shuffle, args=(0,))
        size = int(st.slider("Thumbnail size", 48, 192, SIZE, step=8, key=state.SIZE, bind="query-params", width=200))
        if patches.predicted is not None:
            st.toggle("Probability of tumour on each patch", key=state.BADGES, bind="query-params")
        per_grid = st.number_input("Patches per grid", query_params.FEWEST, query_params.MOST, 90, step=30,
                                   key=state.PER_GRID, bind="query-params")  # fmt: skip
        st.button("Reload", icon=":material/refresh:", on_click=cache.reload_dataset, args=(open_data.source(),),
                  help="Read every file again, also where there is a pack, and use what changed.")  # fmt: skip
    return Layout(size, int(per_grid), boxes), order


def _shuffle_seed() -> int:
    """Return the seed of the random order, from the address; 0 is the order of the table."""
    given = query_params.read(state.SHUFFLE_SEED)
    return (query_params.whole(given[0]) or 0) if given else 0


def _shuffle(seed: int) -> None:
    query_params.write(state.SHUFFLE_SEED, [str(seed)] if seed else [])
    st.session_state[state.PAGE] = 1


def _grids(patches: PatchColumns, show: str, rows: npt.NDArray[np.int64]) -> list[Grid]:
    label = patches.fixed.label[rows]
    tumour = Grid("Tumour", "Tumour in the centre: a solid red outline.", rows[label == 1])
    normal = Grid("Normal", "No tumour in the centre: a dashed green outline.", rows[label == 0])
    everything = Grid("All patches", "Tumour is outlined solid red, normal dashed green, unlabelled not at all.", rows)
    chosen = {"both": [tumour, normal], "tumour": [tumour], "normal": [normal], "all": [everything]}[show]
    if show == "both" and not len(tumour.rows) and not len(normal.rows):
        chosen = [everything]
    seed = _shuffle_seed()
    if not seed:
        return chosen
    return [replace(grid, rows=np.random.default_rng(seed).permutation(grid.rows)) for grid in chosen]


def _go_to(patches: PatchColumns, grids: list[Grid], per_grid: int) -> None:
    """Go to the page of the patch whose whole id was typed, and open it once."""
    wanted = filters.searched()
    row = patches.fixed.row(wanted) if wanted else None
    if row is None:
        # So that the same id opens its patch once more when it is typed again.
        st.session_state[state.WENT_TO] = ""
        return
    wanted = str(patches.fixed.ids[row])  # the path of its file may have been typed
    at = next((places[0] for grid in grids if len(places := np.flatnonzero(grid.rows == row))), None)
    if at is None:
        st.caption(f":material/info: {wanted} is in this data set, but the filters hide it.")
    if st.session_state.get(state.WENT_TO) == wanted:
        return  # the field still holds the id after the dialog was closed
    st.session_state[state.WENT_TO] = wanted
    query_params.write(state.DETAIL, [wanted])
    if at is not None:
        st.session_state[state.PAGE] = int(at) // per_grid + 1


def _paging(grids: list[Grid], grid_layout: Layout) -> int:
    pages = max(1, *(-(-len(grid.rows) // grid_layout.per_grid) for grid in grids))
    with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
        page = widgets.page_number(state.PAGE, pages, width=100, label_visibility="collapsed", bind="query-params")
        st.caption(f"of {pages:,}", width="content")
        # The arrow keys turn pages only while no patch is open: in its dialog they go to the next patch.
        steps(key="turn", at=page - 1, count=pages, on_step=lambda to: st.session_state.update({state.PAGE: to + 1}),
              now=lambda: int(st.session_state[state.PAGE]) - 1, keys=not query_params.read(state.DETAIL))  # fmt: skip
    return page


def _draw(patches: PatchColumns, grid: Grid, page: int, grid_layout: Layout) -> None:
    rows = grid.rows[(page - 1) * grid_layout.per_grid : page * grid_layout.per_grid]
    st.subheader(f"{grid.heading} · {len(grid.rows):,}", anchor=False, help=grid.outline)
    if len(rows):
        draw_gallery(patches, rows, name=grid.heading, key=f"grid-{grid.heading}",
                     size=grid_layout.size, boxes=grid_layout.boxes)  # fmt: skip
    else:
        st.caption("No more patches on this page." if len(grid.rows) else "No patch matches.")


def draw_gallery(
    patches: PatchColumns,
    rows: npt.NDArray[np.int64],
    *,
    name: str,
    key: str,
    size: int | None = None,
    boxes: bool = False,
    lines: Sequence[Sequence[str]] | None = None,
) -> None:
    """Draw patches that can be opened and selected.

    Args:
        patches: what is known of the data set.
        rows: its patches, one page of them.
        name: of the grid, for screen readers.
        key: of the grid in the session.
        size: width of a patch on screen in CSS pixels; by default the one that was chosen for Browse.
        boxes: whether the labelled centre is marked.
        lines: what is shown beside each patch; :func:`detail.summary` by default.
    """
    dataset = patches.dataset

    def make() -> tuple[str, dict[int, str]]:
        loaded = dataset.store.load(rows)
        return encoded(loaded.pixels), dict(loaded.unreadable)

    # A selection or a decision draws the page again, and the pictures are the same.
    key_of_rows = (*cache.key_of(dataset.base), dataset.table["id"].iloc[rows].str.cat(sep="\n"))
    sheet, unreadable = cache.recall("sheet", key_of_rows, make, most=32)
    selected, wanted = set(basket.ids(dataset.source)), st.session_state.get(state.WENT_TO)
    with_badges = bool(st.session_state.get(state.BADGES))
    tiles = []
    for position, (row, patch_id) in enumerate(zip(rows.tolist(), map(str, patches.fixed.ids[rows]), strict=True)):
        why = unreadable.get(position)
        known = detail.summary(patches, row) if lines is None else lines[position]
        tiles.append(
            Tile(
                id=patch_id, label=int(patches.fixed.label[row]),
                badge=_badge(patches, row, probability=with_badges) if why is None else "cannot be read",
                lines=[*known, why] if why else known, selected=patch_id in selected, marked=patch_id == wanted,
            )
        )  # fmt: skip
    gallery(
        sheet, tiles, name=name, key=key, size=size or int(st.session_state.get(state.SIZE, SIZE)), boxes=boxes,
        on_open=detail.open_id, on_select=partial(basket.change, dataset.source),
    )  # fmt: skip
    if unreadable:
        count = widgets.counted(len(unreadable), "patch", "patches")
        st.warning(f"{count} of this page cannot be read. Point at one for the reason, such as this: "
                   f"{next(iter(unreadable.values()))}")  # fmt: skip


def _badge(patches: PatchColumns, row: int, *, probability: bool) -> str:
    predicted = patches.predicted
    known = probability and predicted is not None and predicted.known[row]
    text = percent(predicted.probability[row], digits=0) if predicted is not None and known else ""
    tagged = any(marked[row] for marked in patches.tags.values())
    return f"{text} #".strip() if tagged else text  # which tag stands in the lines beside the patch
