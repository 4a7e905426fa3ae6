"""Browse: how a data set is divided into training, validation and test part, what comes of it, and saving it."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.data import SPLITS, Dataset, SplitRule, assign, choose_rule
from core.data.quality import check_path
from core.data.split_file import (
    SplitFile,
    load_split,
    make_split_file,
    parts_csv,
    save_split,
    saved_splits,
    splits_home,
)
from core.data.split_summary import SplitSummary, summarise
from core.data.splits import TEST, VALID, is_official
from core.data.stain_clusters import knows_colours
from core.errors import NodescopeError
from core.progress import Progress
from pages._ui import state, widgets
from pages._ui.browse import charts, check, quality, split_charts

FOLDS = (0, 2, 3, 4, 5, 8, 10, 20)
MOST_MEASURED = 20_000
"""So many patches are measured while one waits; more by the check, in the background."""

LABELS = {
    "patch": "Random",
    "slide": "By slide",
    "stratified": "Stratified",
    "colour": "By colour",
    "official": "Official",
}
ABOUT = {
    "patch": "Each patch is drawn for itself, whatever slide it is of.",
    "slide": "All patches of a slide stay together, as it will be with new slides.",
    "stratified": "Each patch is drawn for itself, with exactly the shares asked for in each class.",
    "colour": "Whole clusters of colour are held out, so that the test part has stains that training never sees.",
    "official": "The parts that the data set came with.",
}

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Wish:
    """What was asked for, see :func:`core.data.choose_rule`."""

    choice: str
    seed: int
    valid: float
    test: float
    folds: int
    fold: int


@dataclass(frozen=True)
class Made:
    """A division and what it looks like."""

    table: pd.DataFrame  # of the data set: kept, so that no other table can take its place in memory
    wish: Wish
    stamp: int
    rule: SplitRule
    parts: npt.NDArray[np.str_]
    summary: SplitSummary
    file: SplitFile


def draw(dataset: Dataset) -> None:
    """Draw the choice of a split, how it falls, and what can be done with it."""
    if not dataset.table["label"].notna().any():
        st.info("No patch of this data set has a label, so there is nothing to divide.")
        return
    wish = _wish(dataset)
    made = _known(dataset, wish)
    if made is None:
        if wish.choice == "colour" and len(dataset) > MOST_MEASURED and not knows_colours(dataset):
            st.info("Colours have to be measured first, for all patches. The check does that, in the background.")
            quality.draw(dataset, check.found(dataset))
            return
        with st.spinner("Dividing the patches …"):
            made = _make(dataset, wish)
    _show(dataset, made)
    _keep(dataset, made)
    _saved(made)


def _wish(dataset: Dataset) -> Wish:
    known = {"slide": dataset.knows_slides, "official": is_official(dataset)}
    offered = [choice for choice in LABELS if known.get(choice, True)]
    first = next(choice for choice in ("official", "slide", "patch") if choice in offered)
    choice = st.segmented_control(
        "Divide", offered, default=first, key=state.SPLIT_BY, bind="query-params", required=True,
        format_func=LABELS.__getitem__,
        help="No choice depends on the order of the files: a patch stays in its part when the data set moves or grows.",
    )  # fmt: skip
    choice = str(choice or first)
    st.caption(ABOUT[choice])
    if choice == "official":
        return Wish(choice, 0, VALID, TEST, 0, 0)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = st.number_input("Seed", 0, 2**31 - 1, 0, key=state.SPLIT_SEED, bind="query-params", width=140,
                               help="Another seed gives another split.")  # fmt: skip
        folds = st.selectbox(
            "Folds", FOLDS, key=state.SPLIT_FOLDS, bind="query-params", width=140,
            format_func=lambda count: f"{count} folds" if count else "none",
            help="Cross-validation: with k folds, every patch is in the test part of exactly one of k runs.",
        )  # fmt: skip
        fold, test = 0, 100 * TEST
        if folds:
            fold = st.selectbox("Test part is fold", range(folds), key=state.SPLIT_FOLD, bind="query-params", width=140)
        else:
            test = st.number_input("Test, %", 1, 80, round(100 * TEST), key=state.SPLIT_TEST, bind="query-params",
                                   width=140, help="Measures the finished model once.")  # fmt: skip
        valid = st.number_input("Validation, %", 1, 80, round(100 * VALID), key=state.SPLIT_VALID, bind="query-params",
                                width=140, help="Chooses epoch, temperature and threshold.")  # fmt: skip
    return Wish(choice, int(seed), float(valid) / 100, float(test) / 100, int(folds), int(fold))


def _known(dataset: Dataset, wish: Wish) -> Made | None:
    """Return the division if it has been made."""
    wanted = (wish, _stamp(dataset))
    return next((made for made in _held() if made.table is dataset.table and (made.wish, made.stamp) == wanted), None)


def _stamp(dataset: Dataset) -> int:
    """Return what changes with a new check, which brings colours and duplicates."""
    path = check_path(dataset.source)
    return path.stat().st_mtime_ns if path.is_file() else 0


def _make(dataset: Dataset, wish: Wish) -> Made:
    bar = st.empty()
    progress = _bar(bar, "Measuring colours")
    rule = choose_rule(
        dataset, wish.choice, seed=wish.seed, valid=wish.valid, test=wish.test, folds=wish.folds, fold=wish.fold,
        progress=progress,
    )  # fmt: skip
    parts = assign(dataset, rule)
    summary = summarise(dataset, rule, parts, progress=progress)
    bar.empty()
    file = make_split_file(dataset, rule, parts)
    made = Made(dataset.table, wish, _stamp(dataset), rule, parts, summary, file)
    _held()[:] = [made, *_held()[:7]]
    return made


@st.cache_resource(show_spinner=False)
def _held() -> list[Made]:
    return []


def _bar(place: "st.delta_generator.DeltaGenerator", label: str) -> Progress:
    def show(share: float) -> None:
        place.progress(min(max(share, 0.0), 1.0), text=f"{label}: {share:.0%}")

    return show


def _show(dataset: Dataset, made: Made) -> None:
    summary = made.summary
    if summary.optimistic:
        st.warning(summary.caution, icon=":material/warning:")
    else:
        st.caption(f":material/check_circle: {summary.caution}")
    if summary.duplicates:
        st.warning(
            f"{summary.duplicates:,} pairs of (nearly) the same patch lie in different splits; see the view Quality.",
            icon=":material/content_copy:",
        )
    _table(summary)
    label = dataset.table["label"].fillna(-1).to_numpy(np.int8)
    part = np.array([SPLITS.index(each) if each else -1 for each in made.parts])
    classes, colours = st.columns([2, 3])
    with classes:
        st.markdown("**Classes**")
        figure = charts.by_group(label, part, list(SPLITS))
        figure.update_layout(height=split_charts.HEIGHT)
        st.plotly_chart(figure, config=widgets.CHART, key="split-classes", alt="Classes by part")
    with colours:
        st.markdown("**StainClusters**", help="How strongly patches are stained. The large signs are means.")
        figure = split_charts.colours(summary.colours)
        st.plotly_chart(figure, config=widgets.CHART, key="split-colours", alt="Stain densities by part")
    if dataset.knows_slides:
        st.markdown("**Slides**", help="One bar for each slide. A bar of two colours is a slide that is divided.")
        figure, left_out = split_charts.slides(dataset.table["slide"].to_numpy(object), made.parts)
        st.plotly_chart(figure, config=widgets.CHART, key="split-slides", alt="Patches of each slide by part")
        if left_out:
            st.caption(f"The largest {split_charts.MOST_SLIDES} slides; {left_out:,} more are not drawn.")


def _table(summary: SplitSummary) -> None:
    table = summary.table.reset_index().dropna(axis=1, how="all")  # no slides where they are not known
    table["tumour_share"] *= 100  # the format "percent" gives each row another number of decimals
    columns = {
        "split": st.column_config.TextColumn("Split"),
        "patches": st.column_config.NumberColumn("Patches", format="localized"),
        "normal": st.column_config.NumberColumn("Normal", format="localized"),
        "tumour": st.column_config.NumberColumn("Tumour", format="localized"),
        "tumour_share": st.column_config.NumberColumn("Tumour share", format="%.1f%%"),
        "slides": st.column_config.NumberColumn("Slides"),
        "brightness": st.column_config.NumberColumn("Brightness", format="%.0f", help="Mean grey level, 0 to 255"),
        "haematoxylin": st.column_config.NumberColumn("Haematoxylin", format="%.3f", help="Mean optical density"),
        "eosin": st.column_config.NumberColumn("Eosin", format="%.3f", help="Mean optical density"),
    }
    st.dataframe(table, column_config=columns, hide_index=True)
    st.caption(f"Brightness and stains are means over {len(summary.colours):,} patches.")


def _keep(dataset: Dataset, made: Made) -> None:
    st.markdown("#### Save it for training")
    name = _suggestion(dataset, made.wish)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        given = st.text_input("Name", name, key=f"split-name-{name}", width=380)
        wanted = st.button("Save split", icon=":material/save:", type="primary")
        st.download_button(
            "Split file", json.dumps(made.file.to_json(), indent=2), f"{name}.json", "application/json",
            icon=":material/download:", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "List of patches", _later(dataset, made), f"{name}.csv", "text/csv", icon=":material/download:",
            on_click="ignore", help="CSV with the id and the part of every labelled patch",
        )  # fmt: skip
    if wanted:
        _save(given.strip(), made.file)
    st.caption(
        f"The file holds the rule ({made.rule.describe()}) and the SHA-256 of all ids and parts, "
        f"`{made.file.digest[:16]}…`. Training divides by the rule and stops if the result is not the same."
    )


def _later(dataset: Dataset, made: Made) -> Callable[[], str]:
    """Return what writes the list when it is asked for: 220,025 lines take a second."""
    return lambda: parts_csv(dataset, made.parts)


def _suggestion(dataset: Dataset, wish: Wish) -> str:
    folds = f"-fold{wish.fold}of{wish.folds}" if wish.folds else ""
    seed = "" if wish.choice == "official" else f"-seed{wish.seed}"
    stem = re.sub(r"[^A-Za-z0-9]+", "-", dataset.name).strip("-").lower() or "data"
    return f"{stem[:40]}-{wish.choice}{seed}{folds}"


def _save(name: str, file: SplitFile) -> None:
    path = splits_home() / f"{name}.json"
    if not NAME.fullmatch(name):
        st.error(f"A split's name has letters, digits, dots, dashes and underscores only; found {name!r}.")
    elif path.is_file() and load_split(path) != file:
        st.error(f"There is another split named {name} already. Choose another name, or delete {path}.")
    else:
        save_split(file, path)
        st.success(f"Saved as {path}. Choose it on Train: Expert settings, Classes and split.", icon=":material/check:")


def _saved(made: Made) -> None:
    rows, broken = [], []
    for path in saved_splits():
        try:
            rows.append(_row(path, made))
        except NodescopeError as error:
            broken.append(str(error))
    if rows or broken:
        with st.expander(f"Saved splits ({len(rows)})", icon=":material/folder:"):
            st.dataframe(pd.DataFrame(rows), hide_index=True)
            for sentence in broken:
                st.error(sentence)
            st.caption(f"They lie in {splits_home()}.")


def _row(path: Path, made: Made) -> dict[str, str]:
    split = load_split(path)
    counts = {part: sum(classes.values()) for part, classes in split.counts.items()}
    fits = "this data set" if split.fingerprint == made.file.fingerprint else split.name
    numbers = " / ".join(f"{counts[part]:,}" for part in SPLITS)
    return {"name": path.stem, "made for": fits, "rule": split.rule.describe(), "train / valid / test": numbers}
