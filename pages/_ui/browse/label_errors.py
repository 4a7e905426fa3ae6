"""Browse: label issues, which are labels that are probably wrong; the most suspicious first, to decide about each."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.data import Dataset, Decision, decisions_of
from core.features.label_errors import (
    IMAGENET_KEY,
    LabelIssues,
    has_learnt,
    label_issues_path,
    load_label_issues,
    probe_key,
)
from core.formatting import duration, percent
from core.job import Job
from core.prediction import Predictor
from core.studies.label_errors import finished_studies, of_study
from core.studies.study import open_study
from pages._ui import cache, jobs, layout, state, widgets
from pages._ui.browse import columns, curation, detail, grid, undo
from pages._ui.browse.columns import PatchColumns

MODEL, IMAGENET, STUDY = "Quick probe: the sidebar's model", "Quick probe: ImageNet", "Cross-validation: "
SHOW = {"open": "Undecided", "decided": "Decided", "all": "All"}
LABELLED = {"both": "Both", "tumour": "Tumour", "normal": "Normal"}
PER_PAGE = 48


@dataclass(frozen=True)
class Ranked:
    """The patches of a ranking that are in the data set, the most suspicious first.

    Attributes:
        table: as :meth:`LabelIssues.table` gives it.
        rows: int64 (n,), of the data set.
    """

    table: pd.DataFrame
    rows: npt.NDArray[np.int64]


def draw(dataset: Dataset) -> None:
    """Draw the choice of a source, the ranking, and what was decided.

    Args:
        dataset: the data set with the decisions. The one without is shown, so that nothing moves while one decides.
    """
    base = dataset.base
    st.caption(
        "Labels that contradict a model which was not trained on them. Look at them, decide, and train again. A label "
        "issue is not always an error: difficult patches are listed too."
    )
    chosen = _source()
    label_issues = (
        of_study(open_study(chosen.removeprefix(STUDY)), base)
        if chosen.startswith(STUDY)
        else _of_probe(base, chosen, dataset)
    )
    if label_issues is None:
        return
    ranked = _ranked(label_issues, base)
    decisions = decisions_of(base.source)
    _heading(label_issues, ranked, decisions)
    curation.draw_counts(base)
    _grid(columns.patch_columns(base), ranked, decisions)


def _source() -> str:
    options = [MODEL, IMAGENET, *(f"{STUDY}{study.name}" for study in finished_studies())]
    # The study of a link may have been deleted since.
    if st.session_state.get(state.ERRORS_BY, MODEL) not in options:
        st.session_state[state.ERRORS_BY] = MODEL
    return str(
        st.selectbox(
            "Source of label issues", options, key=state.ERRORS_BY, bind="query-params", width=420,
            help="A quick probe fits a logistic regression to a network's features of some patches and predicts the "
            "others, which are of other slides where slides are known. ImageNet features have seen none of these "
            "labels. A cross-validation (Train, Studies) is better and takes as long as several trainings.",
        )
    )  # fmt: skip


def _of_probe(base: Dataset, chosen: str, dataset: Dataset) -> LabelIssues | None:
    """Return the stored ranking by a probe; where there is none, draw the button that makes it and return None."""
    predictor = layout.predictor() if chosen == MODEL else None
    if predictor is not None and has_learnt(predictor.bundle, base):
        st.warning(
            f"{predictor.bundle.card.name} was trained on labels like these. It has learned some of their errors and "
            "hides them. ImageNet features find more of them in such data, with more false alarms.",
            icon=":material/visibility_off:",
        )
    key = IMAGENET_KEY if predictor is None else probe_key(predictor.bundle)
    job = Job(label_issues_path(base.source, key).with_suffix(".job"))
    label_issues = _stored(base, key)
    current = label_issues is not None and label_issues.fingerprint == dataset.fingerprint()
    if label_issues is None or not current or job.status().is_active:
        _offer(base, job, predictor, again=label_issues is not None)
    return label_issues


def _offer(base: Dataset, job: Job, predictor: Predictor | None, *, again: bool) -> None:
    if again and not job.status().is_active:
        st.caption("The ranking was made before the latest decisions. It stays as it is until you rank again.")
    elif not again:
        labelled = int(base.table["label"].notna().sum())
        # Without a predictor it is ImageNet's EfficientNet-Lite0, which takes about as long as the default model.
        seconds = jobs.estimate(predictor or layout.predictor(), labelled)
        st.caption(f"{labelled:,} labelled patches will be ranked in about {duration(seconds)} on this computer.")
    features = ["--imagenet"] if predictor is None else ["--bundle", str(layout.bundle_path())]
    command = ["label-errors", "--data", base.source, "--probe", *features, "--device", layout.device()]
    jobs.draw(job, command, label="Rank again" if again else "Rank the labels", doing="Reading features")


def _stored(base: Dataset, key: str) -> LabelIssues | None:
    path = label_issues_path(base.source, key)
    about = (path, cache.file_stamp(path), base.files)
    return cache.recall("label issues", about, lambda: load_label_issues(base, key), most=4)


def _ranked(label_issues: LabelIssues, base: Dataset) -> Ranked:
    table = label_issues.table()
    rows = columns.fixed(base).index.get_indexer(table["id"])
    return Ranked(table[rows >= 0].reset_index(drop=True), rows[rows >= 0].astype(np.int64))


def _heading(label_issues: LabelIssues, ranked: Ranked, decisions: dict[str, Decision]) -> None:
    errors, count = label_issues.found.errors, len(label_issues.ids)
    issues = ranked.table["id"][ranked.table["suspect"]]
    st.markdown(
        f"An estimated **{errors:,} of {count:,} labels** ({errors / count:.1%}) are wrong.",
        help="Confident learning (Northcutt, Jiang & Chuang 2021): a patch counts as the other class where its "
        "probability is at least the average probability of that class. The estimate is too high where the model is "
        f"weak. Method: {label_issues.description}.",
    )
    st.caption(
        f"{label_issues.description[:1].upper()}{label_issues.description[1:]} · "
        f"{widgets.counted(len(issues), 'label issue', 'label issues')}, {int(issues.isin(list(decisions)).sum()):,} "
        "of them decided."
    )


def _grid(patches: PatchColumns, ranked: Ranked, decisions: dict[str, Decision]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        at = _filtered(ranked, decisions)
        pages = max(1, -(-len(at) // PER_PAGE))
        page = widgets.page_number(state.ERRORS_PAGE, pages, bind="query-params")
        st.caption(f"of {pages:,} pages, {len(at):,} patches by rank.", width="content")
    st.caption("Outline: the label, solid red for tumour, dashed green for normal. Click a patch to decide about it.")
    shown = at[(page - 1) * PER_PAGE : page * PER_PAGE]
    issue = ranked.table["suspect"].to_numpy(bool)
    for name, part in (("Label issues", issue), ("Labels that agree with the model", ~issue)):
        rows = shown[part[shown]]
        if len(rows):
            st.subheader(f"{name} · {int(part[at].sum()):,}", anchor=False)
            lines = [_lines(line, decisions.get(str(line.id))) for line in ranked.table.iloc[rows].itertuples()]
            grid.draw_gallery(patches, ranked.rows[rows], name=f"{name}, by rank", key=f"label-issues-{name}",
                              lines=lines)  # fmt: skip
    if not len(shown):
        st.info("No patch matches.")
        st.button("Show all of the ranking", icon=":material/filter_alt_off:", on_click=st.session_state.update,
                  args=({state.ERRORS_SHOW: "all", state.ERRORS_CLASS: "both"},))  # fmt: skip

    def why(row: int) -> str:
        place = np.flatnonzero(ranked.rows == row)
        if not len(place):
            return ""
        line: Any = next(ranked.table.iloc[place[:1]].itertuples())
        return f"Rank {line.rank:,}: the ranking gives it a probability of tumour of {percent(line.probability)}."

    detail.draw(patches, [ranked.rows[at]], per_page=PER_PAGE, page_key=state.ERRORS_PAGE, note_of=why)


def _filtered(ranked: Ranked, decisions: dict[str, Decision]) -> npt.NDArray[np.int64]:
    """Draw the filters and return the positions in the ranking that pass."""
    show = widgets.choice("Show", SHOW, key=state.ERRORS_SHOW)
    label = widgets.choice("Labelled", LABELLED, key=state.ERRORS_CLASS)
    keep = np.ones(len(ranked.rows), bool)
    if show != "all":
        keep &= ranked.table["id"].isin(list(decisions)).to_numpy(bool) == (show == "decided")
    if label != "both":
        keep &= ranked.table["label"].to_numpy() == int(label == "tumour")
    return np.flatnonzero(keep)


def _lines(line: Any, decision: Decision | None) -> list[str]:
    given = widgets.label_name(int(line.label))
    issue = ", label issue" if line.suspect else ""
    texts = [
        f"rank {line.rank:,}{issue}",
        line.id,
        f"labelled {given}",
        f"probability of tumour {percent(line.probability)}",
    ]
    return [*texts, *([] if decision is None else [f"decided: {undo.describe(decision)}"])]
