"""Browse: divide a data set into training, validation and test split, see the result, and save it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.data import SPLITS, Dataset, SplitRule, assign, choose_rule
from core.data.dataset import GROUPS
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
from core.data.split_rule import TEST, VALID
from core.data.split_summary import SplitSummary, summarise
from core.data.splits import is_official, lacks_test
from core.data.stain_clusters import knows_colours
from core.errors import NodescopeError
from pages._ui import cache, state, widgets
from pages._ui.browse import charts, quality, split_charts
from pages._ui.browse.columns import SPLIT_NAMES

FOLDS = (0, 2, 3, 4, 5, 8, 10, 20)
MOST_MEASURED = 20_000
"""Most patches that are measured while the visitor waits; more are measured by the check, in the background."""

LABELS = {
    "patch": "Random",
    "slide": "By slide",
    "patient": "By patient",
    "centre": "Leave one centre out",
    "stratified": "Stratified",
    "colour": "By colour",
    "official": "Official",
    "valid-as-test": "Validation as test",
}
ABOUT = {
    "patch": "Each patch is assigned on its own, whatever slide it is from.",
    "slide": "All patches of a slide stay together. This is how a model meets new slides.",
    "patient": "All patches of a patient stay together, whatever slide they are from.",
    "centre": "One centre is tested, and the others train: this is how a model meets a new laboratory and scanner.",
    "stratified": "Each patch is assigned on its own, with exactly the chosen shares in each class.",
    "colour": "Whole stain clusters are held out, so that the test split has stains that training never sees.",
    "official": "The splits that the data set came with.",
    "valid-as-test": "The validation split that the data set came with tests, and another one is drawn from its "
    "training split.",
}

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Choice:
    """What the visitor chose, see :func:`core.data.choose_rule`."""

    by: str
    seed: int
    valid: float
    test: float
    folds: int
    fold: int


@dataclass(frozen=True)
class Split:
    """A split and its summary."""

    choice: Choice
    rule: SplitRule
    assigned: npt.NDArray[np.str_]
    summary: SplitSummary
    file: SplitFile


def draw(dataset: Dataset) -> None:
    """Draw the choice of a split, its summary, and how to save it."""
    if not dataset.table["label"].notna().any():
        st.info("No patch of this data set has a label, so there is nothing to divide.")
        return
    choice = _choose(dataset)
    key = (choice, *cache.key_of(dataset), cache.file_stamp(check_path(dataset.source)))
    # A look without making it: a large set must be measured in the background first.
    split: Split | None = cache.peek("split", key)
    if split is None:
        if choice.by == "colour" and len(dataset) > MOST_MEASURED and not knows_colours(dataset):
            st.info("The stains of all patches have to be measured first. The check does that, in the background.")
            quality.draw_tools(dataset)
            return
        split = cache.recall("split", key, lambda: _make(dataset, choice), doing="Dividing the patches …")
    _show(dataset, split)
    _keep(dataset, split)
    _saved(split)


def _choose(dataset: Dataset) -> Choice:
    known: dict[str, bool] = {
        **{group: group in dataset.known_groups for group in GROUPS},
        "official": is_official(dataset),
        "valid-as-test": lacks_test(dataset),
    }
    offered = [choice for choice in LABELS if known.get(choice, True)]
    first = "official" if "official" in offered else dataset.unit or "patch"
    by = widgets.choice(
        "Divide", {name: LABELS[name] for name in offered}, default=first, key=state.SPLIT_BY,
        help="No choice depends on the order of the files: a patch keeps its split when the data set moves or grows.",
    )  # fmt: skip
    st.caption(ABOUT[by])
    if known["valid-as-test"] and by != "valid-as-test":
        st.caption(
            "This data set came with training and validation splits only: this divides all its patches anew. "
            "*Validation as test* keeps its validation split for testing."
        )
    if by in ("official", "valid-as-test"):
        return Choice(by, 0, VALID, TEST, 0, 0)  # without effect; the same each time for the memo
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = st.number_input("Seed", 0, 2**31 - 1, 0, key=state.SPLIT_SEED, bind="query-params", width=140,
                               help="Another seed gives another split.")  # fmt: skip
        centres = sorted(dataset.table["centre"].dropna().unique()) if by == "centre" else []
        folds = len(centres) or st.selectbox(
            "Folds", FOLDS, key=state.SPLIT_FOLDS, bind="query-params", width=140,
            format_func=lambda count: f"{count} folds" if count else "none",
            help="Cross-validation: with k folds, every patch is in the test split of exactly one of k runs.",
        )  # fmt: skip
        fold, test = 0, 100 * TEST
        if centres:
            fold = st.selectbox("Tested centre", range(folds), key="split_centre", width=140,
                                format_func=lambda number: str(centres[number]))  # fmt: skip
        elif folds:
            fold = st.selectbox("Test fold", range(folds), key=state.SPLIT_FOLD, bind="query-params", width=140)
        else:
            test = st.number_input("Test, %", 1, 80, round(100 * TEST), key=state.SPLIT_TEST, bind="query-params",
                                   width=140, help="The share that measures the finished model once.")  # fmt: skip
        valid = st.number_input("Validation, %", 1, 80, round(100 * VALID), key=state.SPLIT_VALID, bind="query-params",
                                width=140, help="The share that chooses epoch, temperature and threshold.")  # fmt: skip
    return Choice(by, int(seed), float(valid) / 100, float(test) / 100, int(folds), int(fold))


def _make(dataset: Dataset, choice: Choice) -> Split:
    with widgets.progress("Measuring colours") as show:
        rule = choose_rule(
            dataset, choice.by, seed=choice.seed, valid=choice.valid, test=choice.test, folds=choice.folds,
            fold=choice.fold, progress=show,
        )  # fmt: skip
        assigned = assign(dataset, rule)
        summary = summarise(dataset, rule, assigned, progress=show)
    return Split(choice, rule, assigned, summary, make_split_file(dataset, rule, assigned))


def _show(dataset: Dataset, split: Split) -> None:
    summary = split.summary
    if summary.optimistic:
        st.warning(summary.caution, icon=":material/warning:")
    else:
        st.caption(f":material/check_circle: {summary.caution}")
    if summary.duplicates:
        st.warning(
            f"{summary.duplicates:,} pairs of (nearly) identical patches are in different splits; see Quality.",
            icon=":material/content_copy:",
        )
    _table(summary)
    label = dataset.table["label"].fillna(-1).to_numpy(np.int8)
    place = pd.Index(SPLITS).get_indexer(split.assigned)  # -1 without a label
    classes, colours = st.columns([2, 3])
    with classes:
        st.markdown("**Classes**")
        figure = charts.by_group(label, place, [SPLIT_NAMES[name] for name in SPLITS], height=split_charts.HEIGHT)
        st.plotly_chart(figure, config=widgets.CHART, key="split-classes", alt="Classes by split")
    with colours:
        st.markdown("**Stain**", help="How strongly patches are stained. The large symbols are means.")
        figure = split_charts.colours(summary.colours)
        st.plotly_chart(figure, config=widgets.CHART, key="split-colours", alt="Stain densities by split")
    for group in dataset.known_groups:
        st.markdown(
            f"**{group.capitalize()}s**",
            help=f"One bar for each {group}. A bar of two colours is a {group} that is in two splits.",
        )
        figure, hidden = split_charts.slides(dataset.table[group].to_numpy(object), split.assigned)
        st.plotly_chart(figure, config=widgets.CHART, key=f"split-{group}", alt=f"Patches of each {group} by split")
        if hidden:
            st.caption(f"The largest {split_charts.MOST_SLIDES} {group}s; {hidden:,} more are not shown.")


def _table(summary: SplitSummary) -> None:
    table = summary.table.reset_index().dropna(axis=1, how="all")  # no slides where they are unknown
    table["split"] = table["split"].map(SPLIT_NAMES)
    table["tumour_share"] *= 100  # the format "percent" gives each row another number of decimals
    columns = {
        "split": st.column_config.TextColumn("Split"),
        "patches": st.column_config.NumberColumn("Patches", format="localized"),
        "normal": st.column_config.NumberColumn("Normal", format="localized"),
        "tumour": st.column_config.NumberColumn("Tumour", format="localized"),
        "tumour_share": st.column_config.NumberColumn("Tumour share", format="%.1f%%"),
        **{f"{group}s": st.column_config.NumberColumn(f"{group.capitalize()}s") for group in GROUPS},
        "brightness": st.column_config.NumberColumn("Brightness", format="%.0f", help="Mean grey level, 0 to 255"),
        "haematoxylin": st.column_config.NumberColumn("Haematoxylin", format="%.3f", help="Mean optical density"),
        "eosin": st.column_config.NumberColumn("Eosin", format="%.3f", help="Mean optical density"),
    }
    st.dataframe(table, column_config=columns, hide_index=True)
    st.caption(f"Brightness and stains are means over {len(summary.colours):,} patches.")


def _keep(dataset: Dataset, split: Split) -> None:
    st.markdown("#### Save for training")
    name = _suggestion(dataset, split.choice)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        # The suggestion is in the key, so that another split brings its own name into the field.
        given = st.text_input("Name", name, key=f"split-name-{name}", width=380)
        wanted = st.button("Save split", icon=":material/save:", type="primary")
        content = json.dumps(split.file.to_json(), indent=2)
        widgets.export("Export split file", content, f"{name}.json", "application/json")
        widgets.export(
            "Export list of patches", lambda: parts_csv(dataset, split.assigned), f"{name}.csv",
            help="A CSV file with the id and the split of every labelled patch.",
        )  # fmt: skip
    if wanted:
        _save(given.strip(), split.file)
    st.caption(
        f"The file holds the rule ({split.rule.describe()}) and the SHA-256 of all ids and splits, "
        f"`{split.file.digest[:16]}…`. Training divides by the rule and stops if the result differs."
    )


def _suggestion(dataset: Dataset, choice: Choice) -> str:
    folds = f"-fold{choice.fold}of{choice.folds}" if choice.folds else ""
    seed = "" if choice.by in ("official", "valid-as-test") else f"-seed{choice.seed}"
    return f"{file_stem(dataset)[:40]}-{choice.by}{seed}{folds}"


def file_stem(dataset: Dataset) -> str:
    """Return how names of files about a data set begin: its name in small letters, digits and dashes."""
    return re.sub(r"[^A-Za-z0-9]+", "-", dataset.name).strip("-").lower() or "data"


def _save(name: str, file: SplitFile) -> None:
    path = splits_home() / f"{name}.json"
    if not NAME.fullmatch(name):
        st.error(f"The name of a split may have letters, digits, dots, dashes and underscores only, got {name!r}.")
    # Saving the same split again is allowed: nothing is lost by it.
    elif path.is_file() and load_split(path) != file:
        st.error(f"There is another split named {name} already. Choose another name, or delete {path}.")
    else:
        save_split(file, path)
        st.success(f"Saved as {path}. Choose it on Train: Expert settings, Classes and split.", icon=":material/check:")


def _saved(split: Split) -> None:
    rows, broken = [], []
    for path in saved_splits():
        try:
            rows.append(_row(path, split))
        except NodescopeError as error:
            broken.append(str(error))
    if rows or broken:
        with st.expander(f"Saved splits ({len(rows)})", icon=":material/folder:"):
            st.dataframe(pd.DataFrame(rows), hide_index=True)
            for sentence in broken:
                st.error(sentence)
            st.caption(f"They are in {splits_home()}.")


def _row(path: Path, split: Split) -> dict[str, str]:
    saved = load_split(path)
    counts = {name: sum(classes.values()) for name, classes in saved.counts.items()}
    fits = "this data set" if saved.fingerprint == split.file.fingerprint else saved.name
    numbers = " / ".join(f"{counts[name]:,}" for name in SPLITS)
    return {"name": path.stem, "made for": fits, "rule": saved.rule.describe(), "train / validation / test": numbers}
