"""Browse: label patches that have no label, one after the other, by the keys T, N and S."""

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from core.data import Dataset, Decision, decisions_of
from core.data.labels import labels_csv
from core.display import enlarge, with_centre_box
from core.errors import NodescopeError
from core.scoring.job import SubmissionJob
from core.scoring.kaggle import rows_of_test
from pages._ui import cache, jobs, layout, state, widgets
from pages._ui.browse import curation, people, undo

ORDERS = {"table": "In order", "uncertain": "Most uncertain first"}
ZOOM = 5
ANSWERS = (
    ("Tumour", "add_circle", "T", Decision("relabel", 1)),
    ("Normal", "radio_button_unchecked", "N", Decision("relabel", 0)),
    ("Skip", "skip_next", "S", Decision("skip")),
    ("Exclude", "block", "E", Decision("exclude", reason="chosen while labelling")),
)
"""Text, icon, key and decision of each button."""


def draw(dataset: Dataset) -> None:
    """Draw the next patch to label; what was labelled counts on every page at once."""
    base = dataset.base  # without the decisions, so that nothing moves while one labels
    rows = rows_of_test(base)
    if not len(rows):
        st.info(
            f"Every patch of {base.name} came with a label, so there is nothing to label here. To look for labels that "
            "are wrong, use Label errors; to change one, open its patch."
        )
        st.button("Show label errors", icon=":material/rule:", on_click=st.session_state.update,
                  args=({state.BROWSE_VIEW: "Label errors"},))  # fmt: skip
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        who = people.name()
        # Once it is given the field goes out of sight, and the keys that label no longer fall into it.
        with st.popover(widgets.escaped(who), icon=":material/person:") if who else st.container(width="content"):
            who = people.draw()
        order = widgets.choice("Order", ORDERS, key=state.LABEL_ORDER)
        skipped = st.checkbox("Show skipped ones again", key=state.LABEL_SKIPPED, persist_state="session")
    if order == "uncertain":
        rows = _by_uncertainty(base, rows)
    if who:
        _desk(base, rows, skipped=skipped)
    else:
        st.info("Give your name first: it is stored with each label, so that others can tell who gave it.")


@st.fragment
def _desk(base: Dataset, rows: npt.NDArray[np.int64], *, skipped: bool) -> None:
    # A fragment: a label draws this part alone, so that the next patch is there at once.
    try:
        decisions = decisions_of(base.source)
    except NodescopeError as error:
        layout.show_error(error)
        return
    ids = base.table["id"].to_numpy(object)[rows]
    kinds = [None if name not in decisions else decisions[name].kind for name in ids]
    waiting = {None, "skip"} if skipped else {None}
    order = [at for at, kind in enumerate(kinds) if kind in waiting]
    # A skipped patch that is asked for again comes after those that nobody has seen.
    order.sort(key=lambda at: (kinds[at] == "skip", decisions[ids[at]].at if ids[at] in decisions else ""))
    counts = {kind: kinds.count(kind) for kind in ("relabel", "skip", "exclude")}
    done = len(kinds) - kinds.count(None)
    st.progress(done / len(kinds), text=(
        f"{counts['relabel']:,} of {len(kinds):,} labelled, {counts['skip']:,} skipped, {counts['exclude']:,} excluded"
    ))  # fmt: skip
    if order:
        _patch(base, int(rows[order[0]]), str(ids[order[0]]), already=decisions.get(ids[order[0]]))
    else:
        st.success("All patches are labelled, skipped or excluded.", icon=":material/check:")
        with st.container(horizontal=True):
            if counts["skip"] and not skipped:
                st.button(f"Ask again for the {counts['skip']:,} skipped ones", on_click=st.session_state.update,
                          args=({state.LABEL_SKIPPED: True},))  # fmt: skip
            undo.draw(base.source, key="labelling", shortcut="U")
    if counts["relabel"]:
        name = "train_labels.csv" if base.kind == "kaggle" else "labels.csv"
        widgets.export(
            "Export labels", lambda: labels_csv(base.source), name, key="export-labels",
            help="All labels, those that came with the data set and those made here, in the layout it came from. "
            "Beside the patches, it opens them with these labels. (In Kaggle's folder, labelled ones lie in train/.)",
        )  # fmt: skip


def _patch(base: Dataset, row: int, patch_id: str, *, already: Decision | None) -> None:
    loaded = base.store.load([row])
    if loaded.unreadable:
        st.warning(loaded.unreadable[0])
    shown, turn = st.session_state.get(state.LABEL_TURN, ("", 0))
    if shown != patch_id:
        turn += 1
        st.session_state[state.LABEL_TURN] = (patch_id, turn)
    # The answers come first, so that they are in sight beside the picture, and above it on a phone.
    answer, picture = st.columns([2, 3], gap="medium")
    with answer:
        st.markdown("**Is there tumour in the box?**")
        with st.container(horizontal=True, gap="small"):
            for text, icon, key, decision in ANSWERS:
                st.button(text, icon=f":material/{icon}:", key=f"label-{text}-{turn}", shortcut=key,
                          on_click=_answer, args=(base.source, patch_id, decision, already, turn))  # fmt: skip
            undo.draw(base.source, key="labelling", shortcut="U")
    with picture:
        shown = with_centre_box(enlarge(loaded.pixels[0], ZOOM), zoom=ZOOM)
        widgets.scaled_patch(shown, key="label", alt=f"The patch {patch_id}, enlarged")
        who = "" if already is None else f" It was skipped{f' by {already.by}' if already.by else ''}."
        st.caption(f"The label is about the centre 32×32 pixels, the rim is context.{who}")
        st.code(patch_id, language=None, wrap_lines=True)


def _answer(source: str, patch_id: str, decision: Decision, already: Decision | None, turn: int) -> None:
    # The browser keeps the buttons of the patch before for a moment, and they hear the key too; and of two keys at once
    # the second is about a picture that was not there yet. Only the first answer of this turn counts.
    if (patch_id, turn) == st.session_state.get(state.LABEL_TURN) and decisions_of(source).get(patch_id) == already:
        st.session_state[state.LABEL_TURN] = ("", turn)
        curation.change(source, {patch_id: decision})


def _by_uncertainty(base: Dataset, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the rows in the order of their distance from the threshold; as they are where it is not known."""
    bundle = cache.bundle(layout.bundle_path())
    # The predictions of patches without a label are those that a submission to Kaggle consists of.
    job = SubmissionJob.of([bundle.digest], base)
    if not job.text_path.is_file():
        st.caption(
            f"{bundle.card.name} has not predicted these {len(rows):,} patches yet. Until then they come in order."
        )
        command = ["submit", "--data", base.source, "--bundle", str(layout.bundle_path()), "--device", layout.device()]
        jobs.draw(job, command, label="Predict them", doing="Predicting", patches=len(rows))
        return rows
    known = cache.recall("unlabelled", (job.text_path, cache.file_stamp(job.text_path)), lambda: _read(job.text_path))
    probability = pd.Series(base.table["id"].to_numpy(object)[rows]).map(known).to_numpy(float)
    # NaN, not predicted, comes last.
    return rows[np.argsort(np.abs(probability - bundle.card.threshold), kind="stable")]


def _read(path: Path) -> dict[str, float]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["id"]: float(row["label"]) for row in csv.DictReader(file)}
