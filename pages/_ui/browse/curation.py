"""Decisions about single patches: relabel, exclude, confirm. Each is written to disk at once and can be undone."""

import streamlit as st

from core.data import CLASS_NAMES, Dataset, Decision, apply_decisions, decide, decisions_of, take_back
from core.data.decisions import to_csv
from core.errors import NodescopeError
from pages._ui import layout, state, widgets

Undo = tuple[str, str, Decision | None]
"""A data set, a patch, and what was decided about it before."""


def describe(decision: Decision) -> str:
    """Return a decision as the page shows it."""
    if decision.kind == "relabel":
        return f"relabelled as {CLASS_NAMES[int(decision.label or 0)]}"
    return {"exclude": "excluded", "fine": "label confirmed"}[decision.kind]


def label_words(label: int, both: tuple[int, int] | None) -> str:
    """Return the text of a label, 1, 0 or -1 for none; of a relabelled patch, see :func:`cache.relabelled`, of both."""
    if both is None:
        return widgets.label_name(label)
    given, decided = map(widgets.label_name, both)
    return f"{decided} by decision ({given} in the data)"


def buttons(dataset: Dataset, patch_id: str, *, shortcuts: bool = False) -> None:
    """Draw the decisions that can be made about a patch, and the one that was made.

    Args:
        dataset: holds the patch, with decisions applied or not.
        patch_id: the patch.
        shortcuts: whether the keys L, E and F do the same; for a page that shows one patch.
    """
    decision = decisions_of(dataset.source).get(patch_id)
    choices = _choices(dataset, patch_id)
    st.markdown("**Your decision**" + ("" if decision is None else f": {describe(decision)}"))
    with st.container(horizontal=True):
        for text, icon, key, choice in choices:
            st.button(
                text, icon=f":material/{icon}:", key=f"decide-{choice.kind}-{patch_id}",
                type="primary" if decision is not None and decision.kind == choice.kind else "secondary",
                shortcut=key if shortcuts else None, on_click=_decide, args=(dataset.source, patch_id, choice),
            )  # fmt: skip
        if decision is not None:
            st.button("Revert", icon=":material/undo:", key=f"decide-back-{patch_id}", on_click=_decide,
                      args=(dataset.source, patch_id, None))  # fmt: skip
    st.caption("Saved at once. Every page, and every training that starts from now on, uses it.")


def draw_counts(undecided: Dataset) -> None:
    """Draw how the decisions change the classes, how to undo the last one, and the file to export.

    Args:
        undecided: the data set as it is without any decision.
    """
    decisions = decisions_of(undecided.source)
    with st.container(border=True), st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if decisions:
            _counts(undecided, decisions)
            widgets.export("Export decisions.csv", to_csv(decisions), "decisions.csv")
        else:
            st.caption("Nothing is decided yet. Click a patch to decide about it.")
        stack = _stack()
        if stack and stack[-1][0] == undecided.source:
            st.button("Undo", icon=":material/undo:", on_click=_undo,
                      help=f"Undo the last decision, about {stack[-1][1]}.")  # fmt: skip
    if decisions:
        st.caption(
            "Training, evaluation and every page use these decisions from now on. Runs that have started do not."
        )


def _counts(undecided: Dataset, decisions: dict[str, Decision]) -> None:
    after = apply_decisions(undecided, decisions)
    before, now = undecided.class_counts(), after.class_counts()
    for label in (1, 0):
        st.markdown(f"{CLASS_NAMES[label].capitalize()} **{before[label]:,} → {now[label]:,}**", width="content")
    kinds: list[str] = [each.kind for each in decisions.values()]
    names = {"relabel": "relabelled", "exclude": "excluded", "fine": "confirmed"}
    st.caption(" · ".join(f"{kinds.count(kind):,} {name}" for kind, name in names.items()), width="content")


def _choices(dataset: Dataset, patch_id: str) -> list[tuple[str, str, str, Decision]]:
    """Return text, icon, key and decision of each button; relabelling means the label that the data do not give."""
    table = dataset.base.table
    label = table.loc[table["id"] == patch_id, "label"].dropna()
    choices = [("Exclude", "block", "E", Decision("exclude", reason="chosen while looking at it"))]
    if len(label):
        other = 1 - int(label.iloc[0])
        relabel = (f"Relabel as {CLASS_NAMES[other]}", "swap_horiz", "L", Decision("relabel", other))
        choices = [relabel, *choices, ("Confirm label", "check", "F", Decision("fine"))]
    return choices


def _decide(source: str, patch_id: str, decision: Decision | None, *, remember: bool = True) -> None:
    try:
        before = decisions_of(source).get(patch_id)
        if decision is None:
            take_back(source, [patch_id])
        else:
            decide(source, {patch_id: decision})
    except NodescopeError as error:
        layout.show_error(error)
        return
    # An undo is not remembered, or the next one would take it back instead of going on to the decision before.
    if remember:
        _stack().append((source, patch_id, before))


def _undo() -> None:
    source, patch_id, before = _stack().pop()
    _decide(source, patch_id, before, remember=False)


def _stack() -> list[Undo]:
    stack: list[Undo] = st.session_state.setdefault(state.UNDO, [])
    return stack
